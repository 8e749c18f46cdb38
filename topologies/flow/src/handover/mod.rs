//! Handing state over to a new generation of a log that has another number of partitions.
//!
//! State is kept by key groups, so every entry goes to the partition that has its group now. What a task is besides that
//! follows from what all old tasks had: a new one promises no more than the least of them (marks, watermark), counters go
//! to partition 0, and numbers begin anew. Items that waited for the watermark are written again, behind the first fence
//! of their log; a task takes them up as it does after any restart.
//!
//! A kind of task says how its own entries and its own part of the blob are handed over; what all have is done here.

mod held;

pub use held::{Finder, Held, Laid, lay_out};

use crate::fence::ParentLog;
use crate::ledger::{Handed, Spot, Waits};
use crate::marks::NEVER_US;
use crate::snapshot::{Blob, Changes, Entry, Error, Header, entry_hash};
use crate::state::{Asides, Taken, TaskState};
use schemas::key::{KEY_GROUPS, internal_partition};
use serde::Serialize;
use std::collections::BTreeMap;

/// A task of the old generation, when everything had gone through. They come in the order of their partitions.
#[derive(Debug, Clone, Copy)]
pub struct Old<'a> {
    /// Its blob.
    pub blob: &'a str,
    /// Its entries, see [`Changes`], each once.
    pub entries: &'a [u8],
}

/// What a task of the new generation begins with.
#[derive(Debug, Clone, Default)]
pub struct New {
    /// Its blob.
    pub blob: String,
    /// Its entries.
    pub changes: Changes,
}

/// How a partition of the new log begins.
#[derive(Debug, Clone, Default)]
pub struct Begin {
    /// The offset behind what was written at its head.
    pub position: i64,
    /// The numbers of the items there, by parent.
    pub taken: Vec<Taken>,
    /// Those items, where the ledger counts them.
    pub held: Vec<Spot>,
    /// Numbers that the partition's task has in its targets, by topic.
    pub out: BTreeMap<String, Vec<i64>>,
}

/// What is known of the new log.
#[derive(Debug, Clone)]
pub struct Handover<'a> {
    /// Its parents.
    pub parents: &'a [ParentLog],
    /// What logs of the old generation are called in the new one.
    pub renamed: &'a BTreeMap<String, String>,
    /// Its partitions.
    pub begins: &'a [Begin],
}

impl Handover<'_> {
    /// The partition of a key group.
    pub fn partition(&self, group: u32) -> usize {
        internal_partition(group, self.begins.len() as u32) as usize
    }

    /// The old partitions, of so many, that had groups of a new one.
    pub fn before(&self, partition: usize, old: usize) -> impl Iterator<Item = usize> {
        let mut found: Vec<usize> = (0..KEY_GROUPS)
            .filter(|group| self.partition(*group) == partition)
            .map(|group| internal_partition(group, old as u32) as usize)
            .collect();
        found.dedup();
        found.into_iter()
    }
}

/// Entries on their way to new tasks.
#[derive(Debug)]
pub struct Split<'a> {
    to: &'a Handover<'a>,
    changes: Vec<Changes>,
    counts: Handed,
    waits: Vec<Waits>,
}

impl<'a> Split<'a> {
    /// Nothing is given yet.
    pub fn new(to: &'a Handover<'a>) -> Self {
        let changes = to.begins.iter().map(|_| Changes::default()).collect();
        let mut split = Split { to, changes, counts: Handed::default(), waits: vec![Waits::new(); to.begins.len()] };
        for (partition, begin) in to.begins.iter().enumerate() {
            begin.held.iter().for_each(|spot| split.wait(partition, *spot));
        }
        split
    }

    /// Gives an entry to the task that has the key group now; says which one that is.
    pub fn give(&mut self, group: u32, entry: &Entry<'_>) -> usize {
        let partition = self.to.partition(group);
        push(&mut self.changes[partition], entry);
        partition
    }

