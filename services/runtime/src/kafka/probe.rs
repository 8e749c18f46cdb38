//! Where a partition's records end. Its last offsets may belong to marks of transactions or to aborted records, which no
//! reader ever gets; only reading the end tells.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::ConsumerSide;
use super::{CLIENT_ID, Cluster, REQUEST_WAIT_MS, fault, ms};
use crate::log::{Error, Result, TopicPartition};

/// How far before the end the first look begins; a mark and the records before it are mostly within.
const LOOK_BACK: i64 = 4;
/// How much farther back each next look begins.
const LOOK_BACK_FACTOR: i64 = 32;

/// Reads the ends of partitions, and remembers them.
#[derive(Default)]
pub(super) struct Probe {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    consumer: Option<BaseConsumer<ConsumerSide>>,
    /// By partition: the bound that was looked at, and where the records below it end.
    ends: HashMap<TopicPartition, (i64, i64)>,
}

impl Probe {
    /// The offset after the last record of a partition that has offsets from `start` to `bound`.
    pub fn end(&self, cluster: &Cluster, tp: &TopicPartition, (start, bound): (i64, i64)) -> Result<i64> {
        if start >= bound {
            return Ok(bound);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, end)) = state.ends.get(tp).filter(|(seen, _)| *seen == bound) {
            return Ok((*end).max(start));
        }
        let consumer = match state.consumer.take() {
            Some(consumer) => consumer,
            None => {
                let config = cluster.settings.prober(CLIENT_ID);
                BaseConsumer::from_config_and_context(&config, ConsumerSide::default())
                    .map_err(|error| fault::error("creating a Kafka client", &error))?
            }
        };
        let end = last(&consumer, tp, (start, bound))?;
        state.consumer = Some(consumer);
        state.ends.insert(tp.clone(), (bound, end));
        Ok(end)
    }
}

fn last(consumer: &BaseConsumer<ConsumerSide>, tp: &TopicPartition, (start, bound): (i64, i64)) -> Result<i64> {
    let mut back = LOOK_BACK;
    loop {
        let from = bound.saturating_sub(back).max(start);
        let found = look(consumer, tp, from, bound)?;
        if found > from || from == start {
            return Ok(found);
        }
        back = back.saturating_mul(LOOK_BACK_FACTOR);
    }
}

/// The offset after the last record from `from` to `bound`; `from` when there is none.
fn look(consumer: &BaseConsumer<ConsumerSide>, tp: &TopicPartition, from: i64, bound: i64) -> Result<i64> {
    let doing = || format!("looking for the last record of {tp}");
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&tp.topic, tp.partition, Offset::Offset(from))
        .and_then(|()| consumer.assign(&list))
        .map_err(|error| fault::error(doing(), &error))?;
    let deadline = Instant::now() + ms(REQUEST_WAIT_MS);
    let mut end = from;
    while end < bound {
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) if message.partition() == tp.partition && *message.topic() == *tp.topic => {
                if message.offset() >= bound {
                    break;
                }
                end = message.offset() + 1;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) if partition == tp.partition => break,
            // The client has not heard yet of a partition that its topic has gained.
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownPartition) => {
                let answer = consumer.fetch_metadata(Some(&tp.topic), ms(REQUEST_WAIT_MS));
                answer.map_err(|error| fault::error(doing(), &error))?;
                consumer.assign(&list).map_err(|error| fault::error(doing(), &error))?;
            }
            Some(Err(error)) => tracing::debug!(%tp, %error, "the client reports an error and goes on"),
            Some(Ok(_)) | None => {}
        }
        if Instant::now() >= deadline {
            let detail = format!("nothing came within {REQUEST_WAIT_MS} ms");
            return Err(Error::Unavailable { doing: doing(), detail });
        }
    }
    consumer.unassign().map_err(|error| fault::error(doing(), &error))?;
    Ok(end)
}
