//! A session's producer: idempotent, never gives a record up, and ends the session when the broker refuses one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::{rd_kafka_flush, rd_kafka_resp_err_t, rd_kafka_t};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::context::ProducerSide;
use super::delivery::Deliveries;
use super::{Cluster, fault};
use crate::log::{Error, Publish, RECORD_BYTES_MAX, Result, TopicPartition, partition_of_key, partition_of_null};

/// How long brokers may leave published records unacknowledged before the session gives up.
const FLUSH_WAIT_MAX_MS: u64 = 120_000;
/// How long `publish` waits at a time for room in the client's queue.
const ROOM_WAIT_MS: i32 = 100;

/// See the module.
pub(super) struct Publisher {
    cluster: Arc<Cluster>,
    producer: Arc<BaseProducer<ProducerSide>>,
    _deliveries: Deliveries,
    partitions: HashMap<Arc<str>, i32>,
    draws: u64,
}

impl Publisher {
    /// A producer for a session.
    pub fn open(cluster: Arc<Cluster>, config: &ClientConfig) -> Result<Self> {
        let producer = BaseProducer::from_config_and_context(config, ProducerSide::default())
            .map_err(|error| fault::error("creating a producer", &error))?;
        let producer = Arc::new(producer);
        let deliveries = Deliveries::start(producer.clone()).map_err(|error| Error::Refused {
            doing: "starting a producer's thread".into(),
            detail: error.to_string(),
        })?;
        Ok(Self {
            cluster,
            producer,
            _deliveries: deliveries,
            partitions: HashMap::new(),
            draws: u64::from(std::process::id()),
        })
    }

    /// Hands a record to the client.
    pub fn publish(&mut self, record: &Publish) -> Result<()> {
        self.check()?;
        check_size(record)?;
        let partition = self.partition(record)?;
        let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic).partition(partition);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            message.headers = Some(record.headers.iter().fold(headers, |headers, header| {
                headers.insert(Header { key: &header.name, value: header.value.as_deref() })
            }));
        }
        let deadline = Instant::now() + Duration::from_millis(FLUSH_WAIT_MAX_MS);
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    message = back;
                    self.wait_flushed(ROOM_WAIT_MS);
                    self.check()?;
                }
                Err((error, _)) => return Err(fault::error(format!("publishing to {}", record.topic), &error)),
            }
        }
    }

    fn partition(&mut self, record: &Publish) -> Result<i32> {
        let known = self.partitions.get(&record.topic).copied();
        // A topic may have gained partitions since it was asked for.
        let count = match known.filter(|count| record.partition.is_none_or(|partition| partition < *count)) {
            Some(count) => count,
            None => self.ask(&record.topic)?,
        };
        match (record.partition, &record.key) {
            (Some(partition), _) if (0..count).contains(&partition) => Ok(partition),
            (Some(partition), _) => {
                let tp = TopicPartition { topic: record.topic.clone(), partition };
                Err(Error::MissingPartition { tp, partitions: count })
            }
            (None, Some(key)) => Ok(partition_of_key(key, count)),
            (None, None) => {
                self.draws += 1;
                Ok(partition_of_null(self.draws, count))
            }
        }
    }

    /// Asks how many partitions a topic has, by the producer itself: it sends to none that it has not heard of.
    fn ask(&mut self, topic: &Arc<str>) -> Result<i32> {
        let count = self.cluster.partitions(topic)?;
        let count = count.ok_or_else(|| Error::MissingTopic { topic: topic.to_string() })?;
        if self.partitions.insert(topic.clone(), count).is_some() {
            let answer = self.producer.client().fetch_metadata(Some(topic), super::ms(super::REQUEST_WAIT_MS));
            answer.map_err(|error| fault::error(format!("asking for topic {topic}"), &error))?;
        }
        Ok(count)
    }

    /// Waits for all acknowledgements.
    pub fn flush(&self) -> Result<()> {
        let flushed = self.wait_flushed(FLUSH_WAIT_MAX_MS as i32);
        self.check()?;
        if flushed {
            return Ok(());
        }
        let detail = format!(
            "{} records are not acknowledged after {FLUSH_WAIT_MAX_MS} ms by the brokers at {}{}",
            self.producer.in_flight_count(),
            self.cluster.settings.brokers,
            self.producer.client().context().reason()
        );
        Err(Error::Unavailable { doing: "publishing".into(), detail })
    }

    /// librdkafka's own flush, since rdkafka's does not cut the linger short: it asks with no time to wait.
    fn wait_flushed(&self, wait_ms: i32) -> bool {
        // SAFETY: the producer is alive, and a thread serves the delivery reports that this call waits for.
        let code = unsafe { rd_kafka_flush(self.producer.client().native_ptr(), wait_ms) };
        code == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// The client, to be called directly.
    pub fn native(&self) -> *mut rd_kafka_t {
        self.producer.client().native_ptr()
    }

    /// How often the client reported trouble with a broker.
    pub fn troubles(&self) -> u64 {
        self.producer.client().context().troubles()
    }

    /// Why the first delivery that failed did.
    pub fn failure(&self) -> Option<RDKafkaErrorCode> {
        self.producer.client().context().failure().map(|failure| failure.code)
    }

    fn check(&self) -> Result<()> {
        let Some(failure) = self.producer.client().context().failure() else { return Ok(()) };
        Err(Error::Delivery { topic: failure.topic, detail: format!("{}{}", failure.code, failure.reason) })
    }
}

/// An error when a record is larger than any topic takes.
pub(super) fn check_size(record: &Publish) -> Result<()> {
    let bytes = record.size_bytes();
    if bytes > RECORD_BYTES_MAX {
        return Err(Error::RecordTooLarge { topic: record.topic.to_string(), bytes, bytes_max: RECORD_BYTES_MAX });
    }
    Ok(())
}
