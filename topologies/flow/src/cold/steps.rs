//! Entries by an id of fixed size on disk, each in a step of time with which it is forgotten.
//!
//! ```text
//! 0 id:16 bytes                 step:i64 value      an entry
//! 1 step:8 bytes id:16 bytes                        its place in its step
//! ```
//!
//! An entry that comes back into memory leaves its place behind. Whoever forgets the step sees that it is not there, or
//! that it is in another step by now.

use super::{Cold, Fault, Memory};
use std::collections::BTreeSet;

/// Changes between two looks at the limit.
const CHANGES_PER_LOOK: u32 = 512;
/// Places read in one go.
const PLACES: usize = 4_096;
/// What names of entries and of places begin with.
const ENTRY: u8 = 0;
const PLACE: u8 = 1;
/// Bytes of an id, and of a step.
const ID_BYTES: usize = 16;
const STEP_BYTES: usize = 8;

/// The entries of one table that are not in memory.
#[derive(Debug)]
pub struct Steps {
    store: Box<dyn Cold>,
    memory: Memory,
    changes: u32,
    len: usize,
    /// Steps in which something may have a place.
    steps: BTreeSet<i64>,
    fault: Option<Fault>,
    value: Vec<u8>,
}

impl Steps {
    /// A store that nobody has used.
    pub fn new(store: Box<dyn Cold>) -> Self {
        let (memory, steps, value) = (store.memory(), BTreeSet::new(), Vec::new());
        Steps { store, memory, changes: 0, len: 0, steps, fault: None, value }
    }

