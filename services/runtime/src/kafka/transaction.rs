//! Public records and offsets in one transaction per commit, by librdkafka. What is done about one whose fate is unclear
//! is in [`crate::transaction`].

use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::{
    rd_kafka_begin_transaction, rd_kafka_commit_transaction, rd_kafka_consumer_group_metadata,
    rd_kafka_consumer_group_metadata_destroy, rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_is_fatal,
    rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t, rd_kafka_init_transactions,
    rd_kafka_send_offsets_to_transaction,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::commit::offsets;
use super::context::ConsumerSide;
use super::publisher::Publisher;
use super::{Cluster, committed, fault};
use crate::failpoint::{self, COMMITTED, SENT};
use crate::log::{Committed, Error, Publish, Result, SessionOptions, TopicPartition};
use crate::transaction::{Coordinator, Failure, Offsets};

/// How long one step of a transaction may take, and how long it is repeated while brokers ask for that.
const STEP_WAIT_MAX_MS: i32 = 30_000;
/// Pause before a step is repeated.
const REPEAT_MS: u64 = 20;
/// A commit that takes this long counts as trouble, whatever the client says.
const SLOW: Duration = Duration::from_secs(5);

/// A session's client, for its transactions.
pub(super) struct Client<'a> {
    pub cluster: &'a Arc<Cluster>,
    pub options: &'a SessionOptions,
    /// The member of the group that commits, if there is one.
    pub consumer: Option<&'a BaseConsumer<ConsumerSide>>,
}

impl Coordinator for Client<'_> {
    type Producer = Publisher;

    fn open(&mut self, id: &str) -> Result<Publisher> {
        let config = self.cluster.settings.transactional_producer(self.options, id);
        let publisher = Publisher::open(self.cluster.clone(), &config)?;
        // SAFETY: the client is alive; the error is taken over.
        step(|| unsafe { Refusal::take(rd_kafka_init_transactions(publisher.native(), STEP_WAIT_MAX_MS)) })
            .map_err(|refusal| refusal.error(id))?;
        Ok(publisher)
    }

    fn attempt(
        &mut self,
        id: &str,
        publisher: &mut Publisher,
        kept: &[Publish],
        offsets: Option<&Offsets<'_>>,
    ) -> std::result::Result<bool, Failure> {
        let (began, troubles) = (Instant::now(), publisher.troubles());
        let group = offsets.map_or(id, |offsets| offsets.group);
        let failed = |refusal: Refusal| refusal.failure(group);
        // SAFETY: the client is alive; the error is taken over.
        unsafe { Refusal::take(rd_kafka_begin_transaction(publisher.native())) }.map_err(failed)?;
        for record in kept {
            publisher.publish(record).map_err(|error| undelivered(publisher, group, error))?;
        }
        if let (Some(offsets), Some(consumer)) = (offsets, self.consumer) {
            send_offsets(publisher, consumer, offsets)?;
        }
        if failpoint::fails(SENT, id) {
            return Err(Failure::Unclear("a test says so".into()));
        }
        // SAFETY: the client is alive; the error is taken over.
        step(|| unsafe { Refusal::take(rd_kafka_commit_transaction(publisher.native(), STEP_WAIT_MAX_MS)) })
            .map_err(failed)?;
        if failpoint::fails(COMMITTED, id) {
            return Err(Failure::Unclear("a test says so".into()));
        }
        Ok(publisher.troubles() == troubles && began.elapsed() < SLOW)
    }

    fn committed(&mut self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        self.consumer.map_or_else(|| Ok(vec![None; tps.len()]), |consumer| committed(consumer, group, tps))
    }
}

/// What an error of the producer means: most records may go out with another producer.
fn undelivered(publisher: &Publisher, group: &str, error: Error) -> Failure {
    match error {
        Error::Delivery { .. } if publisher.failure().is_some_and(fault::is_fencing) => {
            Failure::Final(Error::Fenced { group: group.to_owned(), detail: error.to_string() })
        }
        Error::Delivery { .. } | Error::Unavailable { .. } | Error::Refused { .. } => {
            Failure::Unclear(error.to_string())
        }
        _ => Failure::Final(error),
    }
}

/// Adds the offsets to the transaction, with the member's place in its group: only a living member's are taken.
fn send_offsets(
    publisher: &Publisher,
    consumer: &BaseConsumer<ConsumerSide>,
    of: &Offsets<'_>,
) -> std::result::Result<(), Failure> {
    let list = offsets(of.commits).map_err(Failure::Final)?;
    // SAFETY: both clients are alive; the metadata is destroyed after its only use, and the error is taken over.
    let sent = unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            let detail = "this member is in no generation".to_owned();
            return Err(Failure::Final(Error::Fenced { group: of.group.to_owned(), detail }));
        }
        let send = || rd_kafka_send_offsets_to_transaction(publisher.native(), list.ptr(), metadata, STEP_WAIT_MAX_MS);
        let sent = step(|| Refusal::take(send()));
        rd_kafka_consumer_group_metadata_destroy(metadata);
        sent
    };
    sent.map_err(|refusal| refusal.failure(of.group))
}

/// A step of a transaction, repeated as long as brokers ask for that.
fn step(mut call: impl FnMut() -> std::result::Result<(), Refusal>) -> std::result::Result<(), Refusal> {
    let deadline = Instant::now() + Duration::from_millis(STEP_WAIT_MAX_MS.unsigned_abs().into());
    loop {
        match call() {
            Err(refusal) if refusal.is_retriable && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(REPEAT_MS));
            }
            other => return other,
        }
    }
}

/// librdkafka's error of a transaction.
struct Refusal {
    code: RDKafkaErrorCode,
    is_retriable: bool,
    text: String,
}

impl Refusal {
    /// # Safety
    ///
    /// `error` is null or an error that nobody else destroys.
    unsafe fn take(error: *mut rd_kafka_error_t) -> std::result::Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's promise; the text is copied before it goes.
        unsafe {
            let fatal = if rd_kafka_error_is_fatal(error) == 0 { "" } else { "fatal: " };
            let text = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy();
            let refusal = Self {
                code: RDKafkaErrorCode::from(rd_kafka_error_code(error)),
                is_retriable: rd_kafka_error_is_retriable(error) != 0,
                text: format!("{fatal}{text}"),
            };
            rd_kafka_error_destroy(error);
            Err(refusal)
        }
    }

    fn failure(self, group: &str) -> Failure {
        match fault::is_fencing(self.code) {
            true => Failure::Final(Error::Fenced { group: group.to_owned(), detail: self.text }),
            false => Failure::Unclear(self.text),
        }
    }

    fn error(self, id: &str) -> Error {
        let doing = format!("initialising the transactions of {id}");
        match self.code {
            _ if self.is_retriable => Error::Unavailable { doing, detail: self.text },
            code if fault::is_unreachable(code) => Error::Unavailable { doing, detail: self.text },
            code if fault::is_fencing(code) => Error::Fenced { group: id.to_owned(), detail: self.text },
            _ => Error::Refused { doing, detail: self.text },
        }
    }
}
