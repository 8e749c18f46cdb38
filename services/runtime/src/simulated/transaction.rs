//! The cluster's side of transactions: who holds which id, what is open, and how it ends. As on brokers, whoever
//! initialises an id raises its epoch, and with that ends what is open under it and keeps late requests out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::member::Membership;
use super::session::partition_of;
use super::world::{Hidden, World};
use crate::log::{Commit, Committed, Error, Publish, Record, Result, TopicPartition};
use crate::transaction::{Coordinator, Failure, Offsets};

/// After how long an open transaction is aborted.
const TRANSACTION_MS_MAX: i64 = 600_000;

/// A transactional id.
#[derive(Default)]
pub(super) struct Holder {
    pub epoch: u64,
    pub open: Option<Open>,
}

/// A transaction that was begun and not ended.
pub(super) struct Open {
    since_ms: i64,
    pub records: Vec<(TopicPartition, i64)>,
    offsets: Option<(String, Vec<Commit>)>,
}

/// The end of a transaction, on its way.
pub(super) struct End {
    id: String,
    epoch: u64,
}

/// A producer that initialised a transactional id.
pub(super) struct Producer {
    number: u64,
    epoch: u64,
    sequences: BTreeMap<TopicPartition, u64>,
}

/// A process's way to the cluster.
pub(super) struct Client<'a> {
    pub world: &'a mut World,
    pub process: u64,
    pub member: Option<&'a Membership>,
}

impl World {
    /// Ends what is open under an id, if the epoch is still its holder's.
    fn end(&mut self, id: &str, epoch: u64, commits: bool) {
        let Some(holder) = self.holders.get_mut(id).filter(|holder| holder.epoch == epoch) else { return };
        let Some(Open { records, offsets, .. }) = holder.open.take() else { return };
        for (tp, offset) in records {
            let topic = self.topics.get_mut(&tp.topic);
            let Some(partition) = topic.and_then(|all| all.get_mut(tp.partition.unsigned_abs() as usize)) else {
                continue;
            };
            if commits {
                partition.hidden.remove(&offset);
            } else {
                partition.hidden.insert(offset, Hidden::Aborted);
            }
        }
        if let Some((group, commits_of)) = offsets.filter(|_| commits) {
            for Commit { tp, offset, metadata } in commits_of {
                self.group(&group).committed.insert(tp, Committed { offset, metadata });
            }
        }
    }

    /// Ends that were on their way may arrive, and transactions that are too old are aborted.
    pub fn turn_transactions(&mut self) {
        for _ in 0..self.ends.len() {
            if !self.random.percent(self.faults.delayed) {
                let any = self.random.below(self.ends.len());
                let End { id, epoch } = self.ends.swap_remove(any);
                self.end(&id, epoch, true);
            }
        }
        let old =
            |holder: &Holder| holder.open.as_ref().is_some_and(|open| self.now_ms - open.since_ms > TRANSACTION_MS_MAX);
        let old: Vec<String> =
            self.holders.iter().filter(|(_, holder)| old(holder)).map(|(id, _)| id.clone()).collect();
        for id in old {
            self.expired += 1;
            self.raise(&id);
        }
    }

    /// Gives an id a new epoch; what is open under it is aborted.
    fn raise(&mut self, id: &str) -> u64 {
        let epoch = self.holders.entry(id.to_owned()).or_default().epoch;
        self.end(id, epoch, false);
        let holder = self.holders.entry(id.to_owned()).or_default();
        holder.epoch += 1;
        holder.epoch
    }

    /// Whether a transaction that is still open may yet commit an offset of this partition.
    pub fn is_unstable(&self, group: &str, tp: &TopicPartition) -> bool {
        let mut open = self.holders.values().filter_map(|holder| holder.open.as_ref()?.offsets.as_ref());
        open.any(|(of, commits)| of == group && commits.iter().any(|commit| commit.tp == *tp))
    }
}

