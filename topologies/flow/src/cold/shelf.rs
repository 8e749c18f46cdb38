//! A store that is in memory after all: for tests, which have no disk, or one that is full.

use super::{Cold, Fault, Memory};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Entries by key. Clones share them.
#[derive(Debug, Clone)]
pub struct Shelf {
    entries: Arc<Mutex<Entries>>,
    memory: Memory,
    room: usize,
}

impl Shelf {
    /// A store for a task that may keep this much in memory.
    pub fn new(memory: Memory) -> Shelf {
        Shelf { entries: Arc::default(), memory, room: usize::MAX }
    }

    /// The same, which is full with so many entries.
    pub fn with_room(self, room: usize) -> Shelf {
        Shelf { room, ..self }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cold for Shelf {
    fn memory(&self) -> Memory {
        self.memory
    }

    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Fault> {
        let entries = self.entries();
        let found = entries.get(key);
        found.into_iter().for_each(|found| value.extend_from_slice(found));
        Ok(found.is_some())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let mut entries = self.entries();
        if entries.len() >= self.room {
            return Err(Fault("no space is left".to_owned()));
        }
        entries.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<(), Fault> {
        self.entries().remove(key);
        Ok(())
    }

    fn scan(&self, after: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), Fault> {
        for (key, value) in self.entries().range::<[u8], _>((Excluded(after), Unbounded)) {
            if !each(key, value) {
                break;
            }
        }
        Ok(())
    }
}
