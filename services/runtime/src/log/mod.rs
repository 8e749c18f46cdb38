//! The narrow trait between a service and the log it reads and writes.
//!
//! Three implementations pass one suite (`conformance`): real Kafka, the embedded log, and a simulated one for tests.

mod error;
mod partition;
mod record;
#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use partition::{partition_of_key, partition_of_null};
pub use record::{
    Assigned, Commit, Committed, Header, Headers, Input, Poll, Publish, Record, Revoked, SessionOptions,
    TopicPartition, TopicSpec,
};

use std::collections::BTreeMap;
use std::time::Duration;

/// Longest metadata string of a commit. Kafka's broker refuses 4,096 bytes and more; the rest is our margin.
pub const METADATA_BYTES_MAX: usize = 3_500;

/// Largest key, value and headers of one record together, as with Kafka's `max.message.bytes` default.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Names the oldest offset of a partition that somebody still needs.
pub type Needed<'n> = &'n dyn Fn(&TopicPartition) -> Result<Option<i64>>;

/// What became of a partition that held more than its topic's retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// The partition.
    pub tp: TopicPartition,
    /// Where it began.
    pub start: i64,
    /// Where it begins now.
    pub begins: i64,
    /// Where it would begin if nobody needed what is before.
    pub wanted: i64,
    /// How many bytes its deleted records took in the log.
    pub bytes: u64,
}

impl Retained {
    /// How many records were deleted.
    pub fn records(&self) -> u64 {
        self.begins.abs_diff(self.start)
    }

    /// How many are beyond the retention and stay, as somebody needs them.
    pub fn held(&self) -> u64 {
        self.wanted.abs_diff(self.begins)
    }
}

/// Settings of a topic, by name.
pub type Settings = BTreeMap<String, String>;

/// A handle to a cluster of Kafka brokers, or to the embedded log of this process. Cloned as `Arc<dyn Log>`.
///
/// # Offsets
///
/// A partition is a sequence of records with rising offsets. Offsets of an embedded partition are dense but where
/// compaction left holes; Kafka has them of transactions, too, so progress is a position and never a count: _the next
/// offset_ after a record is its offset plus one, and a reader simply gets the next record at or above it. A committed
/// offset is always the next offset to read, never the last one read. `start` of a partition is its oldest readable
/// offset, `end` the offset after its last readable one, so who reads up to `end` arrives there; a partition is empty
/// when both are equal. The next record gets the offset `end` or, after a hole, a later one.
///
/// # Time
///
/// A record's time is the moment when the log appended it ([`Record::append_time_ms`]), written by the log and not by
/// the publisher. It does not fall within an embedded partition; Kafka promises nothing when its leader moves. Event
/// time is a field inside the value and none of the log's business.
///
/// # Order
///
/// Records of one partition are read in the order in which they were appended, and one session's publishes to one
/// partition are appended in the order of its calls. There is no order between partitions, and none between sessions.
/// A topology that needs one reads one log.
pub trait Log: Send + Sync {
    /// Creates what is missing. A topic that exists with the same partition count is left as it is, whatever its
    /// other settings; another count is an [`Error::PartitionCount`].
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()>;

    /// Gives a topic more partitions, empty ones behind those that it has; one that has as many is left as it is. Sessions
    /// of a group get them when they see them, on the embedded log when they join.
    fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()>;

    /// Deletes topics with their records and with what groups committed in them; one that is not there is left out. A
    /// topic of the same name that is created later is another one. Sessions that read or write a deleted topic may fail.
    fn delete_topics(&self, names: &[&str]) -> Result<()>;

    /// What topics are told about keeping their records, in the order of `topics`: by Kafka's names for it. A log that
    /// keeps everything has nothing to tell.
    fn settings(&self, topics: &[&str]) -> Result<Vec<Settings>> {
        Ok(vec![Settings::new(); topics.len()])
    }

    /// Tells a topic more about keeping its records, or otherwise than before.
    fn set_settings(&self, topic: &str, settings: &Settings) -> Result<()> {
        let _ = (topic, settings);
        Ok(())
    }

    /// The number of partitions of a topic, `None` when there is no such topic.
    fn partitions(&self, topic: &str) -> Result<Option<i32>>;

    /// The names of all topics, sorted; a log's own ones (`__consumer_offsets`) are left out.
    fn topics(&self) -> Result<Vec<String>>;

    /// The start and the end of a partition, as a reader of committed records sees them.
    fn watermarks(&self, tp: &TopicPartition) -> Result<(i64, i64)>;

    /// Deletes the records of a partition before an offset, as retention does; one beyond its end is an
    /// [`Error::OutOfRange`]. Whoever reads below the new start gets that error, too, and passes nothing over in silence.
    fn delete_records(&self, tp: &TopicPartition, before: i64) -> Result<()> {
        let detail = format!("records of {tp} before {before} stay where they are");
        Err(Error::Refused { doing: "deleting records through this handle".to_owned(), detail })
    }

