//! Committing offsets with an end to the waiting: librdkafka's own synchronous commit waits for a coordinator for ever.

use std::ptr;

use rdkafka::bindings::{
    rd_kafka_commit_queue, rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_resp_err_t as RespErr,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::ConsumerSide;
use super::fault;
use crate::log::{Commit, Error, Result};

/// How long a commit may take.
const COMMIT_WAIT_MAX_MS: i32 = 60_000;

/// Commits with the group's generation, and waits for the coordinator's answer.
pub(super) fn commit(consumer: &BaseConsumer<ConsumerSide>, group: &str, commits: &[Commit]) -> Result<()> {
    let list = offsets(commits)?;
    let doing = || format!("committing offsets of group {group}");
    match ask(consumer, &list) {
        None => {
            let detail = format!("the group's coordinator did not answer within {COMMIT_WAIT_MAX_MS} ms");
            Err(Error::Unavailable { doing: doing(), detail })
        }
        Some(RespErr::RD_KAFKA_RESP_ERR_NO_ERROR) => Ok(()),
        Some(code) => {
            let code = RDKafkaErrorCode::from(code);
            let detail = code.to_string();
            Err(if fault::is_fencing(code) {
                Error::Fenced { group: group.to_owned(), detail }
            } else if fault::is_unreachable(code) {
                Error::Unavailable { doing: doing(), detail }
            } else {
                Error::Refused { doing: doing(), detail }
            })
        }
    }
}

/// What to commit, as librdkafka takes it.
pub(super) fn offsets(commits: &[Commit]) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for Commit { tp, offset, metadata } in commits {
        let mut element = list.add_partition(&tp.topic, tp.partition);
        element
            .set_offset(Offset::Offset(*offset))
            .map_err(|error| fault::error(format!("committing {tp} at {offset}"), &error))?;
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

/// The coordinator's answer: an error if it refused any of the partitions; `None` when none came.
fn ask(consumer: &BaseConsumer<ConsumerSide>, list: &TopicPartitionList) -> Option<RespErr> {
    let client = consumer.client().native_ptr();
    // SAFETY: client and list outlive the calls, the list is copied by the first; queue and event are destroyed here,
    // and a late answer finds the queue closed by librdkafka's own counting.
    unsafe {
        let queue = rd_kafka_queue_new(client);
        let asked = rd_kafka_commit_queue(client, list.ptr(), queue, None, ptr::null_mut());
        let answer = if asked == RespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            let event = rd_kafka_queue_poll(queue, COMMIT_WAIT_MAX_MS);
            let answer = (!event.is_null()).then(|| rd_kafka_event_error(event));
            rd_kafka_event_destroy(event);
            answer
        } else {
            Some(asked)
        };
        rd_kafka_queue_destroy(queue);
        answer
    }
}

/// The group's generation that the client is in; below zero when it is in none.
pub(super) fn generation(consumer: &BaseConsumer<ConsumerSide>) -> i32 {
    // SAFETY: the client is alive, and the metadata is destroyed after its only use.
    unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return -1;
        }
        let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
        rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}
