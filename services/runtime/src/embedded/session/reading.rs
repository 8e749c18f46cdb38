//! Where a session reads, and what it reads next.

use std::sync::Arc;

use super::EmbeddedSession;
use crate::embedded::body::RunRecords;
use crate::embedded::read::{Budget, Job, plan};
use crate::embedded::state::{Slot, State};
use crate::log::{Error, Poll, Result, TopicPartition};

/// Where a session reads on in a partition.
pub struct Position {
    pub slot: Slot,
    pub tp: TopicPartition,
    pub next: i64,
    pub paused: bool,
    /// What the last poll left of a run that it had room for in part.
    rest: Option<RunRecords>,
}

impl Position {
    /// The records that were read already and come next.
    fn rest(&mut self) -> Option<RunRecords> {
        self.rest.take().filter(|rest| rest.next_offset() == self.next)
    }
}

impl EmbeddedSession {
    /// Reads a partition from an offset on.
    pub fn start(&mut self, state: &mut State, slot: Slot, next: i64) {
        let tp = state.tp(slot);
        state.partition_mut(slot).readers.push(self.signal.clone());
        self.positions.push(Position { slot, tp, next, paused: false, rest: None });
    }

    /// Stops reading partitions that `gone` names.
    pub fn stop(&mut self, state: &mut State, gone: impl Fn(Slot) -> bool) -> Vec<TopicPartition> {
        let (stopped, kept) = std::mem::take(&mut self.positions).into_iter().partition(|position| gone(position.slot));
        self.positions = kept;
        let stopped: Vec<Position> = stopped;
        for position in &stopped {
            state.partition_mut(position.slot).readers.retain(|reader| !Arc::ptr_eq(reader, &self.signal));
        }
        stopped.into_iter().map(|position| position.tp).collect()
    }

    /// What was deleted before it was read is not passed over in silence.
    pub fn check_kept(&self, state: &State) -> Result<()> {
        let reading = self.positions.iter().filter(|position| !position.paused);
        let mut deleted = reading.filter(|position| position.next < state.partition(position.slot).start);
        deleted.next().map_or(Ok(()), |position| check_range(state, &position.tp, position.slot, position.next))
    }

    /// What there is to read, shared out evenly among the partitions that have something.
    pub fn jobs(&mut self, state: &State) -> Vec<(Job, usize)> {
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

    /// Reads what was planned.
    pub fn read(&mut self, jobs: Vec<(Job, usize)>) -> Result<Poll> {
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

    /// Where it reads in a partition.
    pub fn position(&mut self, tp: &TopicPartition) -> Result<&mut Position> {
        let found = self.positions.iter_mut().find(|position| position.tp == *tp);
        found.ok_or_else(|| Error::NotAssigned { client_id: self.options.client_id.clone(), tp: tp.clone() })
    }

    pub fn set_paused(&mut self, tps: &[TopicPartition], paused: bool) -> Result<()> {
        tps.iter().try_for_each(|tp| self.position(tp).map(|position| position.paused = paused))
    }
}

/// An error where an offset is not, or not any more, between start and end.
pub fn check_range(state: &State, tp: &TopicPartition, slot: Slot, offset: i64) -> Result<()> {
    let (start, end) = (state.partition(slot).start, state.partition(slot).visible);
    if (start..=end).contains(&offset) {
        return Ok(());
    }
    Err(Error::OutOfRange { tp: tp.clone(), offset, start, end })
}
