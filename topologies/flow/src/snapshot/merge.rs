//! Changes of many cuts put together: the entries that are there at the end.

use super::{Changes, Damaged, Entry, Error, State, entries, entry_hash};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Entries by part and key. The same changes in the same order give the same order of entries.
#[derive(Debug, Default)]
pub struct Merged<'a> {
    entries: HashMap<(u8, &'a [u8]), &'a [u8], BuildHasherDefault<Quick>>,
}

impl<'a> Merged<'a> {
    /// Applies the changes of a later cut.
    pub fn add(&mut self, bytes: &'a [u8]) -> Result<(), Damaged> {
        for entry in entries(bytes) {
            let Entry { part, key, value } = entry?;
            match value {
                Some(value) => self.entries.insert((part, key), value),
                None => self.entries.remove(&(part, key)),
            };
        }
        Ok(())
    }

    /// The entries there are.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'a>> {
        self.entries.iter().map(|((part, key), value)| Entry { part: *part, key, value: Some(value) })
    }

    /// Whether the entries are those that were cut; their sum says it.
    pub fn verify(&self, expected: u128) -> Result<(), Error> {
        let hashes = self.entries.iter().map(|((part, key), value)| entry_hash(*part, key, value));
        let found = hashes.fold(0_u128, |sum, hash| sum.wrapping_add(u128::from(hash)));
        if found == expected { Ok(()) } else { Err(Error::Sum { found, expected }) }
    }

    /// The same entries as one change of nothing.
    pub fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        self.iter().for_each(|entry| changes.push(&entry));
        changes
    }

    /// Hands entries and blob to a task that has handled nothing; gives the offset to read from.
    pub fn restore(&self, blob: &str, state: &mut dyn State) -> Result<i64, Error> {
        self.iter().try_for_each(|entry| state.load(&entry))?;
        state.resume(blob)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// XXH3 over all that is written.
#[derive(Debug, Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