impl Client<'_> {
    fn act(&mut self) -> std::result::Result<(), Failure> {
        self.world.act(self.process).map_err(Failure::Final)
    }

    /// What this producer has open; somebody else may hold the id by now.
    fn open_of(&mut self, id: &str, producer: &Producer) -> std::result::Result<&mut Open, Failure> {
        let now_ms = self.world.now_ms;
        let holder = self.world.holders.entry(id.to_owned()).or_default();
        if holder.epoch != producer.epoch {
            let detail = "another producer has its transactional id".to_owned();
            return Err(Failure::Final(Error::Fenced { group: id.to_owned(), detail }));
        }
        Ok(holder.open.get_or_insert_with(|| Open { since_ms: now_ms, records: Vec::new(), offsets: None }))
    }

    fn send(&mut self, id: &Arc<str>, producer: &mut Producer, record: &Publish) -> std::result::Result<(), Failure> {
        let Publish { topic, key, value, headers, .. } = record.clone();
        let tp = TopicPartition { topic, partition: partition_of(self.world, record).map_err(Failure::Final)? };
        let record = Record { offset: 0, append_time_ms: 0, key, value, headers };
        let sequence = producer.sequences.entry(tp.clone()).or_default();
        self.world.send(producer.number, (tp, *sequence), record, Some((id.clone(), producer.epoch)));
        *sequence += 1;
        Ok(())
    }

    /// Adds the offsets, if the member is one of its group and owns the partitions.
    fn send_offsets(&mut self, id: &str, producer: &Producer, of: &Offsets<'_>) -> std::result::Result<(), Failure> {
        let Some(member) = self.member else { return Ok(()) };
        if self.world.random.percent(self.world.faults.expelled_in_commit) {
            let turn = self.world.random.below(usize::from(u16::MAX));
            self.world.group(of.group).leave(member.id, turn);
        }
        let group = self.world.group(of.group);
        if let Some(lost) = of.commits.iter().find(|commit| !group.owns(member.id, &commit.tp)) {
            let detail = format!("{} is not this member's any more", lost.tp);
            return Err(Failure::Final(Error::Fenced { group: of.group.to_owned(), detail }));
        }
        self.open_of(id, producer)?.offsets = Some((of.group.to_owned(), of.commits.to_vec()));
        Ok(())
    }
}

impl Coordinator for Client<'_> {
    type Producer = Producer;

    fn open(&mut self, id: &str) -> Result<Producer> {
        self.world.act(self.process)?;
        let epoch = self.world.raise(id);
        Ok(Producer { number: self.world.id(), epoch, sequences: BTreeMap::new() })
    }

    fn attempt(
        &mut self,
        id: &str,
        producer: &mut Producer,
        kept: &[Publish],
        offsets: Option<&Offsets<'_>>,
    ) -> std::result::Result<bool, Failure> {
        self.act()?;
        self.open_of(id, producer)?;
        let name: Arc<str> = id.into();
        kept.iter().try_for_each(|record| self.send(&name, producer, record))?;
        self.act()?;
        self.world.flush(producer.number);
        self.open_of(id, producer)?;
        if let Some(of) = offsets {
            self.send_offsets(id, producer, of)?;
        }
        self.act()?;
        let world = &mut *self.world;
        let unclear = |what: &str| Err(Failure::Unclear(format!("no answer came to {what}")));
        if world.random.percent(world.faults.commit_failed) {
            return unclear("an end that was never received");
        }
        if world.random.percent(world.faults.end_delayed) {
            world.ends.push(End { id: id.to_owned(), epoch: producer.epoch });
            return unclear("an end that is on its way");
        }
        world.end(id, producer.epoch, true);
        let is_unanswered = world.random.percent(world.faults.commit_unanswered);
        let is_troubled = world.random.percent(world.faults.troubled);
        // A process may also die between the effect and the answer.
        self.act()?;
        if is_unanswered { unclear("an end that took effect") } else { Ok(!is_troubled) }
    }

    fn committed(&mut self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        self.world.act(self.process)?;
        let group = self.world.group(group);
        Ok(tps.iter().map(|tp| group.committed.get(tp).cloned()).collect())
    }
}
