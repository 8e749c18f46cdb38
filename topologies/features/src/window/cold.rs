//! Keys on disk: when they go there, when they come back, and when they are forgotten there.
//!
//! A key goes as the bytes that snapshots have of it, once no row needed it for a whole round of the hand, and comes back
//! with its next row. The row with which it comes gives it no second chance, so keys that come once push nobody out. What
//! snapshots are still to get of a key they get before it goes, so a key on disk has no changes. The older state of a key
//! that came back stays there until the key goes again or is forgotten.

use flow::cold::{Cold, Fault, Memory};
use flow::snapshot::entry_hash;

use super::rounds::Round;
use super::snapshot::now_of;
use super::track::{PART, Tracker};
use super::{Engine, Key};

/// Rows between two looks at the limit and at what has expired on disk.
const UPKEEP_ROWS: u32 = 512;
/// Longer keys stay in memory: stores have limits of their own.
const TEXT_BYTES_MAX: usize = 1_024;

/// What an engine knows of its keys on disk.
#[derive(Debug)]
pub(super) struct Depot {
    pub store: Box<dyn Cold>,
    /// Keys there that are not in memory.
    pub keys: usize,
    pub memory: Memory,
    /// Which head is looked at next for keys to put away.
    hand: usize,
    pub rows: u32,
    /// Nothing on disk is older than this.
    pub oldest_us: i64,
    pub round: Option<Round>,
    fault: Option<Fault>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Depot {
    /// Forgets a key that is on disk alone.
    pub fn take_away(&mut self, name: &[u8], before: u64, tracker: &mut Tracker) -> Result<(), Fault> {
        self.store.remove(name)?;
        self.keys -= 1;
        tracker.note_gone(name, before);
        Ok(())
    }

    /// Remembers what went wrong.
    pub fn note(&mut self, done: Result<(), Fault>) {
        self.fault = done.err().or(self.fault.take());
    }
}

impl Engine {
    /// From now on puts keys away that are not needed soon, as the store's limit says.
    pub fn spill(&mut self, store: Box<dyn Cold>) {
        let memory = store.memory();
        let (name, value) = (Vec::new(), Vec::new());
        let (keys, hand, rows, oldest_us, round, fault) = (0, 0, 0, i64::MAX, None, None);
        self.depot = Some(Depot { store, keys, memory, hand, rows, oldest_us, round, fault, name, value });
    }

    /// What went wrong with the store since the engine began. After that nothing it gives is right.
    pub fn fault(&self) -> Option<&Fault> {
        self.depot.as_ref().and_then(|depot| depot.fault.as_ref())
    }

    /// Keys in memory.
    pub fn keys_in_memory(&self) -> usize {
        self.states.keys.len()
    }

    /// Keys on disk alone.
    pub fn keys_on_disk(&self) -> usize {
        self.depot.as_ref().map_or(0, |depot| depot.keys)
    }

    /// The number of a key that is there, in memory from now on.
    #[inline]
    pub(super) fn find(&mut self, key: Key<'_>) -> Option<u32> {
        self.states.keys.find(key).or_else(|| self.thaw(key))
    }

    /// The number of a key, given one if it has none.
    #[inline]
    pub(super) fn intern(&mut self, key: Key<'_>) -> u32 {
        self.find(key).unwrap_or_else(|| self.states.add(&self.plan, key))
    }

    /// Brings a key back from disk, if it is there.
    #[cold]
    fn thaw(&mut self, key: Key<'_>) -> Option<u32> {
        let depot = self.depot.as_mut().filter(|depot| depot.keys > 0)?;
        depot.name.clear();
        depot.value.clear();
        key.write_name(&mut depot.name);
        match depot.store.get(&depot.name, &mut depot.value) {
            Ok(true) => depot.keys -= 1,
            Ok(false) => return None,
            Err(fault) => {
                depot.fault = Some(fault);
                return None;
            }
        }
        let value = std::mem::take(&mut depot.value);
        let read = self.read_value(key, &value);
        let depot = self.depot.as_mut()?;
        let hash = entry_hash(PART, &depot.name, &value);
        depot.value = value;
        match read {
            Ok(id) => {
                self.states.keys.heads[id as usize].stored = true;
                *self.tracker.saved(id) = hash;
                Some(id)
            }
            Err(error) => {
                depot.fault = Some(Fault(format!("key `{}` came back damaged: {error}", key.text)));
                None
            }
        }
    }

    /// After each row: puts keys away while too much is in memory.
    #[inline]
    pub(super) fn settle(&mut self) {
        let Some(depot) = &mut self.depot else { return };
        depot.rows += 1;
        if depot.rows >= UPKEEP_ROWS {
            self.upkeep();
        }
        if self.is_full() {
            self.freeze_some();
        }
    }

    /// Whether no further key may stay in memory.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.depot.as_ref().is_some_and(|depot| {
            self.states.keys.len() > depot.memory.entries_min
                && self.states.used_bytes(&self.plan) > depot.memory.bytes_max
        })
    }

    #[cold]
    fn freeze_some(&mut self) {
        // The first round passes keys that were needed again, the second one takes them.
        for _ in 0..=2 * self.states.keys.heads.len() {
            if !self.is_full() || self.fault().is_some() {
                return;
            }
            let Some(depot) = &mut self.depot else { return };
            depot.hand = if depot.hand + 1 < self.states.keys.heads.len() { depot.hand + 1 } else { 0 };
            let id = depot.hand as u32;
            let head = &mut self.states.keys.heads[id as usize];
            if !head.live() || !head.is_idle() || head.text().len() > TEXT_BYTES_MAX {
                continue;
            }
            let horizon_us = self.clocks_us[head.group()].saturating_sub(self.plan.keep_us);
            if head.now_us <= horizon_us { self.forget(id) } else { self.freeze(id) }
        }
    }

    /// Puts a key away.
    fn freeze(&mut self, id: u32) {
        let Some(depot) = &mut self.depot else { return };
        let (mut name, mut value) = (std::mem::take(&mut depot.name), std::mem::take(&mut depot.value));
        self.write_entry(id, &mut name, &mut value);
        self.note_frozen(id, &name, &value);
        self.put_away(name, value);
        self.states.remove(&self.plan, id);
    }

    /// Puts an entry on disk that is not in memory, and keeps the two buffers.
    pub(super) fn put_away(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let Some(depot) = &mut self.depot else { return };
        if let Err(fault) = depot.store.put(&name, &value) {
            depot.fault = Some(fault);
        }
        depot.keys += 1;
        depot.oldest_us = depot.oldest_us.min(now_of(&value));
        (depot.name, depot.value) = (name, value);
    }

    /// Takes the older state away that a key has on disk; the key itself is in memory and about to be forgotten.
    pub(super) fn forget_stored(&mut self, id: u32) {
        let head = &self.states.keys.heads[id as usize];
        let Some(depot) = self.depot.as_mut().filter(|_| head.stored) else { return };
        depot.name.clear();
        head.write_name(&mut depot.name);
        if let Err(fault) = depot.store.remove(&depot.name) {
            depot.fault = Some(fault);
        }
    }
}
