//! Decisions that two processes might take differently, and that must be one for both.

use flow::processor::Stop;
use schemas::reject::Reject;

use crate::retry::letter::Letter;

/// What becomes of a record whose schema was in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is decoded and judged like any other.
    Accept,
    /// It is dead-lettered with this reason.
    Reject(Reject),
}

/// Which of the records that retry the same dead letter is the one that counts, and by which rules it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// Its offset in the topic of retries.
    pub offset: i64,
    /// The rule version.
    pub rules: String,
}

/// The registry of decisions, by create-if-absent: the first answer to a question is everybody's answer, zombies
/// included. An implementation that cannot reach its registry waits; an error stops the task with nothing committed.
pub trait Verdicts: Send + Sync {
    /// The verdict on a record whose schema id this process did not know at its first lookup, or has not yet accepted
    /// in this partition. Accepting and dead-lettering both ask, before either shows.
    fn schema(&self, topic: &str, partition: u16, offset: i64, id: u32, proposal: Verdict) -> Result<Verdict, Stop>;

    /// The rule version of a bucket of source offsets, fixed by whoever opens it.
    fn rules(&self, topic: &str, partition: u16, bucket: i64, proposal: &str) -> Result<String, Stop>;

    /// What counts as this attempt at a dead letter: the first record of it that a validator came to, judged by the rules
    /// which that one had.
    fn retry(&self, letter: &Letter, proposal: Retried) -> Result<Retried, Stop>;

    /// The text of a rule version that another process judges by, if it stored it.
    fn rule_set(&self, topic: &str, version: &str) -> Result<Option<String>, Stop>;
}
