//! What one task counts on its edges: items as it takes them from its log, how they ended, and items as it writes them.
//!
//! Items come in runs: those of one record, mostly, lie in the same bucket. So a cell is looked up once for a run.

use super::{Counts, End, OUTSIDE, OriginHash, Row, Side, Spot};
use crate::flaw::{Flaw, made};
use crate::names::{Names, Place};
use crate::wire::Origin;
use serde::{Deserialize, Serialize};
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
}

impl Cell {
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

/// A cell in a snapshot: side, topic, source, bucket, counts, and whether its row is still to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved(Side, u16, (u16, u16), u32, [u64; 4], String, bool);

/// The counts of one task. It is part of the task's state: a function of the log's prefix.
#[derive(Debug, Clone)]
pub struct Edges {
    names: Arc<Names>,
    cells: Vec<Cell>,
    index: BTreeMap<Key, u32>,
    recent: [u32; RECENT],
    changed: Vec<u32>,
    sent: Vec<u32>,
}

impl Edges {
    /// Nothing counted yet.
    pub fn new(names: Arc<Names>) -> Self {
        let (cells, index, changed, sent) = Default::default();
        Edges { names, cells, index, recent: [NONE; RECENT], changed, sent }
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
        at
    }

    fn find(&mut self, key: Key) -> u32 {
        let Edges { names, cells, index, .. } = self;
        *index.entry(key).or_insert_with(|| {
            let hash = OriginHash::new(names.topic(key.source.topic), key.source.partition);
            cells.push(Cell { key, hash, counts: Counts::default(), changed: false, sent: false });
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

    /// The counts as a snapshot has them, in order.
    pub(crate) fn save(&self) -> Vec<Saved> {
        let saved = |at: &u32| {
            let Cell { key, counts, changed, sent, .. } = &self.cells[*at as usize];
            let numbers = [counts.emitted, counts.filtered, counts.duplicate, counts.waiting];
            let (source, digest) = ((key.source.topic, key.source.partition), format!("{:032x}", counts.digest));
            Saved(key.side, key.topic, source, key.bucket, numbers, digest, *changed || *sent)
        };
        self.index.values().map(saved).collect()
    }

    /// Takes up saved counts; `None` when they are not ours.
    pub(crate) fn restore(&mut self, saved: &[Saved]) -> Option<()> {
        *self = Edges::new(self.names.clone());
        for Saved(side, topic, (source, partition), bucket, numbers, digest, pending) in saved {
            let known = |number: u16| usize::from(number) < self.names.len();
            if !known(*topic) || !known(*source) {
                return None;
            }
            let source = Place { topic: *source, partition: *partition };
            let at = self.find(Key { side: *side, topic: *topic, source, bucket: *bucket });
            let [emitted, filtered, duplicate, waiting] = *numbers;
            let digest = u128::from_str_radix(digest, 16).ok()?;
            let cell = &mut self.cells[at as usize];
            cell.counts = Counts { emitted, filtered, duplicate, waiting, digest, ..Counts::default() };
            if *pending && !made(Flaw::RowsThoughtWritten) {
                cell.changed = true;
                self.changed.push(at);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::once;

    const OWN: u16 = 1;
    const NEXT: u16 = 2;

    fn edges() -> Edges {
        Edges::new(Arc::new(Names::new([("source", 0), ("own", 1), ("next", 1)])))
    }

    fn origin(partition: u16, offset: i64) -> Origin {
        Origin { place: Place { topic: 0, partition }, offset }
    }

    fn run(edges: &mut Edges, offsets: impl Iterator<Item = i64>) {
        for offset in offsets {
            let origin = origin((offset % 3) as u16, offset * 1_000);
            edges.took(once((0, origin)));
            if offset % 5 == 0 {
                edges.ended(once((Spot::of(0, origin), End::Duplicate)));
            } else if offset % 7 != 0 {
                edges.ended(once((Spot::of(0, origin), End::Emitted)));
                edges.wrote(&[NEXT], once(origin));
            }
        }
    }

    #[test]
    fn every_item_is_counted_once_and_order_changes_nothing() {
        let (mut forward, mut backward) = (edges(), edges());
        run(&mut forward, 0..500);
        run(&mut backward, (0..500).rev());
        assert_eq!(forward.all(OWN), backward.all(OWN));
        let side = |side| forward.all(OWN).into_iter().filter(move |row| row.side == side);
        assert_eq!(side(Side::Read).map(|row| row.counts.total()).sum::<u64>(), 500);
        let emitted = |side_: Side| side(side_).map(|row| row.counts.emitted).sum::<u64>();
        assert_eq!(emitted(Side::Read), emitted(Side::Written));
        assert!(side(Side::Read).count() > 20, "there are many buckets");
    }

    #[test]
    fn items_that_come_at_once_count_as_one_by_one_whichever_end_is_said_first() {
        const PUBLIC: u16 = 3;
        let names = || Arc::new(Names::new([("source", 0), ("own", 1), ("next", 1), ("public", 1)]));
        let (mut single, mut whole) = (Edges::new(names()), Edges::new(names()));
        // Runs of several lengths over partitions and buckets, and some of a single item.
        let at = |number: i64| origin((number / 7 % 3) as u16, number / 40 * 30_000 + number);
        let end = |number: i64| if number % 11 < 9 { End::Emitted } else { End::Filtered };
        for number in 0..900 {
            let origin = at(number);
            single.took(once((0, origin)));
            single.ended(once((Spot::of(0, origin), end(number))));
            [NEXT, PUBLIC].iter().for_each(|topic| single.wrote(&[*topic], once(origin)));
        }
        for first in (0..900).step_by(90) {
            let numbers = first..first + 90;
            whole.ended(numbers.clone().map(|number| (Spot::of(0, at(number)), end(number))));
            whole.wrote(&[NEXT, PUBLIC], numbers.clone().map(at));
            whole.took(numbers.map(|number| (0, at(number))));
        }
        assert_eq!(whole.all(OWN), single.all(OWN));
        assert_eq!(whole.all(OWN).iter().map(|row| row.counts.waiting).sum::<u64>(), 0);
        assert_eq!(whole.rows(OWN).len(), whole.all(OWN).len(), "all of them changed");
        whole.wrote(&[], once(at(0)));
        assert_eq!(whole.rows(OWN), []);
    }

    #[test]
    fn rows_are_given_when_they_changed_and_again_after_a_restore_that_may_have_lost_them() {
        let mut edges = edges();
        run(&mut edges, 0..100);
        let all = edges.all(OWN);
        assert_eq!(edges.rows(OWN).len(), all.len());
        let mut again = self::edges();
        again.restore(&edges.save()).unwrap();
        assert_eq!(again.all(OWN), all);
        assert_eq!(again.rows(OWN).len(), all.len(), "nobody knows yet whether they arrived");
        assert_eq!(edges.rows(OWN), []);
        again.restore(&edges.save()).unwrap();
        assert_eq!(again.rows(OWN), [], "they arrived");
        edges.wrote(&[NEXT], once(origin(0, 3)));
        let rows = edges.rows(OWN);
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0].from, &*rows[0].to, rows[0].side), ("own", "next", Side::Written));
    }

    #[test]
    fn damaged_counts_are_refused() {
        let mut edges = edges();
        let saved = |topic, digest: &str| Saved(Side::Read, topic, (0, 0), 0, [0; 4], digest.to_owned(), false);
        assert_eq!(edges.restore(&[saved(0, "0")]), Some(()));
        assert_eq!(edges.restore(&[saved(9, "0")]), None);
        assert_eq!(edges.restore(&[saved(0, "x")]), None);
    }
}
