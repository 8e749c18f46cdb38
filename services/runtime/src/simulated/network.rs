//! What is on its way to the log. A producer numbers its records per partition and sends each until it is answered; the
//! log takes the next number only. So records arrive late, twice, and after their process is gone, yet each is appended
//! once and in order, as with Kafka's idempotent producer.

use std::sync::Arc;

use super::world::{Hidden, World};
use crate::log::{Record, TopicPartition};

/// A record on its way.
pub(super) struct Request {
    pub producer: u64,
    pub tp: TopicPartition,
    pub sequence: u64,
    /// Offset and time are the log's to fill in.
    pub record: Record,
    /// The transaction it belongs to: id and epoch.
    pub transaction: Option<(Arc<str>, u64)>,
    /// Whoever sent it is gone: nobody sends it again, nobody waits for an answer.
    pub orphan: bool,
}

impl World {
    /// A producer sends a record.
    pub fn send(
        &mut self,
        producer: u64,
        (tp, sequence): (TopicPartition, u64),
        record: Record,
        transaction: Option<(Arc<str>, u64)>,
    ) {
        self.network.push(Request { producer, tp, sequence, record, transaction, orphan: false });
    }

    /// Some requests arrive, in any order; all of them while nothing goes wrong.
    pub fn turn(&mut self) {
        self.turn_transactions();
        if self.faults.delayed == 0 {
            while !self.network.is_empty() {
                self.arrive(0);
            }
            return;
        }
        for _ in 0..self.network.len() {
            if !self.network.is_empty() && !self.random.percent(self.faults.delayed) {
                let any = self.random.below(self.network.len());
                self.arrive(any);
            }
        }
    }

    /// Returns when everything of a producer was answered; what others sent may arrive meanwhile.
    pub fn flush(&mut self, producer: u64) {
        while self.network.iter().any(|request| request.producer == producer) {
            let any = if self.faults.delayed == 0 { 0 } else { self.random.below(self.network.len()) };
            self.arrive(any);
        }
    }

    /// A request arrives. It stays on its way when its turn has not come yet, or when the answer is lost.
    fn arrive(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Request { producer, tp, sequence, record, transaction, orphan } = &self.network[at];
        let (producer, sequence, orphan) = (*producer, *sequence, *orphan);
        // Whoever holds the id by now keeps late requests out, and so does the end of the transaction.
        let mut open = None;
        if let Some((id, epoch)) = transaction {
            let holder = self.holders.get_mut(&**id).filter(|holder| holder.epoch == *epoch);
            let Some(found) = holder.and_then(|holder| holder.open.as_mut()) else {
                self.network.remove(at);
                return;
            };
            open = Some(found);
        }
        let partition =
            self.topics.get_mut(&tp.topic).and_then(|all| all.get_mut(tp.partition.unsigned_abs() as usize));
        let Some(partition) = partition else { return };
        let next = partition.sequences.entry(producer).or_default();
        if sequence > *next {
            return;
        }
        if sequence == *next {
            *next += 1;
            let newest_ms = partition.records.last().map_or(0, |last| last.append_time_ms);
            let append_time_ms = now_ms.max(newest_ms);
            let offset = partition.end();
            partition.records.push(Record { offset, append_time_ms, ..record.clone() });
            if let Some(open) = open {
                partition.hidden.insert(offset, Hidden::Open);
                open.records.push((tp.clone(), offset));
            }
        }
        if orphan || !self.random.percent(self.faults.answer_lost) {
            self.network.remove(at);
        }
    }

    /// A producer is gone. Of each partition's requests the first ones, any number of them, may still arrive.
    pub fn orphan(&mut self, producer: u64) {
        let mut cut: Vec<(TopicPartition, u64)> = Vec::new();
        for request in self.network.iter().filter(|request| request.producer == producer) {
            if !cut.iter().any(|(tp, _)| *tp == request.tp) && !self.random.percent(self.faults.posthumous) {
                cut.push((request.tp.clone(), request.sequence));
            }
        }
        let gone = |request: &Request| cut.iter().any(|(tp, from)| *tp == request.tp && request.sequence >= *from);
        self.network.retain(|request| request.producer != producer || !gone(request));
        for request in self.network.iter_mut().filter(|request| request.producer == producer) {
            request.orphan = true;
        }
    }
}
