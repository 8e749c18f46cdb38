//! What a session has published and not yet appended, encoded already, by partition.

use std::sync::Arc;
use std::time::Instant;

use super::body::{Body, RECORD_HEADER_BYTES};
use super::pool::Pool;
use super::state::State;
use super::writer::NewRun;
use crate::log::{Error, Publish, RECORD_BYTES_MAX, Result, TopicPartition, partition_of_key, partition_of_null};

/// Most headers of a record.
const HEADERS_MAX: usize = 1_024;

#[derive(Default)]
struct PartitionBuffer {
    body: Body,
    /// The size of the last body: the next one will be about as large.
    usual_bytes: usize,
}

struct TopicBuffer {
    name: Arc<str>,
    number: u32,
    partitions: Vec<PartitionBuffer>,
}

/// Records waiting for the next append.
#[derive(Default)]
pub(super) struct Buffer {
    topics: Vec<TopicBuffer>,
    bytes: usize,
    since: Option<Instant>,
    draws: u64,
}

impl Buffer {
    /// Bytes waiting.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the oldest record waits, if there is one.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The place of a topic in the buffer, if the session published to it before.
    pub fn find(&self, name: &Arc<str>) -> Option<usize> {
        let same = |topic: &TopicBuffer| Arc::ptr_eq(&topic.name, name);
        self.topics.iter().position(same).or_else(|| self.topics.iter().position(|topic| topic.name == *name))
    }

    /// Whether the place knows a record's partition.
    pub fn knows(&self, place: usize, record: &Publish) -> bool {
        record.partition.is_none_or(|partition| partition < self.topics[place].partitions.len() as i32)
    }

    /// Takes in partitions that the topic has gained.
    pub fn grow(&mut self, state: &State, place: usize) {
        let topic = &mut self.topics[place];
        topic.partitions.resize_with(state.topics[topic.number as usize].partitions.len(), PartitionBuffer::default);
    }

    /// Makes a place for a topic.
    pub fn add(&mut self, state: &State, name: &Arc<str>) -> Result<usize> {
        let number = state.topic(name)?;
        let partitions = state.topics[number as usize].partitions.iter().map(|_| PartitionBuffer::default()).collect();
        self.topics.push(TopicBuffer { name: name.clone(), number, partitions });
        Ok(self.topics.len() - 1)
    }

    /// Adds a record to the topic at that place.
    pub fn push(&mut self, place: usize, record: &Publish, pool: &Pool) -> Result<()> {
        let bytes = record.size_bytes();
        let too_large = |bytes, bytes_max| Error::RecordTooLarge { topic: record.topic.to_string(), bytes, bytes_max };
        if bytes > RECORD_BYTES_MAX {
            return Err(too_large(bytes, RECORD_BYTES_MAX));
        }
        if record.headers.len() > HEADERS_MAX {
            let detail = format!("it has {} headers, and at most {HEADERS_MAX} are allowed", record.headers.len());
            return Err(Error::Delivery { topic: record.topic.to_string(), detail });
        }
        let topic = &mut self.topics[place];
        let count = topic.partitions.len() as i32;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, count),
            (None, None) => {
                self.draws += 1;
                partition_of_null(self.draws, count)
            }
        };
        let Some(buffer) = usize::try_from(partition).ok().and_then(|partition| topic.partitions.get_mut(partition))
        else {
            let tp = TopicPartition { topic: topic.name.clone(), partition };
            return Err(Error::MissingPartition { tp, partitions: count });
        };
        if buffer.body.count() == 0 {
            buffer.body = Body::new(pool.take(buffer.usual_bytes.max(bytes + RECORD_HEADER_BYTES)));
        }
        buffer.body.push(record);
        self.bytes += bytes;
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Takes everything out, by topic and partition.
    pub fn take(&mut self) -> Vec<NewRun> {
        self.bytes = 0;
        self.since = None;
        let mut runs = Vec::new();
        for topic in &mut self.topics {
            let filled = topic.partitions.iter_mut().enumerate().filter(|(_, buffer)| buffer.body.count() > 0);
            for (partition, buffer) in filled {
                let body = std::mem::take(&mut buffer.body);
                let (count, body) = (body.count(), body.finish());
                buffer.usual_bytes = body.len();
                runs.push(NewRun { slot: (topic.number, partition as i32), count, body });
            }
        }
        runs
    }
}
