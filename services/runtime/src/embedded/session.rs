//! A session on the embedded log.

mod membership;
mod reading;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::buffer::Buffer;
use super::frame::CommitEntry;
use super::read::Chunks;
use super::signal::Signal;
use super::state::{Slot, State};
use super::writer::{Append, NewRun, Shared};
use super::{Inner, entries};
use crate::log::{Commit, Error, Input, Poll, Publish, Result, Session, SessionOptions, TopicPartition};
use membership::Membership;
use reading::{Position, check_range};

/// Published bytes that a session holds back for one append; more go out by themselves.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// See the module.
pub(super) struct EmbeddedSession {
    inner: Arc<Inner>,
    options: SessionOptions,
    signal: Arc<Signal>,
    membership: Option<Membership>,
    positions: Vec<Position>,
    /// Returned as revoked by the last poll, and given back by the next.
    revoking: Vec<Slot>,
    buffer: Buffer,
    /// Records of transactional topics, which go out with a commit only.
    held: Buffer,
    /// What was read from files last, to read into again once the records of the last poll are gone.
    chunks: Chunks,
    /// The log's length after this session's last append.
    appended: u64,
    /// Which partition a poll looks at first, so that none starves.
    turn: usize,
}

impl EmbeddedSession {
    /// Opens a session, and joins its group.
    pub fn open(inner: Arc<Inner>, options: SessionOptions) -> Result<Self> {
        let signal = Arc::new(Signal::default());
        let mut session = Self {
            inner,
            signal,
            membership: None,
            positions: Vec::new(),
            revoking: Vec::new(),
            buffer: Buffer::default(),
            held: Buffer::default(),
            chunks: Chunks::default(),
            appended: 0,
            turn: 0,
            options,
        };
        let inner = session.inner.clone();
        let mut state = inner.shared.state();
        state.check_running()?;
        match session.options.input.clone() {
            Input::None => {}
            Input::Group { group, topics, instance: _ } => {
                let topics: BTreeSet<u32> = topics.iter().map(|topic| state.topic(topic)).collect::<Result<_>>()?;
                let partitions = |topic: u32| state.topics[topic as usize].partitions.len() as i32;
                let slots =
                    topics.iter().flat_map(|topic| (0..partitions(*topic)).map(|number| (*topic, number))).collect();
                session.membership = Some(Membership { group, topics, slots, id: 0, settled: None });
                session.join(&mut state);
                session.signal.end_poll();
            }
            Input::Assigned(partitions) => {
                for (tp, offset) in partitions {
                    let slot = state.slot(&tp)?;
                    check_range(&state, &tp, slot, offset)?;
                    session.start(&mut state, slot, offset);
                }
            }
        }
        drop(state);
        Ok(session)
    }

    fn poll_until(&mut self, deadline: Instant) -> Result<Poll> {
        let inner = self.inner.clone();
        loop {
            self.signal.clear();
            let mut state = inner.shared.state();
            state.check_running()?;
            let (changed, recheck) = self.changes(&mut state);
            if !changed.is_empty() {
                return Ok(changed);
            }
            self.check_kept(&state)?;
            let jobs = self.jobs(&state);
            drop(state);
            if !jobs.is_empty() {
                return self.read(jobs);
            }
            if Instant::now() >= deadline {
                return Ok(Poll::default());
            }
            // Nothing to do: what was published need not wait for company.
            if self.buffer.since().is_some() {
                self.append()?;
                continue;
            }
            self.signal.wait_until(recheck.map_or(deadline, |recheck| recheck.min(deadline)));
        }
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Appends what waits, but not what is held back.
    fn append(&mut self) -> Result<()> {
        let runs = self.buffer.take();
        self.append_all(runs, Vec::new(), |_| Ok(()))
    }

    /// Appends what waits and what was held back, in one step with a commit.
    fn append_with(&mut self, commits: Vec<CommitEntry>, check: impl FnOnce(&State) -> Result<()>) -> Result<()> {
        let mut runs = self.buffer.take();
        runs.extend(self.held.take());
        self.append_all(runs, commits, check)
    }

    fn append_all(
        &mut self,
        runs: Vec<NewRun>,
        commits: Vec<CommitEntry>,
        check: impl FnOnce(&State) -> Result<()>,
    ) -> Result<()> {
        if !runs.is_empty() || !commits.is_empty() {
            self.appended = self.shared().append(Append { runs, commits, ..Append::default() }, check)?;
        }
        Ok(())
    }
}

impl Session for EmbeddedSession {
    fn poll(&mut self, wait: Duration) -> Result<Poll> {
        self.finish_revoke();
        if self.buffer.since().is_some_and(|since| since.elapsed() >= Duration::from_millis(self.options.linger_ms)) {
            self.append()?;
        }
        let poll = self.poll_until(Instant::now() + wait);
        self.signal.end_poll();
        poll
    }

