//! What the journal remembers of each event id, and when it forgets.
//!
//! Most ids are done: event and label were there, and only copies are still to be recognised. So an id takes 48 bytes
//! and a place in the hash table, and what waits for its counterpart or for a correction lies apart and gives its place
//! back.
//!
//! An id is forgotten with the step of the time that it is remembered by, which says all about it: so a table put together
//! from its entries forgets like the one that they came from. Where memory has a limit, the oldest ids go to disk as the
//! entries that snapshots have, and come back when they are met again.

use crate::entry::{PART, Packed};
use crate::pairing::Known;
use crate::slab::Slab;
use flow::cold::{Cold, Fault, Steps};
use flow::snapshot::{Entry as Saved, Error, Notes, entry_hash};
use hashbrown::HashTable;
use std::collections::{BTreeMap, VecDeque};

/// Entries are forgotten in as many steps per horizon, none of which must take long.
const STEPS_PER_HORIZON: i64 = 1_024;
/// Place of an entry that waits for nothing.
const DONE: u32 = u32::MAX;
/// What an id takes beside what waits: its entry, its places in the hash table (which has free ones) and in its step.
pub(crate) const ENTRY_BYTES: usize = size_of::<Entry>() + 2 * size_of::<Slot>() + 2 * size_of::<u32>();

/// An id.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: [u64; 2],
    time_us: i64,
    fingerprint: u64,
    /// The label's value, where nothing waits.
    value: f64,
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
    /// What the parts take that wait.
    waiting_bytes: usize,
    by_step: BTreeMap<i64, VecDeque<u32>>,
    cold: Option<Steps>,
    horizon_us: i64,
    step_us: i64,
    notes: Notes,
    packed: [Packed; 2],
    /// One more than the greatest number of a route in entries that were loaded.
    routes: usize,
}

impl Table {
    /// An empty table whose entries stay until the watermark is a horizon past them.
    pub(crate) fn new(horizon_us: i64) -> Self {
        let step_us = (horizon_us / STEPS_PER_HORIZON).max(1);
        Table {
            index: HashTable::new(),
            entries: Slab::default(),
            waiting: Slab::default(),
            waiting_bytes: 0,
            by_step: BTreeMap::new(),
            cold: None,
            horizon_us,
            step_us,
            notes: Notes::default(),
            packed: Default::default(),
            routes: 0,
        }
    }

    /// From now on puts the oldest ids away, as the store's limit says.
    pub(crate) fn spill(&mut self, store: Box<dyn Cold>) {
        self.cold = Some(Steps::new(store));
    }

