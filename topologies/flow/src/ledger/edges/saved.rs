//! The counts in snapshots.
//!
//! Snapshots have an entry per cell, so that one that nothing is added to any more is written once. Which rows may still
//! have to be written is in the blob: those that changed since they were asked for the last time but one.

use super::{Cell, Edges, Key};
use crate::flaw::{Flaw, made};
use crate::ledger::{Counts, Side};
use crate::names::{Names, Place};
use crate::snapshot::{Changes, Entry, Error, entry_hash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Part of the entries in snapshots; tasks' own parts are lower.
pub const PART: u8 = u8::MAX;
/// Bytes of an entry's key and, where nothing was refused, of its value.
const KEY_BYTES: usize = 11;
pub(super) const VALUE_BYTES: usize = 48;

/// A cell whose row may still have to be written, in a snapshot's blob: side, topic, source, bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved(pub(super) Side, pub(super) u16, pub(super) (u16, u16), pub(super) u32);

impl Key {
    pub(super) fn bytes(self) -> [u8; KEY_BYTES] {
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
        let known = |number: u16| usize::from(number) < names.len();
        Key::parse(bytes).filter(|key| known(key.topic) && known(key.source.topic))
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Key> {
        let (side, rest) = <&[u8; KEY_BYTES]>::try_from(bytes).ok()?.split_first()?;
        let number = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        let side = [Side::Written, Side::Read].into_iter().find(|known| *known as u8 == *side)?;
        let (topic, source) = (number(0), Place { topic: number(2), partition: number(4) });
        let bucket = u32::from_be_bytes(rest[6..].try_into().ok()?);
        Some(Key { side, topic, source, bucket })
    }
}

impl Cell {
    fn value(&self) -> Vec<u8> {
        value(&self.counts)
    }
}

/// The counts that a task has, as an entry's value. What few tasks refuse stands at the end where there is any, so that
/// entries of older releases are read, too.
pub(super) fn value(counts: &Counts) -> Vec<u8> {
    let Counts { emitted, filtered, duplicate, waiting, digest, dead, .. } = *counts;
    let mut value = Vec::with_capacity(VALUE_BYTES + size_of::<u64>());
    [emitted, filtered, duplicate, waiting].iter().for_each(|number| value.extend_from_slice(&number.to_le_bytes()));
    value.extend_from_slice(&digest.to_le_bytes());
    if dead > 0 {
        value.extend_from_slice(&dead.to_le_bytes());
    }
    value
}

/// Reads such a value.
pub(super) fn counts(value: &[u8]) -> Option<Counts> {
    let (value, dead) = value.split_first_chunk::<VALUE_BYTES>()?;
    let dead = match dead {
        [] => 0,
        dead => u64::from_le_bytes(dead.try_into().ok()?),
    };
    let (numbers, sum) = value.split_at(VALUE_BYTES - size_of::<u128>());
    let number = |at: usize| numbers[8 * at..8 * at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
    let [emitted, filtered, duplicate, waiting] = std::array::from_fn(number);
    let digest = u128::from_le_bytes(sum.try_into().ok()?);
    Some(Counts { emitted, filtered, duplicate, waiting, digest, dead, ..Counts::default() })
}

impl Edges {
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
        let value = entry.value.ok_or_else(foreign)?;
        let counts = counts(value).ok_or_else(foreign)?;
        let at = self.find(key);
        let cell = &mut self.cells[at as usize];
        cell.counts = counts;
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