    fn publish(&mut self, record: Publish) -> Result<()> {
        let is_held = self.options.transactional.iter().any(|topic| **topic == *record.topic);
        let buffer = if is_held { &mut self.held } else { &mut self.buffer };
        let place = match buffer.find(&record.topic) {
            Some(place) => place,
            None => buffer.add(&self.inner.shared.state(), &record.topic)?,
        };
        if !buffer.knows(place, &record) {
            buffer.grow(&self.inner.shared.state(), place);
        }
        buffer.push(place, &record, &self.inner.shared.pool)?;
        if self.buffer.bytes() >= BUFFER_BYTES_MAX {
            self.append()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match self.membership {
            Some(_) => self.append()?,
            None => self.append_with(Vec::new(), |_| Ok(()))?,
        }
        if self.options.durable { self.shared().wait_synced(self.appended) } else { Ok(()) }
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<()> {
        let Some(member) = &self.membership else {
            return Err(Error::NoGroup { client_id: self.options.client_id.clone() });
        };
        let (group, id) = (member.group.clone(), member.id);
        let entries = entries(&self.shared().state(), &group, commits)?;
        let slots: Vec<Slot> = entries.iter().map(|entry| (entry.topic, entry.partition)).collect();
        self.append_with(entries, |state| {
            let stranger = |slot: &&Slot| !state.groups.get(&group).is_some_and(|group| group.owns(id, **slot));
            match slots.iter().find(stranger) {
                None => Ok(()),
                Some(slot) => {
                    let detail = format!("{} is not this member's any more", state.tp(*slot));
                    Err(Error::Fenced { group: group.clone(), detail })
                }
            }
        })?;
        if self.options.durable { self.shared().wait_synced(self.appended) } else { Ok(()) }
    }

    fn seek(&mut self, tp: &TopicPartition, offset: i64) -> Result<()> {
        let slot = self.position(tp)?.slot;
        check_range(&self.shared().state(), tp, slot, offset)?;
        self.position(tp)?.next = offset;
        Ok(())
    }

    fn pause(&mut self, tps: &[TopicPartition]) -> Result<()> {
        self.set_paused(tps, true)
    }

    fn resume(&mut self, tps: &[TopicPartition]) -> Result<()> {
        self.set_paused(tps, false)
    }

    fn watermarks(&mut self, tp: &TopicPartition) -> Result<(i64, i64)> {
        let state = self.shared().state();
        let partition = state.partition(state.slot(tp)?);
        Ok((partition.start, partition.visible))
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.flush()
    }
}

impl Drop for EmbeddedSession {
    fn drop(&mut self) {
        let inner = self.inner.clone();
        let mut state = inner.shared.state();
        self.stop(&mut state, |_| true);
        if let Some(member) = &self.membership
            && let Some(group) = state.groups.get_mut(&member.group)
        {
            group.leave(member.id, &member.slots);
        }
    }
}
