//! A session on the embedded log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::RunRecords;
use super::buffer::Buffer;
use super::frame::CommitEntry;
use super::group::MemberId;
use super::read::{Budget, Chunks, Job, plan};
use super::signal::Signal;
use super::state::{Slot, State};
use super::writer::{Append, NewRun, Shared};
use super::{Inner, entries};
use crate::log::{
    Assigned, Commit, Error, Input, Poll, Publish, Result, Revoked, Session, SessionOptions, TopicPartition,
};

/// Published bytes that a session holds back for one append; more go out by themselves.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Where a session reads on in a partition.
struct Position {
    slot: Slot,
    tp: TopicPartition,
    next: i64,
    paused: bool,
    /// What the last poll left of a run that it had room for in part.
    rest: Option<RunRecords>,
}

impl Position {
    /// The records that were read already and come next.
    fn rest(&mut self) -> Option<RunRecords> {
        self.rest.take().filter(|rest| rest.next_offset() == self.next)
    }
}

/// A session's part in its group.
struct Membership {
    group: String,
    topics: BTreeSet<u32>,
    /// All partitions of the topics.
    slots: Vec<Slot>,
    id: MemberId,
    /// The group's version at the last look that found nothing to do.
    settled: Option<u64>,
}

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

    fn join(&mut self, state: &mut State) {
        let Some(member) = &mut self.membership else { return };
        let limit = Duration::from_millis(self.options.poll_interval_max_ms);
        let group = state.groups.entry(member.group.clone()).or_default();
        member.id = group.join(member.topics.clone(), self.signal.clone(), limit, &member.slots);
        member.settled = None;
    }

    fn start(&mut self, state: &mut State, slot: Slot, next: i64) {
        let tp = state.tp(slot);
        state.partition_mut(slot).readers.push(self.signal.clone());
        self.positions.push(Position { slot, tp, next, paused: false, rest: None });
    }

    /// Stops reading partitions that `gone` names.
    fn stop(&mut self, state: &mut State, gone: impl Fn(Slot) -> bool) -> Vec<TopicPartition> {
        let (stopped, kept) = std::mem::take(&mut self.positions).into_iter().partition(|position| gone(position.slot));
        self.positions = kept;
        let stopped: Vec<Position> = stopped;
        for position in &stopped {
            state.partition_mut(position.slot).readers.retain(|reader| !Arc::ptr_eq(reader, &self.signal));
        }
        stopped.into_iter().map(|position| position.tp).collect()
    }

    /// Gives back what the last poll revoked.
    fn finish_revoke(&mut self) {
        let revoking = std::mem::take(&mut self.revoking);
        let Some(member) = self.membership.as_ref().filter(|_| !revoking.is_empty()) else { return };
        let mut state = self.inner.shared.state();
        if let Some(group) = state.groups.get_mut(&member.group) {
            revoking.into_iter().for_each(|slot| group.release(member.id, slot));
        }
    }

    /// What changed in the group for this member, and when to look for a silent one.
    fn changes(&mut self, state: &mut State) -> (Poll, Option<Instant>) {
        let mut poll = Poll::default();
        let Some(member) = &mut self.membership else { return (poll, None) };
        let group = state.groups.entry(member.group.clone()).or_default();
        if !group.contains(member.id) {
            let lost = self.stop(state, |_| true);
            self.held.take();
            poll.revoked = lost.into_iter().map(|tp| Revoked { tp, lost: true }).collect();
            self.revoking.clear();
            self.join(state);
            self.signal.notify();
            return (poll, None);
        }
        let recheck = group.expire(member.id, Instant::now(), &member.slots);
        if member.settled == Some(group.version()) {
            return (poll, recheck);
        }
        let revoking = group.to_revoke(member.id);
        let free = group.take_free(member.id);
        if revoking.is_empty() && free.is_empty() {
            member.settled = Some(group.version());
        }
        let name = member.group.clone();
        let stopped = self.stop(state, |slot| revoking.contains(&slot));
        poll.revoked = stopped.into_iter().map(|tp| Revoked { tp, lost: false }).collect();
        self.revoking = revoking;
        for slot in free {
            let committed = state.committed(&name, slot);
            let (start, end) = (state.partition(slot).start, state.partition(slot).visible);
            self.start(state, slot, committed.as_ref().map_or(start, |committed| committed.offset));
            poll.assigned.push(Assigned { tp: state.tp(slot), committed, start, end });
        }
        (poll, recheck)
    }

    /// What was deleted before it was read is not passed over in silence.
    fn check_kept(&self, state: &State) -> Result<()> {
        let reading = self.positions.iter().filter(|position| !position.paused);
        let mut deleted = reading.filter(|position| position.next < state.partition(position.slot).start);
        deleted.next().map_or(Ok(()), |position| check_range(state, &position.tp, position.slot, position.next))
    }

    /// What there is to read, shared out evenly among the partitions that have something.
    fn jobs(&mut self, state: &State) -> Vec<(Job, usize)> {
        let ready = |position: &Position| !position.paused && position.next < state.partition(position.slot).visible;
        let count = self.positions.iter().filter(|position| ready(position)).count();
        if count == 0 {
            return Vec::new();
        }
        self.turn += 1;
        let share = Budget {
            records: self.options.poll_records_max.div_ceil(count),
            bytes: self.options.poll_bytes_max.div_ceil(count),
        };
        let first = self.turn % self.positions.len();
        let (tail, head) = self.positions.split_at_mut(first);
        let mut left = self.options.poll_records_max;
        let mut jobs = Vec::with_capacity(count);
        for position in head.iter_mut().chain(tail).filter(|position| ready(position)) {
            let records = share.records.min(left);
            let rest = position.rest();
            let job = plan(state, position.slot, (position.next, rest), Budget { records, ..share });
            jobs.extend(job.map(|job| (job, records)));
            left -= records;
        }
        jobs
    }

    fn read(&mut self, jobs: Vec<(Job, usize)>) -> Result<Poll> {
        let mut poll = Poll::default();
        for (job, records_max) in jobs {
            let slot = job.slot;
            let (records, rest) = job.read(records_max, &self.inner.shared.old, &mut self.chunks)?;
            let Some(position) = self.positions.iter_mut().find(|position| position.slot == slot) else { continue };
            position.rest = rest;
            if let Some(last) = records.last() {
                position.next = last.offset + 1;
                poll.records.push((position.tp.clone(), records));
            }
        }
        Ok(poll)
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

    fn position(&mut self, tp: &TopicPartition) -> Result<&mut Position> {
        let found = self.positions.iter_mut().find(|position| position.tp == *tp);
        found.ok_or_else(|| Error::NotAssigned { client_id: self.options.client_id.clone(), tp: tp.clone() })
    }

    fn set_paused(&mut self, tps: &[TopicPartition], paused: bool) -> Result<()> {
        tps.iter().try_for_each(|tp| self.position(tp).map(|position| position.paused = paused))
    }
}

fn check_range(state: &State, tp: &TopicPartition, slot: Slot, offset: i64) -> Result<()> {
    let (start, end) = (state.partition(slot).start, state.partition(slot).visible);
    if (start..=end).contains(&offset) {
        return Ok(());
    }
    Err(Error::OutOfRange { tp: tp.clone(), offset, start, end })
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
