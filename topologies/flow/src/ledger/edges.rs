//! What one task counts on its edges: items as it takes them from its log, how they ended, and items as it writes them.
//!
//! Items come in runs: those of one record, mostly, lie in the same bucket. So a cell is looked up once for a run.

mod handed;
mod saved;

#[cfg(test)]
mod tests;

pub(crate) use handed::{Handed, Waits};
pub use saved::{PART, Saved};

use super::{Counts, End, OUTSIDE, OriginHash, Row, Side, Spot};
use crate::names::{Names, Place};
use crate::snapshot::Notes;
use crate::wire::Origin;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Cells found without a search; items of one batch go to few of them.
const RECENT: usize = 64;
/// No cell.
const NONE: u32 = u32::MAX;

/// What a cell counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    side: Side,
    /// The topic at the other end of the edge.
    topic: u16,
    source: Place,
    bucket: u32,
}

impl Key {
    #[inline]
    fn of(side: Side, topic: u16, origin: Origin) -> Self {
        let Spot { source, bucket, .. } = Spot::of(topic, origin);
        Key { side, topic, source, bucket }
    }

    #[inline]
    fn slot(self) -> usize {
        let side = usize::from(self.side == Side::Written);
        let (topic, source) = (usize::from(self.topic), usize::from(self.source.topic));
        (side ^ topic << 1 ^ source << 3 ^ usize::from(self.source.partition) << 2) % RECENT
    }
}

#[derive(Debug, Clone)]
struct Cell {
    key: Key,
    hash: OriginHash,
    counts: Counts,
    /// Changed since its row was asked for.
    changed: bool,
    /// Its row was asked for, and may still be lost.
    sent: bool,
    /// Changed since the last cut.
    unsaved: bool,
    /// Hash of its entry at the last cut; 0 before its first.
    entry: u64,
}

impl Cell {
    fn new(key: Key, hash: OriginHash) -> Self {
        Cell { key, hash, counts: Counts::default(), changed: false, sent: false, unsaved: false, entry: 0 }
    }

    #[inline]
    fn wrote(&mut self, run: &Run) {
        self.counts.emitted += run.many;
        self.counts.digest = self.counts.digest.wrapping_add(run.digest);
    }
}

/// Items that follow each other and lie in the same cell.
#[derive(Debug, Clone, Copy)]
struct Run {
    key: Key,
    /// Number of the cell.
    cell: u32,
    hash: OriginHash,
    many: u64,
    digest: u128,
}

impl Run {
    #[inline]
    fn add(&mut self, offset: i64) {
        self.many += 1;
        self.digest = self.digest.wrapping_add(self.hash.of(offset));
    }
}

/// The counts of one task. It is part of the task's state: a function of the log's prefix.
#[derive(Debug)]
pub struct Edges {
    names: Arc<Names>,
    cells: Vec<Cell>,
    index: BTreeMap<Key, u32>,
    recent: [u32; RECENT],
    changed: Vec<u32>,
    sent: Vec<u32>,
    unsaved: Vec<u32>,
    notes: Notes,
}

impl Edges {
    /// Nothing counted yet.
    pub fn new(names: Arc<Names>) -> Self {
        let (cells, index, changed, sent, unsaved, notes) = Default::default();
        Edges { names, cells, index, recent: [NONE; RECENT], changed, sent, unsaved, notes }
    }

    /// Items were taken, each with its parent's topic and its origin. They wait until they have an end; which of both is
    /// said first does not matter.
    #[inline]
    pub fn took(&mut self, items: impl Iterator<Item = (u16, Origin)>) {
        let mut run: Option<Run> = None;
        for (topic, origin) in items {
            let key = Key::of(Side::Read, topic, origin);
            if run.as_ref().is_none_or(|run| run.key != key) {
                let next = self.run(key);
                self.end_taken(run.replace(next));
            }
            run.iter_mut().for_each(|run| run.add(origin.offset));
        }
        self.end_taken(run);
    }

    /// Taken items ended.
    #[inline]
    pub fn ended(&mut self, ends: impl Iterator<Item = (Spot, End)>) {
        let mut run: Option<((Spot, End), u64)> = None;
        for one in ends {
            match &mut run {
                Some((same, many)) if *same == one => *many += 1,
                _ => self.end_many(run.replace((one, 1))),
            }
        }
        self.end_many(run);
    }

