//! Whether both ends of every edge agree, judged from samples of the ledger that are taken while the pipeline runs.
//!
//! Rows come late, so that what one sample says of a writer is compared with what a later one says of its readers, once
//! these have passed the ends that the log had in between. A difference is final when the writer can add nothing more:
//! the validator of a source partition has passed the bucket, or everything that there is; any other task has taken all
//! that its own writers wrote of the bucket, and none of it waits. So certainty moves one task down the graph with every
//! sample, and no clock is asked.
//!
//! A dead letter has ended and keeps no bucket open. When it is retried its bucket changes again, however old it is, so
//! nothing is final while records come to the topic of retries, or the validator has not passed them all.

use super::row::Side;
use super::sample::{Bucket, Sample, Summed};
use super::{BUCKET_OFFSETS, Counts, Edge, Whole};
use crate::plan::Names;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How an edge stands in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Both ends count the same, and nothing more will come.
    Agrees,
    /// Both ends count the same, and the writer may still write: something waits there, or the bucket is open.
    Open,
    /// The reader is not there yet, or has more already than the ledger says of the writer.
    Pending,
    /// The ends differ for good.
    Differs,
}

/// How one reader of one edge stands in one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The edge, by number.
    pub edge: usize,
    /// The reader's group; none where the writer's own items are compared with what it wrote.
    pub reader: Option<String>,
    /// Source topic, partition and bucket.
    pub bucket: (Arc<str>, u16, i64),
    /// Whether the source has gone on to a later bucket.
    pub closed: bool,
    /// Whether the writer can add nothing more to what is written.
    pub settled: bool,
    /// What was written.
    pub written: Counts,
    /// What was read.
    pub read: Counts,
    /// What follows.
    pub state: State,
}

struct Before {
    sample: Sample,
    sums: Summed,
    /// Edges, by number, over which nothing more of a bucket will be written.
    ended: BTreeSet<(usize, Bucket)>,
}

/// Judges sample after sample.
pub struct Judge {
    edges: Vec<Edge>,
    before: Option<Before>,
}

impl Judge {
    /// A judge of these edges.
    pub fn new(edges: Vec<Edge>) -> Self {
        Judge { edges, before: None }
    }

    /// The edges by number.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Takes the next sample, and says how everything stands. The first one only shows what there is.
    pub fn judge(&mut self, sample: Sample) -> Vec<Standing> {
        let sums = sample.summed();
        let buckets: BTreeSet<Bucket> = sums.keys().map(|(.., bucket)| bucket.clone()).collect();
        let mut standings = Vec::new();
        let mut ended = BTreeSet::new();
        for bucket in &buckets {
            standings.extend(self.bucket(bucket, &sample, &sums, &mut ended));
        }
        self.before = Some(Before { sample, sums, ended });
        standings
    }

    fn bucket(
        &self,
        bucket: &Bucket,
        sample: &Sample,
        sums: &Summed,
        ended: &mut BTreeSet<(usize, Bucket)>,
    ) -> Vec<Standing> {
        let (topic, partition, number) = bucket;
        let bound = (number + 1) * BUCKET_OFFSETS;
        let closed = sample.end(topic, *partition) >= bound;
        let mut standings = Vec::new();
        let mut unsettled: BTreeSet<&str> = BTreeSet::new();
        for (at, edge) in self.edges.iter().enumerate().filter(|(_, edge)| *edge.source == **topic) {
            for reader in &edge.readers {
                let read = sum(sums, reader, Side::Read, edge, bucket);
                let settled = self.settled(at, bucket, sample);
                let state = self.compare(edge, reader, (bucket, settled), sample, &read);
                if state != State::Agrees || read.waiting > 0 {
                    unsettled.insert(reader);
                }
                let written = self.before.as_ref().map(|before| written(&before.sums, edge, bucket));
                let written = written.unwrap_or_default();
                if written.total() + read.total() > 0 {
                    let (bucket, reader) = (bucket.clone(), Some(reader.clone()));
                    standings.push(Standing { edge: at, reader, bucket, closed, settled, written, read, state });
                }
            }
        }
        for (at, edge) in self.edges.iter().enumerate().filter(|(_, edge)| *edge.source == **topic) {
            let done = match edge.from == **topic {
                true => self.validated(edge, bucket, sample),
                false if retries(edge) => self.retried(edge, sample),
                false => self.before.is_some() && !unsettled.contains(edge.writer.as_str()),
            };
            if done {
                ended.insert((at, bucket.clone()));
            }
            if edge.whole != Whole::Some || edge.readers.is_empty() {
                standings.extend(self.whole(at, bucket, sums, (closed, done)));
            }
        }
        standings
    }

