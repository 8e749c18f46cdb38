//! Sessions that misbehave on purpose: each of their bugs is one that somebody could write into a session or a shell.

use super::cluster::Wrap;
use bytes::Bytes;
use runtime::log::{
    Commit, Committed, Error, Log, Poll, Publish, Result, Session, SessionOptions, TopicPartition, TopicSpec,
};
use runtime::simulated::{Random, Simulated};
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Offsets are committed first, and outputs published after that.
    CommitsBeforePublishing,
    /// The offset of a commit is one too high.
    CommitsOneTooFar,
    /// A commit's metadata is left out.
    DropsMetadata,
    /// A commit that the group refuses because another member owns the partition takes effect all the same.
    CommitsForOthers,
    /// Now and then a record is said to be published and is not.
    LosesARecord,
    /// Now and then two records of one partition change places.
    SwapsRecords,
    /// Now and then a byte of what is published changes.
    ChangesAnItem,
    /// After a restart a partition is read from the committed offset, whatever the shell seeks.
    IgnoresSeek,
}

/// In so many of a hundred cases.
const NOW_AND_THEN: u32 = 2;

/// A log whose sessions have a bug.
pub struct Buggy {
    pub log: Simulated,
    pub bug: Bug,
    pub salt: u64,
}

impl Log for Buggy {
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        self.log.create_topics(specs)
    }

    fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        self.log.add_partitions(topic, partitions)
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        self.log.delete_topics(names)
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        self.log.partitions(topic)
    }

    fn topics(&self) -> Result<Vec<String>> {
        self.log.topics()
    }

    fn watermarks(&self, tp: &TopicPartition) -> Result<(i64, i64)> {
        self.log.watermarks(tp)
    }

    fn offset_at(&self, tp: &TopicPartition, time_ms: i64) -> Result<Option<i64>> {
        self.log.offset_at(tp, time_ms)
    }

    fn committed(&self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        self.log.committed(group, tps)
    }

    fn members(&self, group: &str) -> Result<Vec<String>> {
        self.log.members(group)
    }

    fn set_committed(&self, group: &str, commits: &[Commit]) -> Result<()> {
        self.log.set_committed(group, commits)
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        let (log, bug, random) = (self.log.clone(), self.bug, Random::new(self.salt));
        Ok(Box::new(Misbehaving { session: self.log.session(options)?, log, bug, random, held: Vec::new() }))
    }
}

struct Misbehaving {
    session: Box<dyn Session>,
    log: Simulated,
    bug: Bug,
    random: Random,
    /// What is published later than it should be.
    held: Vec<Publish>,
}

impl Misbehaving {
    fn release(&mut self) -> Result<()> {
        self.held.drain(..).try_for_each(|record| self.session.publish(record))
    }

    /// Only internal logs promise that nothing of this goes unnoticed.
    fn struck(&mut self, record: &Publish) -> bool {
        record.topic.contains(".log.") && self.random.percent(NOW_AND_THEN)
    }
}

impl Session for Misbehaving {
    fn poll(&mut self, wait: Duration) -> Result<Poll> {
        if self.bug != Bug::SwapsRecords {
            self.release()?;
        }
        self.session.poll(wait)
    }

    fn publish(&mut self, mut record: Publish) -> Result<()> {
        let bug = self.bug;
        match bug {
            Bug::CommitsBeforePublishing => {
                self.held.push(record);
                return Ok(());
            }
            Bug::LosesARecord if self.struck(&record) => return Ok(()),
            Bug::SwapsRecords => {
                let same = |other: &Publish| (&other.topic, other.partition) == (&record.topic, record.partition);
                if self.held.iter().any(same) {
                    self.session.publish(record)?;
                    return self.release();
                }
                if self.struck(&record) {
                    self.held.push(record);
                    return Ok(());
                }
            }
            Bug::ChangesAnItem if self.struck(&record) => {
                let mut value = record.value.take().unwrap_or_default().to_vec();
                // A digit of an id or a key: everything else stays readable.
                if let Some(digit) = value.iter().rposition(u8::is_ascii_digit) {
                    value[digit] ^= 1;
                }
                record.value = Some(Bytes::from(value));
            }
            _ => {}
        }
        self.session.publish(record)
    }

    fn flush(&mut self) -> Result<()> {
        if self.bug != Bug::CommitsBeforePublishing {
            self.release()?;
        }
        self.session.flush()
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<()> {
        let mut commits = commits.to_vec();
        match self.bug {
            Bug::CommitsOneTooFar => commits.iter_mut().for_each(|commit| commit.offset += 1),
            Bug::DropsMetadata => commits.iter_mut().for_each(|commit| commit.metadata.clear()),
            Bug::CommitsBeforePublishing => {}
            _ => self.release()?,
        }
        match self.session.commit(&commits) {
            Err(Error::Fenced { group, .. }) if self.bug == Bug::CommitsForOthers => {
                self.log.overrule(&group, &commits);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn seek(&mut self, tp: &TopicPartition, offset: i64) -> Result<()> {
        if self.bug == Bug::IgnoresSeek { Ok(()) } else { self.session.seek(tp, offset) }
    }

    fn pause(&mut self, tps: &[TopicPartition]) -> Result<()> {
        self.session.pause(tps)
    }

    fn resume(&mut self, tps: &[TopicPartition]) -> Result<()> {
        self.session.resume(tps)
    }

    fn watermarks(&mut self, tp: &TopicPartition) -> Result<(i64, i64)> {
        self.session.watermarks(tp)
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.release()?;
        self.session.close()
    }
}

impl Wrap {
    /// The log as a process sees it.
    pub fn log(self, log: Simulated, salt: u64) -> Arc<dyn Log> {
        match self.0 {
            None => Arc::new(log),
            Some(bug) => Arc::new(Buggy { log, bug, salt }),
        }
    }
}
