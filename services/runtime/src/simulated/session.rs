//! A session on the simulated log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Simulated;
use super::member::Membership;
use super::transaction::{Client, Producer};
use super::world::World;
use crate::log::{
    Commit, Committed, Error, Input, METADATA_BYTES_MAX, Poll, Publish, RECORD_BYTES_MAX, Record, Result, Session,
    SessionOptions, TopicPartition, partition_of_key, partition_of_null,
};
use crate::transaction::{Offsets, Transactions};

/// How far time goes at once while a poll waits.
const WAIT_MS: i64 = 10;
/// What a poll may be cut to.
const CUTS: [usize; 3] = [1, 7, usize::MAX];

/// Where a session reads on in a partition.
pub(super) struct Position {
    pub tp: TopicPartition,
    pub next: i64,
    pub paused: bool,
    /// What the group committed last.
    pub committed: Option<Committed>,
}

/// See the module.
pub(super) struct SimulatedSession {
    pub log: Simulated,
    pub options: SessionOptions,
    producer: u64,
    sequences: BTreeMap<TopicPartition, u64>,
    /// Records of transactional topics, which go out with a commit only.
    pub transactions: Option<Transactions<Producer>>,
    pub membership: Option<Membership>,
    pub positions: Vec<Position>,
    /// Returned as revoked by the last poll, and given back by the next.
    pub revoking: Vec<TopicPartition>,
}

impl SimulatedSession {
    /// Opens a session, and joins its group.
    pub fn open(log: Simulated, options: SessionOptions) -> Result<Self> {
        let shared = log.clone();
        let world = &mut *shared.world();
        world.act(log.process)?;
        let (mut membership, mut positions) = (None, Vec::new());
        match &options.input {
            Input::None => {}
            Input::Group { group, topics, instance: _ } => {
                let mut wants = Vec::new();
                for topic in topics {
                    let count = world.partitions(topic)?.len() as i32;
                    let name: Arc<str> = topic.as_str().into();
                    wants.extend((0..count).map(|number| TopicPartition::new(name.clone(), number)));
                }
                membership = Some(Membership { group: group.clone(), id: 0, wants, unaware_polls: None });
            }
            Input::Assigned(partitions) => {
                for (tp, next) in partitions {
                    world.check_range(tp, *next)?;
                    positions.push(Position { tp: tp.clone(), next: *next, paused: false, committed: None });
                }
            }
        }
        let (producer, sequences, revoking) = (world.id(), BTreeMap::new(), Vec::new());
        let slot = || Transactions::new(format!("{}.{producer}", options.client_id));
        let transactions = (!options.transactional.is_empty()).then(slot);
        let mut session = Self { log, options, producer, sequences, transactions, membership, positions, revoking };
        session.join(world);
        Ok(session)
    }

    /// Reads from the partitions that have something.
    fn read(&mut self, world: &mut World) -> Result<Poll> {
        let mut poll = Poll::default();
        let cut = world.faults.cut_polls;
        let mut left = self.options.poll_records_max;
        if cut {
            left = left.min(CUTS[world.random.below(CUTS.len())]);
            world.random.shuffle(&mut self.positions);
        }
        let (mut share, mut bytes) = (left.div_ceil(self.positions.len().max(1)), 0);
        for position in self.positions.iter_mut().filter(|position| !position.paused) {
            if cut {
                share = 1 + world.random.below(left);
            }
            // What was deleted before it was read is not passed over in silence.
            if position.next < world.partition(&position.tp)?.start {
                world.check_range(&position.tp, position.next)?;
            }
            let records: Vec<Record> = world
                .partition(&position.tp)?
                .read(position.next)
                .take(share.min(left))
                .take_while(|record| {
                    let fits = bytes < self.options.poll_bytes_max;
                    bytes += record.value.as_ref().map_or(0, bytes::Bytes::len);
                    fits
                })
                .cloned()
                .collect();
            left -= records.len();
            if let Some(last) = records.last() {
                position.next = last.offset + 1;
                poll.records.push((position.tp.clone(), records));
            }
            if left == 0 {
                break;
            }
        }
        // Whoever was served last comes first.
        if !cut && !self.positions.is_empty() {
            self.positions.rotate_left(1);
        }
        Ok(poll)
    }

    fn position(&mut self, tp: &TopicPartition) -> Result<&mut Position> {
        let found = self.positions.iter_mut().find(|position| position.tp == *tp);
        found.ok_or_else(|| Error::NotAssigned { client_id: self.options.client_id.clone(), tp: tp.clone() })
    }

    fn set_paused(&mut self, tps: &[TopicPartition], paused: bool) -> Result<()> {
        tps.iter().try_for_each(|tp| self.position(tp).map(|position| position.paused = paused))
    }

    fn send(&mut self, world: &mut World, record: Publish) -> Result<()> {
        let partition = partition_of(world, &record)?;
        let Publish { topic, key, value, headers, .. } = record;
        let tp = TopicPartition { topic, partition };
        let record = Record { offset: 0, append_time_ms: 0, key, value, headers };
        let sequence = self.sequences.entry(tp.clone()).or_default();
        world.send(self.producer, (tp, *sequence), record, None);
        *sequence += 1;
        Ok(())
    }

    /// Commits kept records and offsets at once, as a member of its group.
    fn commit_kept(&mut self, world: &mut World, commits: &[Commit]) -> Result<()> {
        let (Some(transactions), Some(member)) = (&mut self.transactions, &self.membership) else { return Ok(()) };
        let positions = &self.positions;
        let before = |commit: &Commit| {
            positions.iter().find(|position| position.tp == commit.tp).and_then(|position| position.committed.clone())
        };
        let offsets = Offsets { group: &member.group, commits, previous: commits.iter().map(before).collect() };
        let mut client = Client { world, process: self.log.process, member: Some(member) };
        transactions.commit(&mut client, Some(&offsets))
    }