    /// Whether the validator is through with a bucket, or with everything while nothing comes.
    fn validated(&self, edge: &Edge, (topic, partition, number): &Bucket, sample: &Sample) -> bool {
        let position = sample.position(&edge.writer, topic, *partition);
        let end = sample.end(topic, *partition);
        position >= (number + 1) * BUCKET_OFFSETS || self.quiet(topic, *partition, sample) && position >= end
    }

    /// Whether the validator is through with everything that was retried of a source, and nothing comes.
    fn retried(&self, edge: &Edge, sample: &Sample) -> bool {
        let mut ends = sample.ends.iter().filter(|((topic, _), _)| *topic == edge.from);
        let passed = ends.all(|((topic, partition), end)| sample.position(&edge.writer, topic, *partition) >= *end);
        passed && self.unretried(&edge.source, sample)
    }

    /// Whether nothing of a source was retried between the last sample and this one.
    fn unretried(&self, source: &str, sample: &Sample) -> bool {
        let retries = Names::retries(source);
        let ends = |sample: &Sample| -> Vec<i64> {
            sample.ends.iter().filter(|((topic, _), _)| *topic == retries).map(|(_, end)| *end).collect()
        };
        self.before.as_ref().is_some_and(|before| ends(&before.sample) == ends(sample))
    }

    /// Whether nothing was published between the last sample and this one.
    fn quiet(&self, topic: &str, partition: u16, sample: &Sample) -> bool {
        let before = self.before.as_ref().map(|before| before.sample.end(topic, partition));
        before == Some(sample.end(topic, partition))
    }

    /// Whether what the last sample said of a writer was all that it ever writes of a bucket.
    fn settled(&self, at: usize, bucket: &Bucket, sample: &Sample) -> bool {
        let (topic, partition, number) = bucket;
        let edge = &self.edges[at];
        self.before.as_ref().is_some_and(|before| {
            let full = before.sample.end(topic, *partition) >= (number + 1) * BUCKET_OFFSETS;
            let published = !retries(edge) && !full && !self.quiet(topic, *partition, sample);
            let retried = edge.from != **topic && !self.unretried(topic, sample);
            before.ended.contains(&(at, bucket.clone())) && !published && !retried
        })
    }

    /// A reader against what was written before the ends that it has passed.
    fn compare(
        &self,
        edge: &Edge,
        reader: &str,
        (bucket, settled): (&Bucket, bool),
        sample: &Sample,
        read: &Counts,
    ) -> State {
        let Some(before) = &self.before else { return State::Pending };
        if !sample.passed(reader, &edge.to, &before.sample.ends) {
            return State::Pending;
        }
        let written = written(&before.sums, edge, bucket);
        match read.agrees(&written) {
            true if settled => State::Agrees,
            true => State::Open,
            false if settled || read.total() < written.total() => State::Differs,
            false => State::Pending,
        }
    }

    /// What a task emitted or refused against what it wrote over this edge: it counts and tells both at once.
    fn whole(&self, at: usize, bucket: &Bucket, sums: &Summed, (closed, settled): (bool, bool)) -> Option<Standing> {
        let edge = &self.edges[at];
        let written = written(sums, edge, bucket);
        let own = sums.iter().filter(|((task, side, _, to, of), _)| {
            **task == *edge.writer && *side == Side::Read && **to == *edge.from && of == bucket
        });
        let mut read = Counts::default();
        own.for_each(|(_, counts)| read.add(counts));
        if edge.whole == Whole::Some {
            read = written;
        }
        let ended = if edge.whole == Whole::Dead { read.dead } else { read.emitted };
        if written.total() + ended == 0 {
            return None;
        }
        let state = if written.total() == ended { State::Agrees } else { State::Differs };
        Some(Standing { edge: at, reader: None, bucket: bucket.clone(), closed, settled, written, read, state })
    }
}

/// Whether what goes over an edge was retried.
fn retries(edge: &Edge) -> bool {
    edge.from == Names::retries(&edge.source)
}

fn written(sums: &Summed, edge: &Edge, bucket: &Bucket) -> Counts {
    sum(sums, &edge.writer, Side::Written, edge, bucket)
}

fn sum(sums: &Summed, task: &str, side: Side, edge: &Edge, bucket: &Bucket) -> Counts {
    let key = (task.into(), side, edge.from.as_str().into(), edge.to.as_str().into(), bucket.clone());
    sums.get(&key).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
