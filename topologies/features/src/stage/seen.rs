//! Event ids already applied, within an event-time horizon. What is remembered depends on the applied events alone.

use flow::snapshot::{Changes, Entry, Error, Notes, entry_hash};
use hashbrown::HashMap;
use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_128;

/// The horizon is kept in this many slices; an id is forgotten with its slice.
const SLICES: i64 = 64;

/// Number of the ids' part among the entries of a task.
pub const PART: u8 = 2;

/// Ids by their 128-bit hash. Two ids in a billion collide with a chance below 1e-20.
#[derive(Debug)]
pub struct Seen {
    slice_us: i64,
    newest: i64,
    ids: HashMap<u128, i64>,
    slices: VecDeque<(i64, Vec<u128>)>,
    notes: Notes,
}

impl Seen {
    /// Remembers ids for at least `horizon_us` of event time.
    pub fn new(horizon_us: i64) -> Self {
        let slice_us = (horizon_us / SLICES).max(1);
        let (ids, slices, notes) = (HashMap::new(), VecDeque::new(), Notes::default());
        Seen { slice_us, newest: i64::MIN, ids, slices, notes }
    }

    /// Whether the id was seen within the horizon; it is remembered either way.
    pub fn repeats(&mut self, id: &str, time_us: i64) -> bool {
        let slice = time_us.div_euclid(self.slice_us);
        if slice > self.newest {
            self.newest = slice;
            self.forget();
        }
        let hash = xxh3_128(id.as_bytes());
        if self.ids.contains_key(&hash) {
            return true;
        }
        self.insert(hash, slice);
        if self.notes.on() {
            note(&mut self.notes, hash, slice, true);
        }
        false
    }

    fn insert(&mut self, hash: u128, slice: i64) {
        self.ids.insert(hash, slice);
        match self.slices.binary_search_by_key(&slice, |(at, _)| *at) {
            Ok(at) => self.slices[at].1.push(hash),
            Err(at) => self.slices.insert(at, (slice, vec![hash])),
        }
    }

    fn forget(&mut self) {
        let oldest = self.newest.saturating_sub(SLICES + 1);
        while self.slices.front().is_some_and(|(slice, _)| *slice < oldest) {
            let Some((slice, hashes)) = self.slices.pop_front() else { return };
            for hash in hashes {
                self.ids.remove(&hash);
                if self.notes.on() {
                    note(&mut self.notes, hash, slice, false);
                }
            }
        }
    }

    /// The newest slice, which says what is forgotten.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// Takes up the saved newest slice.
    pub fn set_newest(&mut self, newest: i64) {
        self.newest = newest;
    }

    /// From now on takes note of what changes.
    pub fn track(&mut self) {
        self.notes.track();
    }

    /// Bytes of changes since the last cut.
    pub fn noted_bytes(&self) -> usize {
        self.notes.bytes()
    }

    /// The changes since the last cut.
    pub fn cut(&mut self) -> Changes {
        self.notes.cut();
        self.notes.take()
    }

    /// Takes an id in that is not there.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let damaged = |detail: &str| Error::Entry { part: PART, detail: detail.to_owned() };
        let hash = key.try_into().map(u128::from_le_bytes).map_err(|_| damaged("its key has not 16 bytes"))?;
        let slice = value.try_into().map(i64::from_le_bytes).map_err(|_| damaged("its value has not 8 bytes"))?;
        if self.ids.contains_key(&hash) {
            return Err(damaged("the id is there already"));
        }
        self.insert(hash, slice);
        self.notes.loaded(entry_hash(PART, key, value));
        Ok(())
    }

    /// Sum of the hashes of all entries.
    pub fn hash(&self) -> u128 {
        let entries = self.ids.iter();
        let hashes = entries.map(|(hash, slice)| entry_hash(PART, &hash.to_le_bytes(), &slice.to_le_bytes()));
        hashes.fold(0, |sum, hash| sum.wrapping_add(u128::from(hash)))
    }
}

/// Notes an id that came or went.
fn note(notes: &mut Notes, hash: u128, slice: i64, came: bool) {
    let (key, value) = (hash.to_le_bytes(), slice.to_le_bytes());
    let before = if came { 0 } else { entry_hash(PART, &key, &value) };
    notes.note(&Entry { part: PART, key: &key, value: came.then_some(&value[..]) }, before);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_repeats_within_the_horizon_only() {
        let mut seen = Seen::new(6_400);
        assert!(!seen.repeats("a", 0));
        assert!(seen.repeats("a", 6_000));
        assert!(!seen.repeats("b", 20_000));
        assert!(!seen.repeats("a", 20_000));
        assert!(seen.repeats("b", 13_000));
    }
}
