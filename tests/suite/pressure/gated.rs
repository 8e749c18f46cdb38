//! A log that blocks.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use runtime::log::{Commit, Committed, Log, Poll, Publish, Result, Session, SessionOptions, TopicPartition, TopicSpec};

use super::PATIENCE;

/// Whether the gateway's flushes are held up, and how many are.
#[derive(Default)]
pub struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    pub fn set(&self, shut: bool) {
        self.state.lock().unwrap().0 = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |(shut, _)| *shut).unwrap();
        state.1 -= 1;
    }

    /// Waits until somebody stands before it.
    pub fn wait_for_one(&self) {
        let state = self.state.lock().unwrap();
        let (_state, waited) = self.changed.wait_timeout_while(state, PATIENCE, |(_, held)| *held == 0).unwrap();
        assert!(!waited.timed_out(), "a request comes to the log");
    }
}

/// A log whose durable sessions wait at a gate before each flush.
pub struct Gated {
    pub log: Arc<dyn Log>,
    pub gate: Arc<Gate>,
}

impl Log for Gated {
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
        let (durable, session) = (options.durable, self.log.session(options)?);
        Ok(if durable { Box::new(Waiting { session, gate: self.gate.clone() }) } else { session })
    }
}

struct Waiting {
    session: Box<dyn Session>,
    gate: Arc<Gate>,
}

impl Session for Waiting {
    fn poll(&mut self, wait: Duration) -> Result<Poll> {
        self.session.poll(wait)
    }

    fn publish(&mut self, record: Publish) -> Result<()> {
        self.session.publish(record)
    }

    fn flush(&mut self) -> Result<()> {
        self.gate.pass();
        self.session.flush()
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<()> {
        self.session.commit(commits)
    }

    fn seek(&mut self, tp: &TopicPartition, offset: i64) -> Result<()> {
        self.session.seek(tp, offset)
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

    fn close(self: Box<Self>) -> Result<()> {
        self.session.close()
    }
}
