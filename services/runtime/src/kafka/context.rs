//! What librdkafka calls back: log lines, errors, rebalances, delivery reports.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::bindings::rd_kafka_resp_err_t as RespErr;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::log::TopicPartition;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forward(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "{message}");
        }
        // librdkafka calls every lost connection an error; it reconnects by itself.
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
    }
}

/// A change of assignment that librdkafka announced and that waits for the session's thread.
pub(super) enum Rebalance {
    Assign(Vec<TopicPartition>),
    Revoke { lost: bool },
}

/// The context of a consumer. Rebalances are only noted here; the session carries them out between two polls, so that
/// a task can commit in between.
#[derive(Default)]
pub(super) struct ConsumerSide {
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
    reason: Mutex<String>,
}

impl ConsumerSide {
    /// The oldest rebalance that was not handled yet.
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        locked(&self.rebalances).pop_front()
    }

    /// Whether a rebalance waits.
    pub fn has_rebalance(&self) -> bool {
        !locked(&self.rebalances).is_empty()
    }

    /// From now on rebalances are agreed to at once: nobody will poll any more.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// The last thing that went wrong with a broker, in words, after a colon; or nothing.
    pub fn reason(&self) -> String {
        let reason = locked(&self.reason);
        if reason.is_empty() { String::new() } else { format!(": {reason}") }
    }
}

impl ClientContext for ConsumerSide {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Who asked to be told of ends is; it is no trouble.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let summary = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        let mut last = locked(&self.reason);
        // The client says again and again that brokers are down; what is wrong with one is said before.
        if summary {
            tracing::debug!(%error, "{reason}");
        } else {
            tracing::warn!(%error, "{reason}");
        }
        if !summary || last.is_empty() {
            *last = reason.to_owned();
        }
    }
}

impl ConsumerContext for ConsumerSide {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<TopicPartition> =
            list.elements().iter().map(|element| TopicPartition::new(element.topic(), element.partition())).collect();
        if self.closing.load(Ordering::Relaxed) {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "a closing consumer could not give up its partitions");
            }
            return;
        }
        let rebalance = match err {
            RespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions),
            _ => Rebalance::Revoke { lost: consumer.assignment_lost() },
        };
        locked(&self.rebalances).push_back(rebalance);
    }
}

/// The context of a producer: remembers the first delivery that failed, which ends the session.
#[derive(Default)]
pub(super) struct ProducerSide {
    has_failed: AtomicBool,
    failure: Mutex<Option<Failure>>,
    reason: Mutex<String>,
    troubles: AtomicU64,
}

/// A delivery that failed.
#[derive(Clone)]
pub(super) struct Failure {
    pub topic: String,
    pub code: RDKafkaErrorCode,
    /// The last thing the client reported before it, after a colon; may be empty.
    pub reason: String,
}

impl ProducerSide {
    /// The first failed delivery.
    pub fn failure(&self) -> Option<Failure> {
        if self.has_failed.load(Ordering::Acquire) { locked(&self.failure).clone() } else { None }
    }

    /// Notes a failed delivery.
    pub fn fail(&self, topic: &str, code: RDKafkaErrorCode) {
        let mut failure = locked(&self.failure);
        if failure.is_none() {
            *failure = Some(Failure { topic: topic.to_owned(), code, reason: self.reason() });
            self.has_failed.store(true, Ordering::Release);
        }
    }

    /// Notes a trouble that the client reports.
    pub fn note(&self, reason: String) {
        tracing::warn!("{reason}");
        *locked(&self.reason) = reason;
        self.troubles.fetch_add(1, Ordering::Relaxed);
    }

    /// How many troubles the client reported.
    pub fn troubles(&self) -> u64 {
        self.troubles.load(Ordering::Relaxed)
    }

    /// The last trouble that the client reported, after a colon; or nothing.
    pub fn reason(&self) -> String {
        let reason = locked(&self.reason);
        if reason.is_empty() { String::new() } else { format!(": {reason}") }
    }
}

impl ClientContext for ProducerSide {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward(level, facility, message);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.note(reason.to_owned());
    }
}

impl ProducerContext for ProducerSide {
    type DeliveryOpaque = ();

    // Reports are taken in by `delivery`, from the queue itself; this sees only those of a producer that is dropped.
    fn delivery(&self, _: &DeliveryResult<'_>, _: ()) {}
}