    /// Items or records go to topics, each to all of these.
    #[inline]
    pub fn wrote(&mut self, topics: &[u16], origins: impl Iterator<Item = Origin>) {
        let Some((first, others)) = topics.split_first() else { return };
        let mut run: Option<Run> = None;
        for origin in origins {
            let key = Key::of(Side::Written, *first, origin);
            if run.as_ref().is_none_or(|run| run.key != key) {
                let next = self.run(key);
                self.end_written(run.replace(next), others);
            }
            run.iter_mut().for_each(|run| run.add(origin.offset));
        }
        self.end_written(run, others);
    }

    /// A run of items that are counted in one cell.
    #[inline]
    fn run(&mut self, key: Key) -> Run {
        let cell = self.cell(key);
        Run { key, cell, hash: self.cells[cell as usize].hash, many: 0, digest: 0 }
    }

    #[inline]
    fn end_taken(&mut self, run: Option<Run>) {
        let Some(run) = run else { return };
        let counts = &mut self.cells[run.cell as usize].counts;
        // An end may be said before.
        counts.waiting = counts.waiting.wrapping_add(run.many);
        counts.digest = counts.digest.wrapping_add(run.digest);
    }

    #[inline]
    fn end_written(&mut self, run: Option<Run>, others: &[u16]) {
        let Some(run) = run else { return };
        self.cells[run.cell as usize].wrote(&run);
        for topic in others {
            let cell = self.cell(Key { topic: *topic, ..run.key });
            self.cells[cell as usize].wrote(&run);
        }
    }

    #[inline]
    fn end_many(&mut self, run: Option<((Spot, End), u64)>) {
        let Some(((Spot { parent, source, bucket }, end), many)) = run else { return };
        let cell = self.cell(Key { side: Side::Read, topic: parent, source, bucket });
        let counts = &mut self.cells[cell as usize].counts;
        counts.waiting = counts.waiting.wrapping_sub(many);
        match end {
            End::Emitted => counts.emitted += many,
            End::Filtered => counts.filtered += many,
            End::Duplicate => counts.duplicate += many,
            End::Dead => counts.dead += many,
        }
    }

    /// Number of a cell that is about to change.
    #[inline]
    fn cell(&mut self, key: Key) -> u32 {
        let slot = key.slot();
        let recent = self.recent[slot];
        let at = match self.cells.get(recent as usize) {
            Some(cell) if cell.key == key => recent,
            _ => self.find(key),
        };
        self.recent[slot] = at;
        let cell = &mut self.cells[at as usize];
        if !cell.changed {
            cell.changed = true;
            self.changed.push(at);
        }
        if !cell.unsaved {
            cell.unsaved = true;
            self.unsaved.push(at);
        }
        at
    }

    fn find(&mut self, key: Key) -> u32 {
        let Edges { names, cells, index, .. } = self;
        *index.entry(key).or_insert_with(|| {
            let hash = OriginHash::new(names.topic(key.source.topic), key.source.partition);
            cells.push(Cell::new(key, hash));
            cells.len() as u32 - 1
        })
    }

    /// Rows of what changed since the last call. Whoever asks again says by that that the rows before are acknowledged.
    pub fn rows(&mut self, own: u16) -> Vec<Row> {
        for at in std::mem::replace(&mut self.sent, std::mem::take(&mut self.changed)) {
            self.cells[at as usize].sent = false;
        }
        for at in &self.sent {
            let cell = &mut self.cells[*at as usize];
            (cell.changed, cell.sent) = (false, true);
        }
        self.sent.iter().map(|at| self.row(own, &self.cells[*at as usize])).collect()
    }

    /// All rows in order, whoever knows of them.
    pub fn all(&self, own: u16) -> Vec<Row> {
        self.index.values().map(|at| self.row(own, &self.cells[*at as usize])).collect()
    }

    fn row(&self, own: u16, Cell { key, counts, .. }: &Cell) -> Row {
        let (own, other) = (self.names.topic(own).clone(), self.names.topic(key.topic).clone());
        let (from, to) = if key.side == Side::Read { (other, own) } else { (own, other) };
        let source = self.names.topic(key.source.topic).clone();
        debug_assert_ne!(&*from, OUTSIDE, "only validators read what comes from outside");
        Row {
            side: key.side,
            from,
            to,
            source,
            source_partition: key.source.partition,
            bucket: i64::from(key.bucket),
            counts: *counts,
            closed: false,
        }
    }
}
