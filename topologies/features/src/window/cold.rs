//! Keys on disk: when they go there, when they come back, and when they are forgotten there.
//!
//! A key goes as the bytes that snapshots have of it, once no row needed it for a whole round of the hand, and comes back
//! with its next row. The row with which it comes gives it no second chance, so keys that come once push nobody out. What
//! snapshots are still to get of a key they get before it goes, so a key on disk has no changes. The older state of a key
//! that came back stays there until the key goes again or is forgotten.

use flow::cold::{Cold, Fault, Memory};
use flow::snapshot::entry_hash;

use super::keys::group_of;
use super::limit::Share;
use super::snapshot::{now_of, read_name};
use super::track::{PART, Tracker};
use super::{Engine, Key};

/// Rows between two looks at the limit and at what has expired on disk.
const UPKEEP_ROWS: u32 = 512;
/// Keys looked at on disk in one go: more than rows can bring meanwhile.
const SWEPT_KEYS: usize = 1_024;
/// Longer keys stay in memory: stores have limits of their own.
const TEXT_BYTES_MAX: usize = 1_024;
/// Expired keys on disk are looked for once some may lie behind by this part of what is kept.
const SWEEP_LAG: i64 = 8;

/// What an engine knows of its keys on disk.
#[derive(Debug)]
pub(super) struct Depot {
    pub store: Box<dyn Cold>,
    /// Keys there that are not in memory.
    pub keys: usize,
    memory: Memory,
    /// Which head is looked at next for keys to put away.
    hand: usize,
    rows: u32,
    /// Nothing on disk is older than this.
    oldest_us: i64,
    round: Option<Round>,
    fault: Option<Fault>,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A round over all keys on disk.
#[derive(Debug)]
struct Round {
    after: Vec<u8>,
    oldest_us: i64,
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

    /// Asks for the limit again, and goes on looking for what has expired on disk.
    #[cold]
    fn upkeep(&mut self) {
        let newest_us = self.clocks_us.iter().copied().max().unwrap_or(i64::MIN);
        let behind_us = self.plan.keep_us.saturating_add(self.plan.keep_us / SWEEP_LAG);
        let Some(depot) = &mut self.depot else { return };
        depot.rows = 0;
        depot.memory = depot.store.memory();
        if depot.round.is_none() && depot.keys > 0 && depot.oldest_us <= newest_us.saturating_sub(behind_us) {
            depot.oldest_us = i64::MAX;
            depot.round = Some(Round { after: Vec::new(), oldest_us: i64::MAX });
        }
        if let Some(round) = depot.round.take()
            && let Err(fault) = self.go_round(round)
            && let Some(depot) = &mut self.depot
        {
            depot.fault = Some(fault);
        }
    }

    /// Forgets expired ones among the next keys on disk.
    fn go_round(&mut self, mut round: Round) -> Result<(), Fault> {
        let Engine { plan, states, clocks_us, tracker, quota, depot: Some(depot), .. } = self else { return Ok(()) };
        let (mut looked, mut expired) = (0, Vec::new());
        let (mut last, from) = (Vec::new(), std::mem::take(&mut round.after));
        depot.store.scan(&from, &mut |name, value| {
            looked += 1;
            let is_last = looked == SWEPT_KEYS;
            if is_last {
                last.extend_from_slice(name);
            }
            if let Ok((hash, text)) = read_name(name)
                && states.keys.find(Key { hash, text }).is_none()
            {
                let now_us = now_of(value);
                if now_us <= clocks_us[group_of(hash)].saturating_sub(plan.keep_us) {
                    let share = quota.as_ref().and_then(|_| Share::saved(plan, name, value));
                    expired.push((name.to_vec(), entry_hash(PART, name, value), share));
                } else {
                    round.oldest_us = round.oldest_us.min(now_us);
                }
            }
            !is_last
        })?;
        for (name, before, share) in expired {
            depot.take_away(&name, before, tracker)?;
            quota.iter_mut().for_each(|quota| quota.subtract(share));
        }
        if last.is_empty() {
            depot.oldest_us = depot.oldest_us.min(round.oldest_us);
        } else {
            depot.round = Some(Round { after: last, ..round });
        }
        Ok(())
    }

    /// Gives the entry of every key that is there: those in memory by number, then those on disk.
    pub(super) fn each_entry(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Fault> {
        let (mut name, mut value) = (Vec::new(), Vec::new());
        for (id, head) in self.states.keys.heads.iter().enumerate() {
            if head.live() {
                self.write_entry(id as u32, &mut name, &mut value);
                each(&name, &value);
            }
        }
        let Some(depot) = &self.depot else { return Ok(()) };
        depot.store.scan(&[], &mut |name, value| {
            let is_here = |(hash, text)| self.states.keys.find(Key { hash, text }).is_some();
            if !read_name(name).is_ok_and(is_here) {
                each(name, value);
            }
            true
        })
    }

    /// Forgets the keys of a group that are on disk; none of the group is in memory.
    pub(super) fn drop_stored(&mut self, group: usize) {
        let Engine { plan, tracker, quota, depot: Some(depot), .. } = self else { return };
        let mut names = Vec::new();
        let scanned = depot.store.scan(&[], &mut |name, value| {
            if read_name(name).is_ok_and(|(hash, _)| group_of(hash) == group) {
                names.push((name.to_vec(), entry_hash(PART, name, value), Share::saved(plan, name, value)));
            }
            true
        });
        depot.note(scanned);
        for (name, before, share) in names {
            let taken = depot.take_away(&name, before, tracker);
            depot.note(taken);
            quota.iter_mut().for_each(|quota| quota.subtract(share));
        }
    }
}
