//! What one task counts on its edges: items as it takes them from its log, how they ended, and items as it writes them.

use super::{Counts, End, OUTSIDE, OriginHash, Row, Side, Spot};
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

    /// An item was taken; it waits until it has an end.
    #[inline]
    pub fn took(&mut self, parent: u16, origin: Origin) {
        let Spot { parent, source, bucket } = Spot::of(parent, origin);
        let cell = self.cell(Key { side: Side::Read, topic: parent, source, bucket });
        cell.counts.waiting += 1;
        cell.counts.digest = cell.counts.digest.wrapping_add(cell.hash.of(origin.offset));
    }

    /// A taken item ended.
    #[inline]
    pub fn ended(&mut self, Spot { parent, source, bucket }: Spot, end: End) {
        let counts = &mut self.cell(Key { side: Side::Read, topic: parent, source, bucket }).counts;
        counts.waiting = counts.waiting.saturating_sub(1);
        match end {
            End::Emitted => counts.emitted += 1,
            End::Filtered => counts.filtered += 1,
            End::Duplicate => counts.duplicate += 1,
        }
    }

    /// An item or record goes to a topic.
    #[inline]
    pub fn wrote(&mut self, topic: u16, origin: Origin) {
        let Spot { source, bucket, .. } = Spot::of(topic, origin);
        let cell = self.cell(Key { side: Side::Written, topic, source, bucket });
        cell.counts.emitted += 1;
        cell.counts.digest = cell.counts.digest.wrapping_add(cell.hash.of(origin.offset));
    }

    #[inline]
    fn cell(&mut self, key: Key) -> &mut Cell {
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
        cell
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
            if *pending {
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
            edges.took(0, origin);
            if offset % 5 == 0 {
                edges.ended(Spot::of(0, origin), End::Duplicate);
            } else if offset % 7 != 0 {
                edges.ended(Spot::of(0, origin), End::Emitted);
                edges.wrote(NEXT, origin);
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
        edges.wrote(NEXT, origin(0, 3));
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