    fn note(&mut self, commits: &[Commit]) {
        for Commit { tp, offset, metadata } in commits {
            if let Some(position) = self.positions.iter_mut().find(|position| position.tp == *tp) {
                position.committed = Some(Committed { offset: *offset, metadata: metadata.clone() });
            }
        }
    }
}

/// Where a record goes.
pub(super) fn partition_of(world: &mut World, record: &Publish) -> Result<i32> {
    let count = world.partitions(&record.topic)?.len() as i32;
    let partition = match (record.partition, &record.key) {
        (Some(partition), _) => partition,
        (None, Some(key)) => partition_of_key(key, count),
        (None, None) => partition_of_null(world.random.number(), count),
    };
    world.partition(&TopicPartition { topic: record.topic.clone(), partition })?;
    Ok(partition)
}

/// Refuses metadata that Kafka would not take.
pub(super) fn check_metadata(commits: &[Commit]) -> Result<()> {
    let bytes_max = METADATA_BYTES_MAX;
    match commits.iter().find(|commit| commit.metadata.len() > bytes_max) {
        Some(Commit { tp, metadata, .. }) => {
            Err(Error::MetadataTooLarge { tp: tp.clone(), bytes: metadata.len(), bytes_max })
        }
        None => Ok(()),
    }
}

impl Session for SimulatedSession {
    fn poll(&mut self, wait: Duration) -> Result<Poll> {
        let log = self.log.clone();
        let deadline_ms = {
            let world = &mut *log.world();
            world.act(log.process)?;
            self.finish_revoke(world);
            world.now_ms + wait.as_millis() as i64
        };
        loop {
            let wait_ms = {
                let world = &mut *log.world();
                world.turn();
                let changed = self.changes(world)?;
                if !changed.is_empty() {
                    return Ok(changed);
                }
                let poll = self.read(world)?;
                let left_ms = deadline_ms - world.now_ms;
                if !poll.is_empty() || left_ms <= 0 {
                    return Ok(poll);
                }
                world.now_ms += left_ms.min(WAIT_MS);
                left_ms.min(WAIT_MS)
            };
            (log.pause)(Duration::from_millis(wait_ms.unsigned_abs()));
        }
    }

    fn publish(&mut self, record: Publish) -> Result<()> {
        let log = self.log.clone();
        let world = &mut *log.world();
        world.act(log.process)?;
        let bytes = record.size_bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(Error::RecordTooLarge { topic: record.topic.to_string(), bytes, bytes_max: RECORD_BYTES_MAX });
        }
        if let Some(transactions) = &mut self.transactions
            && self.options.transactional.iter().any(|topic| **topic == *record.topic)
        {
            transactions.keep(record);
            return Ok(());
        }
        self.send(world, record)
    }

    fn flush(&mut self) -> Result<()> {
        let log = self.log.clone();
        let world = &mut *log.world();
        world.act(log.process)?;
        world.flush(self.producer);
        match &mut self.transactions {
            Some(transactions) if self.membership.is_none() && !transactions.is_empty() => {
                transactions.commit(&mut Client { world, process: log.process, member: None }, None)
            }
            _ => Ok(()),
        }
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<()> {
        if self.membership.is_none() {
            return Err(Error::NoGroup { client_id: self.options.client_id.clone() });
        }
        check_metadata(commits)?;
        self.flush()?;
        let log = self.log.clone();
        let world = &mut *log.world();
        world.act(log.process)?;
        if commits.is_empty() {
            return Ok(());
        }
        if self.transactions.as_ref().is_some_and(|transactions| !transactions.is_empty()) {
            self.commit_kept(world, commits)?;
            self.note(commits);
            return Ok(());
        }
        let unanswered = |doing: &str| Error::Unavailable { doing: doing.into(), detail: "no answer came".into() };
        if world.random.percent(world.faults.commit_failed) {
            return Err(unanswered("a commit that was never received"));
        }
        let Some(member) = &self.membership else { return Ok(()) };
        let group = world.group(&member.group);
        if let Some(lost) = commits.iter().find(|commit| !group.owns(member.id, &commit.tp)) {
            let detail = format!("{} is not this member's any more", lost.tp);
            return Err(Error::Fenced { group: member.group.clone(), detail });
        }
        for Commit { tp, offset, metadata } in commits {
            let committed = Committed { offset: *offset, metadata: metadata.clone() };
            group.committed.insert(tp.clone(), committed);
        }
        if world.random.percent(world.faults.commit_unanswered) {
            return Err(unanswered("a commit that took effect"));
        }
        self.note(commits);
        // A process may also die between the effect and the answer.
        world.act(log.process)
    }

    fn seek(&mut self, tp: &TopicPartition, offset: i64) -> Result<()> {
        self.position(tp)?;
        self.log.world().check_range(tp, offset)?;
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
        let world = self.log.world();
        let partition = world.partition(tp)?;
        Ok((partition.start, partition.reached()))
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.flush()
    }
}

impl Drop for SimulatedSession {
    fn drop(&mut self) {
        let log = self.log.clone();
        let world = &mut *log.world();
        world.orphan(self.producer);
        let Some(member) = &self.membership else { return };
        let turn = world.random.below(member.wants.len());
        if world.crashed(log.process) && world.random.percent(world.faults.lingers) {
            let silence_ms_max = self.options.session_timeout_ms.cast_signed();
            world.group(&member.group).dying(member.id, silence_ms_max);
        } else {
            world.group(&member.group).leave(member.id, turn);
        }
    }
}