    /// Deletes what is beyond the retention of these topics, and says what that was, and what is beyond it and stays.
    /// `needed` names the oldest offset of a partition that is still needed, if any is. Kafka's brokers do this by themselves,
    /// and ask nobody.
    fn retain(&self, _specs: &[TopicSpec], _needed: Needed<'_>) -> Result<Vec<Retained>> {
        Ok(Vec::new())
    }

    /// The first offset whose append time is at or after `time_ms`; `None` when everything is older.
    fn offset_at(&self, tp: &TopicPartition, time_ms: i64) -> Result<Option<i64>>;

    /// What a group last committed for each of `tps`, in their order.
    fn committed(&self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>>;

    /// Who is in a group now, a word each for people; nobody when it rests.
    fn members(&self, group: &str) -> Result<Vec<String>>;

    /// Sets what a group that rests has committed, for repairs; [`Error::Occupied`] while somebody is in it.
    fn set_committed(&self, group: &str, commits: &[Commit]) -> Result<()>;

    /// Opens a session. Topics named in the input must exist.
    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>>;
}

/// A consumer and a producer owned by one thread.
///
/// # Who owns a partition
///
/// With [`Input::Group`] partitions come and go. [`Poll::assigned`] announces them: no record of such a partition is
/// delivered before the call of `poll` that follows, so its owner may [`seek`](Session::seek) first (to the log's
/// start, to replay into an empty state). Without a seek the partition begins at its committed offset, or at the log's
/// start when there is none.
///
/// [`Poll::revoked`] takes partitions away, and no record of them comes any more. They still belong to this session
/// until its next `poll`: this is the moment to [`commit`](Session::commit) them and then forget their state. When
/// [`Revoked::lost`] is set somebody else may own the partition already, and a commit is refused. A partition may be
/// revoked and assigned again in one and the same `Poll`; the revoke comes first.
///
/// A session that does not poll for [`SessionOptions::poll_interval_max_ms`] is taken for dead, and its partitions go
/// to others. It learns of it by [`Error::Fenced`] from its next commit, or by revokes marked as lost.
///
/// # What is safe when
///
/// `publish` promises nothing; the record goes out soon as long as the session polls. After `flush` all that was published is acknowledged: appended on all in-sync replicas,
/// or in the embedded log (on disk for a [`durable`](SessionOptions::durable) session). `commit` flushes first, so an
/// offset is never committed ahead of the outputs that came from it.
///
/// # Transactions
///
/// Records for the [`transactional`](SessionOptions::transactional) topics wait until `commit`, and become visible with
/// its offsets in one step: after any crash readers see both or neither. So a commit names every partition whose records
/// gave such outputs since the last one. A session outside of a group shows them, all or none, when it flushes.
///
/// What was published and not committed goes with the partitions it came from. Kafka takes all partitions at once: a
/// session with transactional topics then drops what it holds, and announces them as lost. The embedded log may take
/// some; then the session commits all that it owns, those it gives away and those it keeps, before it polls again.
///
/// Any error of `publish`, `flush` or `commit` means that the session has lost its footing: drop it. Nothing is
/// committed then, and a successor does the same work again.
pub trait Session: Send {
    /// Waits up to `wait` for records or for a change of assignment, and returns at once when there is something.
    /// Completes the hand-over of partitions that the last call returned as revoked.
    fn poll(&mut self, wait: Duration) -> Result<Poll>;

    /// Takes a record over for publishing.
    fn publish(&mut self, record: Publish) -> Result<()>;

    /// Returns when everything published has been acknowledged.
    fn flush(&mut self) -> Result<()>;

    /// Flushes, then commits with the group's generation; [`Error::Fenced`] when it is refused because this session
    /// no longer owns a partition. Committing offsets and appending publishes is one atomic step in the embedded log.
    fn commit(&mut self, commits: &[Commit]) -> Result<()>;

    /// Makes the next `poll` go on at `offset` (which may be the end, and is an error beyond the start or end).
    fn seek(&mut self, tp: &TopicPartition, offset: i64) -> Result<()>;

    /// Stops delivering records of these partitions. A newly assigned partition is never paused.
    fn pause(&mut self, tps: &[TopicPartition]) -> Result<()>;

    /// Goes on delivering, from where it stopped.
    fn resume(&mut self, tps: &[TopicPartition]) -> Result<()>;

    /// The start and the end of a partition, as [`Log::watermarks`].
    fn watermarks(&mut self, tp: &TopicPartition) -> Result<(i64, i64)>;

    /// Flushes what was published and leaves the group, so that others need not wait for a timeout.
    fn close(self: Box<Self>) -> Result<()>;
}
