//! Event ids already applied, within an event-time horizon. What is remembered depends on the applied events alone. Where
//! memory has a limit, the oldest ids are on disk.

use flow::cold::{Cold, Fault, Steps};
use flow::snapshot::{Changes, Entry, Error, Notes, entry_hash};
use hashbrown::HashMap;
use schemas::key::grouped_id;
use std::collections::VecDeque;

/// The horizon is kept in this many slices; an id is forgotten with its slice, which must not take long.
const SLICES: i64 = 1_024;
/// What an id takes: its place in the table, which has free ones, and in its slice.
const ID_BYTES: usize = 2 * size_of::<(u128, i64)>() + size_of::<u128>();

/// Number of the ids' part among the entries of a task.
pub const PART: u8 = 2;

/// Ids by key group and hash, 128 bits together. Two ids in a billion collide with a chance below 1e-17.
#[derive(Debug)]
pub struct Seen {
    slice_us: i64,
    newest: i64,
    ids: HashMap<u128, i64>,
    slices: VecDeque<(i64, VecDeque<u128>)>,
    notes: Notes,
    cold: Option<Steps>,
}

impl Seen {
    /// Remembers ids for at least `horizon_us` of event time.
    pub fn new(horizon_us: i64) -> Self {
        let slice_us = (horizon_us / SLICES).max(1);
        let (ids, slices, notes) = (HashMap::new(), VecDeque::new(), Notes::default());
        Seen { slice_us, newest: i64::MIN, ids, slices, notes, cold: None }
    }

    /// From now on puts the oldest ids away, as the store's limit says.
    pub fn spill(&mut self, store: Box<dyn Cold>) {
        self.cold = Some(Steps::new(store));
    }

    /// What went wrong with the store. After that no answer is right.
    pub fn fault(&self) -> Option<&Fault> {
        self.cold.as_ref().and_then(Steps::fault)
    }

    /// Whether the id was seen within the horizon among those of its key group; it is remembered either way.
    pub fn repeats(&mut self, group: u32, id: &str, time_us: i64) -> bool {
        let slice = time_us.div_euclid(self.slice_us);
        if slice > self.newest {
            self.newest = slice;
            self.forget();
        }
        let hash = grouped_id(id, group);
        if self.ids.contains_key(&hash) || self.cold.as_mut().is_some_and(|cold| cold.has(hash)) {
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
            Ok(at) => self.slices[at].1.push_back(hash),
            Err(at) => self.slices.insert(at, (slice, VecDeque::from([hash]))),
        }
        self.settle();
    }

    /// Puts the oldest ids away while there are too many in memory.
    fn settle(&mut self) {
        let Some(cold) = &mut self.cold else { return };
        while cold.is_full(self.ids.len(), self.ids.len() * ID_BYTES) {
            let Some((slice, hashes)) = self.slices.front_mut() else { return };
            match hashes.pop_front() {
                Some(hash) => {
                    self.ids.remove(&hash);
                    cold.put(hash, *slice, &[]);
                }
                None => drop(self.slices.pop_front()),
            }
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
        let Some(cold) = &mut self.cold else { return };
        while let Some(slice) = cold.first().filter(|slice| *slice < oldest) {
            cold.forget(slice, |hash, _| {
                if self.notes.on() {
                    note(&mut self.notes, hash, slice, false);
                }
            });
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
        self.fault().map_or(Ok(()), |fault| Err(fault.clone().into()))
    }

    /// Sum of the hashes of all entries.
    pub fn hash(&self) -> u128 {
        let hash = |hash: u128, slice: i64| entry_hash(PART, &hash.to_le_bytes(), &slice.to_le_bytes());
        let here = self.ids.iter().map(|(id, slice)| u128::from(hash(*id, *slice)));
        let mut sum = here.fold(0_u128, u128::wrapping_add);
        let walked = self
            .cold
            .as_ref()
            .map_or(Ok(()), |cold| cold.each(|id, slice, _| sum = sum.wrapping_add(u128::from(hash(id, slice)))));
        // What cannot be read is missing in the sum, which then equals no other.
        debug_assert!(walked.is_ok(), "{walked:?}");
        sum
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
    use flow::cold::{Memory, Shelf};
    use flow::snapshot::sorted;

    #[test]
    fn an_id_repeats_within_the_horizon_only() {
        let mut seen = Seen::new(6_400);
        assert!(!seen.repeats(7, "a", 0));
        assert!(seen.repeats(7, "a", 6_000));
        assert!(!seen.repeats(7, "b", 20_000));
        assert!(!seen.repeats(7, "a", 20_000));
        assert!(seen.repeats(7, "b", 13_000));
        assert!(!seen.repeats(8, "b", 13_000));
    }

    #[test]
    fn ids_on_disk_are_known_and_forgotten_like_those_in_memory() {
        let shelf = Shelf::new(Memory { bytes_max: 0, entries_min: 5 });
        let (mut plain, mut spilling) = (Seen::new(10_240), Seen::new(10_240));
        spilling.spill(Box::new(shelf.clone()));
        plain.track();
        spilling.track();
        for number in 0..6_000_i64 {
            // Times go back and forth; some ids come again, near or far.
            let (id, time_us) = ((number * 7_919 % 4_001).to_string(), number * 10 + number * 31 % 400);
            assert_eq!(spilling.repeats(7, &id, time_us), plain.repeats(7, &id, time_us), "row {number}");
            assert!(spilling.ids.len() <= 6);
            if number % 500 == 0 {
                assert_eq!(spilling.hash(), plain.hash());
                assert_eq!(spilling.cut().sum, plain.cut().sum);
            }
        }
        assert!(shelf.len() < 2_500, "{} names on disk, two for each id", shelf.len());
        let changes = sorted_entries(&mut plain);
        assert_eq!(sorted_entries(&mut spilling), changes);
        assert_eq!(spilling.fault(), None);
    }

    /// The changes since the last cut, by key.
    fn sorted_entries(seen: &mut Seen) -> Vec<u8> {
        let mut changes = Changes::default();
        sorted(&seen.cut().bytes).unwrap().iter().for_each(|entry| changes.push(entry));
        changes.bytes
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut seen = Seen::new(1_000);
        seen.spill(Box::new(Shelf::new(Memory { bytes_max: 0, entries_min: 1 }).with_room(4)));
        for id in ["a", "b", "c"] {
            assert!(!seen.repeats(7, id, 0));
            assert_eq!(seen.fault(), None);
        }
        seen.repeats(7, "d", 0);
        assert!(seen.fault().is_some());
    }
}
