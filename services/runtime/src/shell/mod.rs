//! The loop that runs tasks over a log: take partitions, restore their tasks, hand them records, publish what they give,
//! commit offsets with their state. One OS thread, one session, all partitions that the group gives it.
//!
//! # Restore
//!
//! A stateful task begins at its newest good snapshot at or below the committed offset, or at the log's start, and is
//! handed everything from there to the committed offset with its outputs suppressed; its numbers must then be those of
//! the commit's metadata, or the shell stops. A task whose whole state is its metadata (the validator) just goes on.
//!
//! # Stop
//!
//! A shell that is asked to stop commits what it handled, takes a last snapshot of its tasks for at most
//! [`STOP_SNAPSHOTS_MS_MAX`], commits where that is, and leaves its group. So does one that gives partitions away, for at
//! most [`HANDED_OVER_MS_MAX`]. Who goes on with them reads next to nothing of their log.
//!
//! # Failure
//!
//! A refused commit means that somebody else owns the partition: all tasks are forgotten and the session joins again. The
//! outside world failing is tried again, [`ATTEMPTS_MAX`] times in a row, and then ends the shell with nothing
//! committed. A task that stops ends it at once.

mod gate;
mod keeping;
mod run;
mod slot;
mod snapshots;
mod stats;
mod telling;
mod worker;

pub use gate::Gate;
pub use run::run;
pub use slot::{Slot, incoming, outgoing, seal};
pub use stats::{Count, Stats};
pub use telling::LEDGER_INTERVAL_MS;
pub use worker::Worker;

use crate::ledger;
use crate::log::{self, Committed, Session, TopicPartition};
use crate::snapshot;
use flow::processor::{Stop, Task};
use std::sync::Arc;
use std::time::Duration;

/// How often in a row the shell starts over after the outside world failed.
pub const ATTEMPTS_MAX: u32 = 10;

/// How a task gets its state back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// By reading its log again, from its newest snapshot or from the start.
    Replay,
    /// It is all in the commit's metadata.
    Metadata,
}

/// A task just made.
pub struct Opened {
    /// The task; with [`Restore::Metadata`] it already took up the committed state.
    pub task: Box<dyn Task>,
    /// How it gets its state back.
    pub restore: Restore,
}

/// Makes tasks for partitions, and may act between polls.
pub trait Service: Send {
    /// A task for a partition that this process now owns.
    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop>;

    /// Whether a partition may be worked on already. One that may not is left alone, uncommitted, and asked for again
    /// after every poll, so the answer must be cheap.
    fn accepts(&mut self, tp: &TopicPartition) -> Result<bool, Stop> {
        let _ = tp;
        Ok(true)
    }

    /// Called after every poll, and at least once per [`Options::poll_wait`].
    fn tick(&mut self, slots: &mut [Slot], session: &mut dyn Session) -> Result<(), Error> {
        let _ = (slots, session);
        Ok(())
    }
}

/// Usual shortest time between two polls. A poll costs some tenth of a millisecond in client, codecs and rules whatever is
/// in it; an event that comes alone does not wait for it.
pub const GATHER_MS: u64 = 10;

/// Usual limit on the records of one poll.
pub const POLL_RECORDS_MAX: usize = 16_384;

/// Longest time between commits where results wait for them.
pub const TRANSACTION_INTERVAL_MS: u64 = 100;
/// Outputs since the last commit from which on it does not wait for its time.
const TRANSACTION_RECORDS_MAX: usize = 50_000;

/// Longest that a stop waits for the last snapshots. Everything is committed before.
pub const STOP_SNAPSHOTS_MS_MAX: u64 = 10_000;
/// The same where partitions are given away: their next owner waits meanwhile.
pub const HANDED_OVER_MS_MAX: u64 = 3_000;