    /// What went wrong with the store. After that nothing the table gives is right.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.cold.as_ref().and_then(Steps::fault)
    }

    /// Replaces what is known of an id by what `meet` makes of it.
    pub(crate) fn update<R>(&mut self, id: u128, meet: impl FnOnce(Option<Known>) -> (Known, R)) -> R {
        let found = self.find(parts(id)).or_else(|| self.thaw(id));
        let id = parts(id);
        self.packed[0].clear();
        let (at, before, (known, result)) = match found {
            Some(at) => {
                let known = self.take(at);
                if self.notes.on() {
                    self.packed[0].pack(&known);
                }
                (at, Some(known.time_us()), meet(Some(known)))
            }
            None => (self.add(id), None, meet(None)),
        };
        if self.notes.on() {
            self.packed[1].pack(&known);
            self.note(id);
        }
        self.remember(at, before, known);
        self.settle();
        result
    }

    /// The number of an id that is in memory.
    fn find(&self, id: [u64; 2]) -> Option<u32> {
        let is = |slot: &Slot| self.entries[slot.entry].id == id;
        self.index.find(spread(id[0] as u32), is).map(|slot| slot.entry)
    }

    /// Brings an id back from disk, if it is there.
    fn thaw(&mut self, id: u128) -> Option<u32> {
        let (cold, mut value) = (self.cold.as_mut()?, Vec::new());
        cold.take(id, &mut value)?;
        let Some(known) = crate::entry::unpack(&value) else {
            cold.note(Fault("an id of the journal came back damaged".to_owned()));
            return None;
        };
        let at = self.add(parts(id));
        self.remember(at, None, known);
        Some(at)
    }

    /// Puts the oldest ids away while there is too much in memory.
    fn settle(&mut self) {
        while self.is_full() {
            let Some(mut first) = self.by_step.first_entry() else { return };
            let step = *first.key();
            match first.get_mut().pop_front() {
                Some(at) if self.entries[at].time_us.div_euclid(self.step_us) == step => self.freeze(at, step),
                // Its time has changed, or its number is that of another id by now.
                Some(_) => {}
                None => drop(first.remove()),
            }
        }
    }

    fn is_full(&mut self) -> bool {
        let (ids, waiting_bytes) = (self.index.len(), self.waiting_bytes);
        self.cold.as_mut().is_some_and(|cold| cold.is_full(ids, ids * ENTRY_BYTES + waiting_bytes))
    }

    fn freeze(&mut self, at: u32, step: i64) {
        let known = self.take(at);
        self.packed[0].pack(&known);
        let [low, high] = self.entries[at].id;
        if let (Some(cold), Some(value)) = (&mut self.cold, self.packed[0].bytes()) {
            cold.put(u128::from(low) | u128::from(high) << 64, step, value);
        }
        self.remove(at);
    }

    fn add(&mut self, id: [u64; 2]) -> u32 {
        let hash = id[0] as u32;
        let at = self.entries.insert(Entry { id, time_us: 0, fingerprint: 0, value: 0.0, waiting: DONE });
        self.index.insert_unique(spread(hash), Slot { hash, entry: at }, |slot| slot.hash());
        at
    }

    /// Puts what is known into its place, and into the step with which it is forgotten.
    fn remember(&mut self, at: u32, before: Option<i64>, known: Known) {
        let step = known.time_us().div_euclid(self.step_us);
        if before.is_none_or(|before| before.div_euclid(self.step_us) != step) {
            self.by_step.entry(step).or_default().push_back(at);
        }
        self.put(at, known);
    }

    /// Notes how an entry went from the first of the packed forms to the second.
    fn note(&mut self, id: [u64; 2]) {
        let [old, new] = self.packed.each_ref().map(Packed::bytes);
        if old == new {
            return;
        }
        let key = key(id);
        let before = old.map_or(0, |old| entry_hash(PART, &key, old));
        self.notes.note(&Saved { part: PART, key: &key, value: new }, before);
    }

    /// What is known of an entry; whatever of it waited has given up its place.
    fn take(&mut self, at: u32) -> Known {
        let Entry { time_us, fingerprint, value, waiting, .. } = self.entries[at];
        let done = Known::Done { time_us, fingerprint, value };
        if waiting == DONE {
            return done;
        }
        self.waiting.release(waiting);
        let known = std::mem::replace(&mut self.waiting[waiting], done);
        self.waiting_bytes -= known.bytes();
        known
    }

    fn put(&mut self, at: u32, known: Known) {
        let entry = &mut self.entries[at];
        entry.time_us = known.time_us();
        entry.waiting = match known {
            Known::Done { fingerprint, value, .. } => {
                (entry.fingerprint, entry.value) = (fingerprint, value);
                DONE
            }
            waits => {
                self.waiting_bytes += waits.bytes();
                self.waiting.insert(waits)
            }
        };
    }

    /// Forgets what lies a horizon behind the watermark, and tells of each id what was known. Their order says nothing: it
    /// depends on what is in memory.
    pub(crate) fn forget(&mut self, watermark_us: i64, mut tell: impl FnMut(&Known)) {
        while let Some(step) = self.first_step() {
            let end_us = step.saturating_add(1).saturating_mul(self.step_us);
            if end_us.saturating_add(self.horizon_us) > watermark_us {
                break;
            }
            for at in self.by_step.remove(&step).into_iter().flatten() {
                // An id whose time has changed stands in two steps, and what it was is gone from the earlier one.
                if self.entries[at].time_us.div_euclid(self.step_us) <= step {
                    let known = self.take(at);
                    tell(&known);
                    if self.notes.on() {
                        self.packed[0].pack(&known);
                        self.packed[1].clear();
                        self.note(self.entries[at].id);
                    }
                    self.remove(at);
                }
            }
            let Table { cold: Some(cold), notes, .. } = self else {
                continue;
            };
            cold.forget(step, |id, value| {
                crate::entry::unpack(value).iter().for_each(&mut tell);
                if notes.on() {
                    let key = id.to_le_bytes();
                    notes.note(&Saved { part: PART, key: &key, value: None }, entry_hash(PART, &key, value));
                }
            });
        }
    }

    /// The first step that something may be in.
    fn first_step(&self) -> Option<i64> {
        let here = self.by_step.first_key_value().map(|(step, _)| *step);
        here.into_iter().chain(self.cold.as_ref().and_then(Steps::first)).min()
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
        self.index.len() + self.cold.as_ref().map_or(0, Steps::len)
    }

    /// How many routes the loaded entries name.
    pub(crate) fn routes(&self) -> usize {
        self.routes
    }

    /// Bytes of changes since the last cut.
    pub(crate) fn noted_bytes(&self) -> usize {
        self.notes.bytes()
    }

    /// Where changes are noted.
    pub(crate) fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    /// Takes a saved entry in.
    pub(crate) fn load(&mut self, entry: &Saved<'_>) -> Result<(), Error> {
        let damaged = |detail: &str| Error::Entry { part: PART, detail: detail.to_owned() };
        let (Some(value), PART) = (entry.value, entry.part) else {
            return Err(damaged("it is none of the journal's"));
        };
        let id = entry.key.try_into().map(u128::from_le_bytes).map_err(|_| damaged("its key has not 16 bytes"))?;
        let known = crate::entry::unpack(value).ok_or_else(|| damaged("its value is none of the journal's"))?;
        let id = parts(id);
        if self.find(id).is_some() {
            return Err(damaged("the id is there already"));
        }
        self.routes = self.routes.max(known.prediction().map_or(0, |prediction| prediction.route as usize + 1));
        let at = self.add(id);
        self.remember(at, None, known);
        self.notes.loaded(entry_hash(PART, entry.key, value));
        self.settle();
        self.fault().map_or(Ok(()), |fault| Err(fault.clone().into()))
    }

    /// Sum of the hashes of all entries.
    pub(crate) fn hash(&self) -> u128 {
        let (mut packed, mut sum) = (Packed::default(), 0_u128);
        for slot in &self.index {
            let Entry { id, time_us, fingerprint, value, waiting } = self.entries[slot.entry];
            if waiting == DONE {
                packed.pack(&Known::Done { time_us, fingerprint, value });
            } else {
                packed.pack(&self.waiting[waiting]);
            }
            let hash = entry_hash(PART, &key(id), packed.bytes().unwrap_or_default());
            sum = sum.wrapping_add(u128::from(hash));
        }
        let walked = self.cold.as_ref().map_or(Ok(()), |cold| {
            cold.each(|id, _, value| {
                sum = sum.wrapping_add(u128::from(entry_hash(PART, &id.to_le_bytes(), value)));
            })
        });
        // What cannot be read is missing in the sum, which then equals no other.
        debug_assert!(walked.is_ok(), "{walked:?}");
        sum
    }
}

/// The id's hash as its entry's key.
fn key(id: [u64; 2]) -> [u8; 16] {
    (u128::from(id[0]) | u128::from(id[1]) << 64).to_le_bytes()
}
