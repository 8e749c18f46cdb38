//! What the journal remembers of each event id, and when it forgets.
//!
//! Most ids are done: event and label were there, and only copies are still to be recognised. So an id takes 40 bytes
//! and a place in the hash table, and what waits for its counterpart lies apart and gives its place back.

use crate::pairing::Known;
use crate::slab::Slab;
use hashbrown::HashTable;
use std::collections::BTreeMap;

/// Entries are forgotten in as many steps per horizon.
const STEPS_PER_HORIZON: i64 = 64;
/// Place of an entry that waits for nothing.
const DONE: u32 = u32::MAX;

/// An id.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: [u64; 2],
    time_us: i64,
    fingerprint: u64,
    /// Where the parts lie that wait, or [`DONE`].
    waiting: u32,
}

/// The hash stands beside the number, so that growing the table need not look at the entries.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    entry: u32,
}

impl Slot {
    /// Ids are hashes already; the table wants 64 bits that all depend on the 32 kept.
    fn hash(self) -> u64 {
        spread(self.hash)
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn parts(id: u128) -> [u64; 2] {
    [id as u64, (id >> 64) as u64]
}

/// All ids within the horizon.
#[derive(Debug)]
pub(crate) struct Table {
    index: HashTable<Slot>,
    entries: Slab<Entry>,
    waiting: Slab<Known>,
    by_step: BTreeMap<i64, Vec<u32>>,
    horizon_us: i64,
    step_us: i64,
}

impl Table {
    /// An empty table whose entries stay until the watermark is a horizon past them.
    pub(crate) fn new(horizon_us: i64) -> Self {
        let step_us = (horizon_us / STEPS_PER_HORIZON).max(1);
        Table {
            index: HashTable::new(),
            entries: Slab::default(),
            waiting: Slab::default(),
            by_step: BTreeMap::new(),
            horizon_us,
            step_us,
        }
    }

    /// Replaces what is known of an id by what `meet` makes of it.
    pub(crate) fn update<R>(&mut self, id: u128, meet: impl FnOnce(Option<Known>) -> (Known, R)) -> R {
        let (id, hash) = (parts(id), id as u32);
        let entries = &self.entries;
        let found = self.index.find(spread(hash), |slot| entries[slot.entry].id == id).map(|slot| slot.entry);
        let (at, before, (known, result)) = match found {
            Some(at) => {
                let known = self.take(at);
                (at, Some(known.time_us()), meet(Some(known)))
            }
            None => {
                let at = self.entries.insert(Entry { id, time_us: 0, fingerprint: 0, waiting: DONE });
                self.index.insert_unique(spread(hash), Slot { hash, entry: at }, |slot| slot.hash());
                (at, None, meet(None))
            }
        };
        let step = known.time_us().div_euclid(self.step_us);
        if before.is_none_or(|before| before.div_euclid(self.step_us) < step) {
            self.by_step.entry(step).or_default().push(at);
        }
        self.put(at, known);
        result
    }

    /// What is known of an entry; whatever of it waited has given up its place.
    fn take(&mut self, at: u32) -> Known {
        let Entry { time_us, fingerprint, waiting, .. } = self.entries[at];
        let done = Known::Done { time_us, fingerprint };
        if waiting == DONE {
            return done;
        }
        self.waiting.release(waiting);
        std::mem::replace(&mut self.waiting[waiting], done)
    }

    fn put(&mut self, at: u32, known: Known) {
        let entry = &mut self.entries[at];
        entry.time_us = known.time_us();
        entry.waiting = match known {
            Known::Done { fingerprint, .. } => {
                entry.fingerprint = fingerprint;
                DONE
            }
            waits => self.waiting.insert(waits),
        };
    }

    /// Forgets what lies a horizon behind the watermark; gives the number of input items that waited in vain.
    pub(crate) fn forget(&mut self, watermark_us: i64) -> u64 {
        let mut vain = 0;
        while let Some(first) = self.by_step.first_entry() {
            let step = *first.key();
            let end_us = step.saturating_add(1).saturating_mul(self.step_us);
            if end_us.saturating_add(self.horizon_us) > watermark_us {
                break;
            }
            for at in first.remove() {
                // An id may have been kept longer since; it then stands in a later step, too.
                if self.entries[at].time_us.div_euclid(self.step_us) <= step {
                    vain += self.take(at).waiting();
                    self.remove(at);
                }
            }
        }
        vain
    }

    fn remove(&mut self, at: u32) {
        let hash = self.entries[at].id[0] as u32;
        if let Ok(slot) = self.index.find_entry(spread(hash), |slot| slot.entry == at) {
            slot.remove();
        }
        // Its number may still stand in a later step.
        self.entries[at].time_us = i64::MAX;
        self.entries.release(at);
    }

    /// How many ids are known.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}