    /// Takes an entry of [`crate::ledger::PART`].
    pub fn count(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.counts.add(entry)
    }

    /// Says that an item waits in the new task.
    pub fn wait(&mut self, partition: usize, spot: Spot) {
        *self.waits[partition].entry(spot).or_default() += 1;
    }

    /// Puts the new tasks' blobs together: `headers` are those of the old tasks, `own` makes the part of a new one that is
    /// its kind's.
    pub fn finish<T: Serialize>(self, headers: &[Header], mut own: impl FnMut(usize) -> T) -> Result<Vec<New>, Error> {
        let Split { to, mut changes, counts, waits } = self;
        let cells = counts.give(&waits, |partition, entry| push(&mut changes[partition], entry))?;
        let (marks, watermark) = (marks(to, headers), least(headers.iter().map(|header| header.watermark)));
        let parents: Vec<(String, u16)> = to
            .parents
            .iter()
            .flat_map(|parent| (0..parent.partitions).map(|partition| (parent.log.clone(), partition)))
            .collect();
        let new = changes.into_iter().zip(cells).enumerate().map(|(partition, (changes, ledger))| {
            let begin = &to.begins[partition];
            let header = Header {
                position: begin.position,
                state: state(headers, begin, partition),
                parents: parents.clone(),
                marks: marks.clone(),
                watermark,
                held: (!begin.held.is_empty()).then(|| (0, Vec::new())),
                ledger,
            };
            New { blob: Blob { header, own: own(partition) }.text(), changes }
        });
        Ok(new.collect())
    }
}

fn push(changes: &mut Changes, entry: &Entry<'_>) {
    changes.push(entry);
    let hash = entry.value.map_or(0, |value| entry_hash(entry.part, entry.key, value));
    changes.sum = changes.sum.wrapping_add(u128::from(hash));
}

/// The least of what all have; none while one has nothing.
pub fn least(mut all: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    let first = all.next()??;
    all.try_fold(first, |least, one| one.map(|one| least.min(one)))
}

/// What a commit would say of the new task.
fn state(headers: &[Header], begin: &Begin, partition: usize) -> TaskState {
    let digest = headers.first().map_or("", |header| &header.state.digest);
    let asides = if partition == 0 { asides(headers) } else { Asides::default() };
    TaskState { fence: 0, out: begin.out.clone(), taken: begin.taken.clone(), asides, ..TaskState::new(digest) }
}

/// What all have counted beside the ledger.
pub fn asides(headers: &[Header]) -> Asides {
    headers.iter().fold(Asides::default(), |sum, Header { state, .. }| Asides {
        behind: sum.behind + state.asides.behind,
        conflict: sum.conflict + state.asides.conflict,
        sketches: sum.sketches + state.asides.sketches,
        evicted_keys: sum.evicted_keys + state.asides.evicted_keys,
        evicted_entries: sum.evicted_entries + state.asides.evicted_entries,
    })
}

/// The marks that a task begins with: of a source's partition the least that an old task had of it, of a log's partitions
/// the least that an old task had of any.
fn marks(to: &Handover<'_>, headers: &[Header]) -> Vec<(String, u16, i64)> {
    let old_name = |log: &str| to.renamed.iter().find(|(_, new)| *new == log).map(|(old, _)| old.as_str());
    let mut marks = Vec::new();
    for parent in to.parents.iter().filter(|parent| parent.marks) {
        let old = old_name(&parent.log);
        for partition in 0..parent.partitions {
            let of_header = |header: &Header| {
                let known = header.marks.iter().filter(|(topic, at, _)| match old {
                    Some(old) => topic == old,
                    None => *topic == parent.log && *at == partition,
                });
                known.map(|(.., mark_us)| *mark_us).min()
            };
            marks.push((parent.log.clone(), partition, least(headers.iter().map(of_header)).unwrap_or(NEVER_US)));
        }
    }
    marks
}

#[cfg(test)]
mod tests;