    /// Whether so many entries of so many bytes are too much for memory. To be asked after every change.
    #[inline]
    pub fn is_full(&mut self, entries: usize, bytes: usize) -> bool {
        self.changes += 1;
        if self.changes >= CHANGES_PER_LOOK {
            self.changes = 0;
            self.memory = self.store.memory();
        }
        entries > self.memory.entries_min && bytes > self.memory.bytes_max && self.fault.is_none()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What went wrong first. After that nothing this gives is right.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Remembers what went wrong.
    pub fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Puts an entry here that is not here.
    pub fn put(&mut self, id: u128, step: i64, value: &[u8]) {
        self.value.clear();
        self.value.extend_from_slice(&step.to_le_bytes());
        self.value.extend_from_slice(value);
        let put = self.store.put(&entry(id), &self.value).and_then(|()| self.store.put(&place(step, id), &[]));
        self.steps.insert(step);
        self.len += 1;
        self.check(put);
    }

    /// The step of an entry, if it is here; its value is appended.
    #[inline]
    pub fn get(&mut self, id: u128, value: &mut Vec<u8>) -> Option<i64> {
        if self.is_empty() { None } else { self.find(id, value) }
    }

    /// Whether an entry is here.
    #[inline]
    pub fn has(&mut self, id: u128) -> bool {
        self.get(id, &mut Vec::new()).is_some()
    }

    fn find(&mut self, id: u128, value: &mut Vec<u8>) -> Option<i64> {
        self.value.clear();
        let found = self.store.get(&entry(id), &mut self.value);
        if !self.check(found)? {
            return None;
        }
        let Some((step, rest)) = self.value.split_first_chunk() else {
            self.note(Fault("an entry came back without its step".to_owned()));
            return None;
        };
        value.extend_from_slice(rest);
        Some(i64::from_le_bytes(*step))
    }

    /// The same, and takes it away.
    #[inline]
    pub fn take(&mut self, id: u128, value: &mut Vec<u8>) -> Option<i64> {
        let step = self.get(id, value)?;
        self.remove(id);
        Some(step)
    }

    fn remove(&mut self, id: u128) {
        let removed = self.store.remove(&entry(id));
        self.check(removed);
        self.len -= 1;
    }

    /// The first step in which something may be.
    pub fn first(&self) -> Option<i64> {
        self.steps.first().copied()
    }

    /// Forgets a step, and tells which entries went with it.
    pub fn forget(&mut self, step: i64, mut each: impl FnMut(u128, &[u8])) {
        self.steps.remove(&step);
        let (mut after, mut value) = (prefix(step).to_vec(), Vec::new());
        loop {
            let mut ids = Vec::new();
            let scanned = self.store.scan(&after, &mut |name, _| {
                ids.extend(id_at(name, step));
                id_at(name, step).is_some() && ids.len() < PLACES
            });
            let Some(last) = ids.last().filter(|_| scanned.is_ok()) else {
                self.check(scanned);
                return;
            };
            after = place(step, *last).to_vec();
            for id in ids {
                let removed = self.store.remove(&place(step, id));
                self.check(removed);
                value.clear();
                if self.get(id, &mut value) == Some(step) {
                    self.remove(id);
                    each(id, &value);
                }
            }
        }
    }

    /// Gives all entries: id, step and value.
    pub fn each(&self, mut each: impl FnMut(u128, i64, &[u8])) -> Result<(), Fault> {
        self.store.scan(&[], &mut |name, value| {
            let id = name.strip_prefix(&[ENTRY]).and_then(|id| id.try_into().ok());
            let (Some(id), Some((step, value))) = (id, value.split_first_chunk()) else { return false };
            each(u128::from_le_bytes(id), i64::from_le_bytes(*step), value);
            true
        })
    }

    fn check<T>(&mut self, done: Result<T, Fault>) -> Option<T> {
        done.map_err(|fault| self.note(fault)).ok()
    }
}

fn entry(id: u128) -> [u8; 1 + ID_BYTES] {
    let mut name = [ENTRY; 1 + ID_BYTES];
    name[1..].copy_from_slice(&id.to_le_bytes());
    name
}

fn prefix(step: i64) -> [u8; 1 + STEP_BYTES] {
    let mut name = [PLACE; 1 + STEP_BYTES];
    name[1..].copy_from_slice(&step.to_be_bytes());
    name
}

fn place(step: i64, id: u128) -> [u8; 1 + STEP_BYTES + ID_BYTES] {
    let mut name = [PLACE; 1 + STEP_BYTES + ID_BYTES];
    name[..=STEP_BYTES].copy_from_slice(&prefix(step));
    name[1 + STEP_BYTES..].copy_from_slice(&id.to_le_bytes());
    name
}

/// The id that has its place here, if this is a place in the step.
fn id_at(name: &[u8], step: i64) -> Option<u128> {
    let id = name.strip_prefix(&prefix(step))?;
    Some(u128::from_le_bytes(id.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Shelf;
    use super::*;

    fn steps(shelf: &Shelf) -> Steps {
        Steps::new(Box::new(shelf.clone()))
    }

    #[test]
    fn entries_come_back_and_go_with_the_step_they_are_in_last() {
        let shelf = Shelf::new(Memory { bytes_max: 100, entries_min: 2 });
        let mut steps = steps(&shelf);
        let mut value = Vec::new();
        assert_eq!((steps.first(), steps.get(1, &mut value)), (None, None));
        for id in 0..10_000 {
            steps.put(id, if id % 2 == 0 { -3 } else { 5 }, &[id as u8]);
        }
        assert_eq!((steps.len(), steps.first()), (10_000, Some(-3)));
        assert_eq!((steps.get(7, &mut value), value.as_slice()), (Some(5), &[7][..]));
        value.clear();
        // One moves to another step, and one is in memory when its step is forgotten.
        assert_eq!((steps.take(4, &mut value), steps.take(6, &mut value)), (Some(-3), Some(-3)));
        assert_eq!((steps.get(6, &mut value), value.as_slice()), (None, &[4, 6][..]));
        steps.put(4, 5, b"moved");
        let mut gone = 0;
        steps.forget(-3, |id, value| {
            assert_eq!(value, [id as u8]);
            gone += 1;
        });
        assert_eq!((gone, steps.len(), steps.first()), (4_998, 5_001, Some(5)));
        let mut all = 0;
        steps
            .each(|id, step, value| {
                let own = [id as u8];
                assert_eq!((step, value), (5, if id == 4 { &b"moved"[..] } else { &own[..] }));
                all += 1;
            })
            .unwrap();
        steps.forget(5, |_, _| gone += 1);
        assert_eq!((all, gone, steps.len(), steps.first(), shelf.len()), (5_001, 9_999, 0, None, 0));
        assert_eq!(steps.fault(), None);
    }

    #[test]
    fn memory_is_full_when_both_say_so_and_never_after_a_fault() {
        let shelf = Shelf::new(Memory { bytes_max: 100, entries_min: 2 }).with_room(3);
        let mut steps = steps(&shelf);
        assert_eq!(
            [(2, 101), (3, 100), (3, 101)].map(|(entries, bytes)| steps.is_full(entries, bytes)),
            [false, false, true]
        );
        steps.put(1, 0, b"");
        steps.put(2, 0, b"");
        assert_eq!(steps.fault(), Some(&Fault("no space is left".to_owned())));
        assert!(!steps.is_full(3, 101));
    }
}
