//! The ledger's topic: what shells write to it, and comparing what it says while they do.

mod follow;
mod recount;
mod verify;

pub use follow::Follower;
pub use recount::{Difference, Marked, differences, is_of_another, recount};
pub(crate) use recount::{batches, emission, is_handed_over, read};
pub use verify::{Verified, settle, verify};

use crate::context::{self, Context};
use crate::log::{self, Publish, TopicPartition};
use crate::shell::LEDGER_INTERVAL_MS;
use bytes::Bytes;
use flow::ledger::{Entry, Sample, Writer};
use flow::plan::{Names, Plan, Service};
use flow::processor::Stop;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// Why the ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Topic or schema.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// A record that no task of ours wrote.
    #[error("{topic} offset {offset} is none of ours: {detail}; somebody else writes to that topic")]
    Foreign {
        /// The topic.
        topic: Arc<str>,
        /// The offset.
        offset: i64,
        /// What is wrong.
        detail: String,
    },
    /// An internal log that is to be counted does not decode.
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// Where a shell's rows go.
#[derive(Debug, Clone)]
pub struct Target {
    topic: Arc<str>,
    writer: Writer,
    /// Shortest time between two writes of one shell.
    pub(crate) interval: Duration,
}

impl Target {
    /// The ledger of the pipeline.
    pub fn of(context: &Context) -> Result<Self, context::Error> {
        let topic = context.plan.names.ledger.as_str();
        let interval = Duration::from_millis(LEDGER_INTERVAL_MS);
        // No two processes draw the same, and nothing depends on what they draw.
        let process = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let writer = Writer::new(context.own_schema_id(topic)?).process(process);
        Ok(Target { topic: topic.into(), writer, interval })
    }

    /// The same with rows after every commit, whatever a clock says.
    pub fn every_commit(self) -> Self {
        Target { interval: Duration::ZERO, ..self }
    }

    /// An entry as it is published.
    pub(crate) fn record(&self, entry: &Entry) -> Publish {
        let (key, value) = self.writer.encode(entry);
        Publish::keyed(self.topic.clone(), Bytes::from(key), Bytes::from(value))
    }
}

/// How far the validator of a partition of a source or of its retries is.
pub fn judged(plan: &Plan, sample: &Sample, topic: &str, partition: u16) -> i64 {
    let task = plan.tasks_of(Service::Validator).next();
    task.map_or(0, |task| sample.position(&task.group_id, topic, partition))
}

/// Where the partitions of sources, of their retries, and of internal logs end.
pub fn ends(context: &Context) -> Result<BTreeMap<(String, u16), i64>, Error> {
    let names = &context.plan.names;
    let logs = names.entity_logs.iter().chain([&names.features_log, &names.journal_log]);
    let mut ends = BTreeMap::new();
    for topic in names.sources().chain(logs) {
        for (tp, _, end) in context.bounds(topic)? {
            ends.insert((topic.clone(), tp.partition as u16), end);
        }
    }
    for topic in names.sources().map(|source| Names::retries(source)) {
        // A source that has grown has no retries of its new partitions until `apply` is called.
        let there = context.log.partitions(&topic)?.unwrap_or(0);
        for partition in 0..there {
            let (_, end) = context.log.watermarks(&TopicPartition::new(topic.as_str(), partition))?;
            ends.insert((topic.clone(), partition as u16), end);
        }
    }
    Ok(ends)
}