/// How a shell is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the service in logs.
    pub name: String,
    /// Consumer group.
    pub group: String,
    /// Topics whose partitions the tasks read.
    pub topics: Vec<String>,
    /// Longest wait for records.
    pub poll_wait: Duration,
    /// Shortest time between two polls that were not full: gathers records into batches.
    pub poll_floor: Duration,
    /// Longest time between commits; zero commits after every poll.
    pub commit_interval: Duration,
    /// Most records of one poll.
    pub poll_records_max: usize,
    /// Whether outputs must be on disk before they count as published (embedded log).
    pub durable: bool,
    /// Topics whose records are seen with the commit of the offsets they came from; set by [`Options::transactional`].
    pub transactional: Vec<String>,
    /// Counters for the metrics page.
    pub stats: Arc<Stats>,
    /// Where snapshots of tasks are kept; none takes none, and restores by replay from the log's start.
    pub snapshots: Option<snapshot::Settings>,
    /// Where rows of the ledger go; none writes none.
    pub ledger: Option<ledger::Target>,
    /// Whether partitions may be begun; they always may without it.
    pub gate: Option<Gate>,
}

impl Options {
    /// Defaults for a service that reads the given topics.
    pub fn new(name: impl Into<String>, group: impl Into<String>, topics: Vec<String>) -> Self {
        let name = name.into();
        Options {
            stats: Arc::new(Stats::new(&name)),
            name,
            group: group.into(),
            topics,
            poll_wait: Duration::from_millis(500),
            poll_floor: Duration::from_millis(GATHER_MS),
            commit_interval: Duration::from_millis(1_000),
            poll_records_max: POLL_RECORDS_MAX,
            durable: false,
            snapshots: None,
            ledger: None,
            gate: None,
            transactional: Vec::new(),
        }
    }

    /// With topics that are written in transactions: it then commits often enough for those who wait for them.
    pub fn transactional(self, topics: Vec<String>) -> Self {
        if topics.is_empty() {
            return self;
        }
        let interval = Duration::from_millis(TRANSACTION_INTERVAL_MS);
        let (commit_interval, poll_wait) = (interval.min(self.commit_interval), interval.min(self.poll_wait));
        Options { commit_interval, poll_wait, transactional: topics, ..self }
    }
}

/// Why a shell ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log failed for good, or too often.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// A task stopped.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// A committed offset has no state with it.
    #[error("{tp} was committed at {offset} without its state; stop the service and run `tidemill repair`")]
    NoState {
        /// The partition.
        tp: TopicPartition,
        /// The committed offset.
        offset: i64,
    },
    /// A task that has committed before has no commit.
    #[error("{tp} has no committed offset, and its task has worked before; stop the service and run `tidemill repair`")]
    Lost {
        /// The partition.
        tp: TopicPartition,
    },
    /// A commit's state is in a store that this process does not know.
    #[error("{tp} was committed at {offset} with its state in the store, and this process has none")]
    NoStore {
        /// The partition.
        tp: TopicPartition,
        /// The committed offset.
        offset: i64,
    },
    /// A commit's state cannot be written to the store, or read from it.
    #[error("the state of {tp} at {offset} is too long for a commit and is kept in the store: {source}")]
    Kept {
        /// The partition.
        tp: TopicPartition,
        /// The committed offset.
        offset: i64,
        /// Why.
        source: Box<snapshot::Error>,
    },
    /// The log no longer holds what a restore needs: its newest snapshot is older, or there is none.
    #[error(
        "{tp} starts at {start}, and its state needs everything from {needed}; retention deleted part of it, and `tidemill apply --rebuild` computes a new generation"
    )]
    LogStart {
        /// The partition.
        tp: TopicPartition,
        /// Oldest offset there is.
        start: i64,
        /// Oldest offset that is needed.
        needed: i64,
    },
    /// A restored task is not the one that committed.
    #[error(
        "{tp} restored to offset {offset} differs from what was committed there: {found} and not {committed}; other code or another configuration wrote it"
    )]
    Restored {
        /// The partition.
        tp: TopicPartition,
        /// The committed offset.
        offset: i64,
        /// State after the replay.
        found: String,
        /// State of the commit.
        committed: String,
    },
}
