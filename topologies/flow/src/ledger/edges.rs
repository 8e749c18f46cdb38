//! What one task counts on its edges: items as it takes them from its log, how they ended, and items as it writes them.
//!
//! Items come in runs: those of one record, mostly, lie in the same bucket. So a cell is looked up once for a run.
//!
//! Snapshots have an entry per cell, so that one that nothing is added to any more is written once. Which rows may still
//! have to be written is in the blob; there are as many as changed since the second last time that rows were.

use super::{Counts, End, OUTSIDE, OriginHash, Row, Side, Spot};
use crate::flaw::{Flaw, made};
use crate::names::{Names, Place};
use crate::snapshot::{Changes, Entry, Error, Notes, entry_hash};
use crate::wire::Origin;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Part of the entries in snapshots; tasks' own parts are lower.
pub const PART: u8 = u8::MAX;
/// Bytes of an entry's key and of its value.
const KEY_BYTES: usize = 11;
const VALUE_BYTES: usize = 48;
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

    fn bytes(self) -> [u8; KEY_BYTES] {
        let Key { side, topic, source, bucket } = self;
        let mut bytes = [side as u8; KEY_BYTES];
        for (into, number) in bytes[1..7].chunks_exact_mut(2).zip([topic, source.topic, source.partition]) {
            into.copy_from_slice(&number.to_be_bytes());
        }
        bytes[7..].copy_from_slice(&bucket.to_be_bytes());
        bytes
    }

    /// Reads a key of these topics.
    fn read(bytes: &[u8], names: &Names) -> Option<Key> {
        let (side, rest) = <&[u8; KEY_BYTES]>::try_from(bytes).ok()?.split_first()?;
        let number = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        let side = [Side::Written, Side::Read].into_iter().find(|known| *known as u8 == *side)?;
        let (topic, source) = (number(0), Place { topic: number(2), partition: number(4) });
        let known = |number: u16| usize::from(number) < names.len();
        let bucket = u32::from_be_bytes(rest[6..].try_into().ok()?);
        (known(topic) && known(source.topic)).then_some(Key { side, topic, source, bucket })
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

    fn value(&self) -> [u8; VALUE_BYTES] {
        let Counts { emitted, filtered, duplicate, waiting, digest, .. } = self.counts;
        let mut value = [0; VALUE_BYTES];
        let (numbers, sum) = value.split_at_mut(VALUE_BYTES - size_of::<u128>());
        for (into, number) in numbers.chunks_exact_mut(size_of::<u64>()).zip([emitted, filtered, duplicate, waiting]) {
            into.copy_from_slice(&number.to_le_bytes());
        }
        sum.copy_from_slice(&digest.to_le_bytes());
        value
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

/// A cell whose row may still have to be written, in a snapshot's blob: side, topic, source, bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved(Side, u16, (u16, u16), u32);

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

    /// Cuts what changed, for [`collect`](Self::collect), and gives what belongs into the blob.
    pub(crate) fn cut(&mut self) -> Vec<Saved> {
        let mut unsaved = std::mem::take(&mut self.unsaved);
        unsaved.sort_unstable_by_key(|at| self.cells[*at as usize].key);
        for at in unsaved {
            let cell = &mut self.cells[at as usize];
            let entry = Entry { part: PART, key: &cell.key.bytes(), value: Some(&cell.value()) };
            cell.entry = self.notes.note(&entry, cell.entry);
            cell.unsaved = false;
        }
        self.notes.cut();
        let pending = self.changed.iter().chain(&self.sent).map(|at| self.cells[*at as usize].key);
        let saved = |Key { side, topic, source, bucket }| Saved(side, topic, (source.topic, source.partition), bucket);
        pending.collect::<BTreeSet<Key>>().into_iter().map(saved).collect()
    }

    /// About how many bytes wait for the next cut.
    pub(crate) fn noted_bytes(&self) -> usize {
        self.unsaved.len() * (KEY_BYTES + VALUE_BYTES)
    }

    /// What changed before the last cut.
    pub(crate) fn collect(&mut self) -> Changes {
        self.notes.take()
    }

    /// Sum of the hashes of all entries.
    pub(crate) fn hash(&self) -> u128 {
        let hash = |cell: &Cell| u128::from(entry_hash(PART, &cell.key.bytes(), &cell.value()));
        self.cells.iter().map(hash).fold(0, u128::wrapping_add)
    }

    /// Takes an entry in.
    pub(crate) fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let foreign = || Error::Entry { part: entry.part, detail: "it is no count of this task's".to_owned() };
        let key = Key::read(entry.key, &self.names).filter(|_| entry.part == PART).ok_or_else(foreign)?;
        let value = entry.value.and_then(|value| <&[u8; VALUE_BYTES]>::try_from(value).ok()).ok_or_else(foreign)?;
        let (numbers, sum) = value.split_at(VALUE_BYTES - size_of::<u128>());
        let number = |at: usize| numbers[8 * at..8 * at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let [emitted, filtered, duplicate, waiting] = std::array::from_fn(number);
        let digest = sum.try_into().map(u128::from_le_bytes).unwrap_or_default();
        let at = self.find(key);
        let cell = &mut self.cells[at as usize];
        cell.counts = Counts { emitted, filtered, duplicate, waiting, digest, ..Counts::default() };
        cell.entry = entry_hash(PART, entry.key, value);
        self.notes.loaded(cell.entry);
        Ok(())
    }

    /// Takes up what the blob says, after all entries; `None` when it names cells that there are not.
    pub(crate) fn restore(&mut self, saved: &[Saved]) -> Option<()> {
        for Saved(side, topic, (source, partition), bucket) in saved {
            let source = Place { topic: *source, partition: *partition };
            let at = *self.index.get(&Key { side: *side, topic: *topic, source, bucket: *bucket })?;
            let cell = &mut self.cells[at as usize];
            if !cell.changed && !made(Flaw::RowsThoughtWritten) {
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
    use crate::snapshot::{Merged, entries};
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
        let again = restored(&mut edges);
        assert_eq!(again.all(OWN), all);
        assert_eq!(again.hash(), edges.hash());
        let rows = |mut edges: Edges| edges.rows(OWN).len();
        assert_eq!(rows(again), all.len(), "nobody knows yet whether they arrived");
        assert_eq!(edges.rows(OWN), []);
        assert_eq!(rows(restored(&mut edges)), 0, "they arrived");
        edges.wrote(&[NEXT], once(origin(0, 3)));
        let rows = edges.rows(OWN);
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0].from, &*rows[0].to, rows[0].side), ("own", "next", Side::Written));
    }

    /// What a first snapshot of these counts gives.
    fn restored(edges: &mut Edges) -> Edges {
        edges.unsaved = (0..edges.cells.len() as u32).collect();
        let (saved, changes) = (edges.cut(), edges.collect());
        let mut again = self::edges();
        entries(&changes.bytes).for_each(|entry| again.load(&entry.unwrap()).unwrap());
        again.restore(&saved).unwrap();
        again
    }

    #[test]
    fn a_cut_has_what_changed_since_the_one_before_and_the_sum_of_all() {
        let mut edges = edges();
        run(&mut edges, 0..300);
        edges.cut();
        let first = edges.collect();
        assert_eq!((first.count as usize, first.sum), (edges.cells.len(), edges.hash()));
        edges.rows(OWN);
        run(&mut edges, 302..303);
        assert!(edges.noted_bytes() > 0);
        assert!(edges.cut().len() > 3, "rows that were asked for may be lost");
        let second = edges.collect();
        assert_eq!((second.count, second.sum), (2, edges.hash()), "one that was taken, and one that was written");
        let mut merged = Merged::default();
        [&first, &second].into_iter().for_each(|changes| merged.add(&changes.bytes).unwrap());
        merged.verify(second.sum).unwrap();
        edges.rows(OWN);
        assert_eq!(edges.cut().len(), 2, "those that nobody has acknowledged");
        assert_eq!(edges.collect().count, 0);
    }

    #[test]
    fn damaged_counts_are_refused() {
        let mut edges = edges();
        let key = |topic: u16| Key { side: Side::Read, topic, source: Place { topic: 0, partition: 0 }, bucket: 7 };
        let mut load = |key: &[u8], value: &[u8]| edges.load(&Entry { part: PART, key, value: Some(value) }).is_ok();
        assert!(load(&key(0).bytes(), &[1; VALUE_BYTES]));
        assert!(!load(&key(9).bytes(), &[1; VALUE_BYTES]), "a topic that there is not");
        assert!(!load(&key(0).bytes()[1..], &[1; VALUE_BYTES]) && !load(&key(0).bytes(), &[1; 9]));
        let saved = |bucket| Saved(Side::Read, 0, (0, 0), bucket);
        assert_eq!((edges.restore(&[saved(7)]), edges.restore(&[saved(8)])), (Some(()), None));
    }
}
