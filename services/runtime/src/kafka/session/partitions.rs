//! How a session gets partitions, and how it loses them.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{KafkaSession, Pending};
use crate::kafka::commit::generation;
use crate::kafka::context::{ConsumerSide, Rebalance};
use crate::kafka::owned::Owned;
use crate::kafka::transaction::Client;
use crate::kafka::{committed, fault, list};
use crate::log::{Assigned, Input, Poll, Result, Revoked, TopicPartition};
use crate::transaction::{Transactions, slots};

impl KafkaSession {
    /// Begins to read all owned partitions at their positions.
    pub(super) fn assign(&self) -> Result<()> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let mut places = TopicPartitionList::with_capacity(self.owned.len());
        for Owned { tp, next, .. } in &self.owned {
            places
                .add_partition_offset(&tp.topic, tp.partition, Offset::Offset(*next))
                .map_err(|error| fault::error(format!("reading {tp} from {next}"), &error))?;
        }
        consumer.assign(&places).map_err(|error| fault::error("taking over partitions", &error))?;
        // librdkafka goes on pausing what was paused when it was last assigned, and pauses nothing before it is.
        let [paused, read] = [true, false].map(|paused| {
            let these = self.owned.iter().filter(|owned| owned.paused == paused);
            list(these.map(|owned| &owned.tp))
        });
        consumer.pause(&paused).map_err(|error| fault::error("pausing", &error))?;
        consumer.resume(&read).map_err(|error| fault::error("resuming", &error))
    }

    /// Carries out what the last poll announced.
    pub(super) fn settle(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => Ok(()),
            Pending::Assign => self.assign(),
            Pending::Unassign => {
                self.leaving.clear();
                let Some(consumer) = &self.consumer else { return Ok(()) };
                consumer.unassign().map_err(|error| fault::error("giving partitions back", &error))
            }
        }
    }

    /// Whether the group has gone on without asking: it does that before a new owner began to read.
    pub(super) fn is_stale(&self) -> bool {
        let is_stale = |consumer| generation(consumer) != self.generation || consumer.assignment_lost();
        self.group().is_some() && self.consumer.as_ref().is_some_and(is_stale)
    }

    /// Drops everything owned, and what was not committed with it.
    pub(super) fn lose(&mut self) -> Vec<Revoked> {
        self.transactions.iter_mut().for_each(Transactions::forget);
        self.owned.drain(..).map(|owned| Revoked { tp: owned.tp, lost: true }).collect()
    }

    /// Announces the oldest rebalance that waits, if there is one.
    pub(super) fn rebalance(&mut self) -> Result<Option<Poll>> {
        let Some(consumer) = &self.consumer else { return Ok(None) };
        let Some(rebalance) = consumer.context().next_rebalance() else { return Ok(None) };
        let mut poll = Poll::default();
        match rebalance {
            // librdkafka forgets to say that a partition is lost when a rebalance was under way already.
            // A transaction that saw a revoke is not committed: the next owner does its work again.
            Rebalance::Revoke { lost } if lost || self.transactions.is_some() || self.is_stale() => {
                poll.revoked = self.lose();
                self.pending = Pending::Unassign;
            }
            Rebalance::Revoke { .. } => {
                self.leaving = self.owned.drain(..).map(|owned| owned.tp).collect();
                poll.revoked = self.leaving.iter().map(|tp| Revoked { tp: tp.clone(), lost: false }).collect();
                self.pending = Pending::Unassign;
            }
            Rebalance::Assign(partitions) => {
                let generation = generation(consumer);
                if let (Some(transactions), Input::Group { group, .. }) = (&mut self.transactions, &self.options.input)
                {
                    let (cluster, options) = (&self.cluster, &self.options);
                    let mut client = Client { cluster, options, consumer: Some(consumer) };
                    transactions.take_over(&mut client, slots(group, &partitions))?;
                }
                let assigned = self.positions(consumer, partitions)?;
                let next =
                    |assigned: &Assigned| assigned.committed.as_ref().map_or(assigned.start, |commit| commit.offset);
                // Not empty if the group went on while this session had not begun to read.
                poll.revoked = self.lose();
                let own = |assigned: &Assigned| {
                    let committed = assigned.committed.clone();
                    Owned { committed, ..Owned::new(assigned.tp.clone(), next(assigned)) }
                };
                self.owned = assigned.iter().map(own).collect();
                poll.assigned = assigned;
                self.generation = generation;
                self.pending = Pending::Assign;
            }
        }
        if poll.is_empty() {
            self.settle()?;
        }
        Ok(Some(poll))
    }

    fn positions(&self, consumer: &BaseConsumer<ConsumerSide>, tps: Vec<TopicPartition>) -> Result<Vec<Assigned>> {
        if tps.is_empty() {
            return Ok(Vec::new());
        }
        let commits = committed(consumer, self.group().unwrap_or_default(), &tps)?;
        let mut assigned = Vec::with_capacity(tps.len());
        for (tp, committed) in tps.into_iter().zip(commits) {
            let (start, end) = self.cluster.bounds(&tp)?;
            assigned.push(Assigned { tp, committed, start, end });
        }
        Ok(assigned)
    }
}
