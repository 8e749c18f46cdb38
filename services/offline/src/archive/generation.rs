//! Generations: which files hold the rows of a partition once small ones were merged.
//!
//! A generation names files that tile the partition from its start to the generation's end; what the archiver wrote from
//! there on belongs to it by its place. It is created once under the next number, and whoever creates it has decided:
//! from then on readers see its files in place of those before. The newest one is never deleted.

use registry::store::{self, Store};
use serde::{Deserialize, Serialize};

use super::{Error, Result, place_in};

/// The first segment of all keys of merged files and generations. They lie beside the archive and not in it, so whoever
/// reads the archive's folder sees each row once.
pub const COMPACTED: &str = "compacted";
/// Version of a generation's form.
pub(super) const FORMAT: u32 = 1;
/// How often the newest generation is looked up when it was gone before it was read, because there was a newer one.
const LOOKS_MAX: usize = 8;

/// The files of a partition up to an offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    pub(super) format: u32,
    /// Its number, from 1.
    pub number: u64,
    /// When it was made, by the clock of who made it.
    pub made_ms: i64,
    /// Names its maker's run, so that two makers never write the same file.
    pub attempt: String,
    /// The files, by offset. There is at least one.
    pub files: Vec<Held>,
}

/// A file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its key: a merged file's, or that of one the archiver wrote.
    pub key: String,
    /// First offset covered.
    pub start: i64,
    /// First offset not covered any more.
    pub end: i64,
    /// Rows.
    pub rows: u64,
}

impl Generation {
    /// The first offset that its files do not cover.
    pub fn end(&self) -> i64 {
        self.files.last().map_or(i64::MIN, |held| held.end)
    }

    /// Whether a file belongs to it.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.files.iter().any(|held| held.key == key)
    }

    /// Creates it; false where somebody else made a generation of this number, or a newer one.
    pub(super) fn commit(&self, store: &Store, topic: &str, partition: i32) -> Result<bool> {
        let key = key(topic, partition, self.number);
        // Numbers and texts, which always have a text.
        let text = serde_json::to_vec(self).unwrap_or_default();
        match store.put_create(&key, &text) {
            // A number far behind may be free again. Readers take the newest, so nobody saw this one.
            Ok(()) => Ok(numbers(store, topic, partition)?.last() == Some(&self.number)),
            // A store may say so of a creation of ours whose answer was lost.
            Err(store::Error::AlreadyExists { .. }) => Ok(store.find(&key)?.is_some_and(|bytes| bytes == text)),
            Err(e) => Err(e.into()),
        }
    }
}

/// The numbers of all generations of a partition, rising.
pub(super) fn numbers(store: &Store, topic: &str, partition: i32) -> Result<Vec<u64>> {
    let children = store.children(&prefix(topic, partition))?;
    Ok(children.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
}

/// The generation that readers go by, if there is one.
pub(super) fn newest(store: &Store, topic: &str, partition: i32) -> Result<Option<Generation>> {
    let mut looks = 1;
    loop {
        let Some(number) = numbers(store, topic, partition)?.last().copied() else { return Ok(None) };
        match read(store, topic, partition, number) {
            Err(Error::Store(store::Error::NotFound { .. })) if looks < LOOKS_MAX => looks += 1,
            other => return other.map(Some),
        }
    }
}

/// A generation by its number.
pub(super) fn read(store: &Store, topic: &str, partition: i32, number: u64) -> Result<Generation> {
    let key = key(topic, partition, number);
    let foreign = |detail: String| Error::Foreign { key: key.clone(), place: store.place(), detail };
    let bytes = store.get(&key)?;
    let generation: Generation = serde_json::from_slice(&bytes).map_err(|e| foreign(e.to_string()))?;
    if (generation.format, generation.number) != (FORMAT, number) || generation.files.is_empty() {
        let Generation { format, number, files, .. } = &generation;
        return Err(foreign(format!("it says format {format}, number {number}, {} files", files.len())));
    }
    Ok(generation)
}

/// Zero-padded, so that names sort like numbers.
pub(super) fn key(topic: &str, partition: i32, number: u64) -> String {
    format!("{}/{number:010}.json", prefix(topic, partition))
}

/// Where the files of one attempt at a generation lie.
pub(super) fn folder(topic: &str, partition: i32, number: u64, attempt: &str) -> String {
    format!("{}/{number:010}-{attempt}", files_prefix(topic, partition))
}

/// The number that a merged file was made for.
pub(super) fn number_of(key: &str, topic: &str, partition: i32) -> Option<u64> {
    let rest = key.strip_prefix(&files_prefix(topic, partition))?.strip_prefix('/')?;
    rest.split_once('-')?.0.parse().ok()
}

/// Where all merged files of a partition lie.
pub(super) fn files_prefix(topic: &str, partition: i32) -> String {
    format!("{}/files", place_in(COMPACTED, topic, partition))
}

fn prefix(topic: &str, partition: i32) -> String {
    format!("{}/generations", place_in(COMPACTED, topic, partition))
}
