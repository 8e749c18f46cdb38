//! Where a task puts state that it does not need soon, when it may keep no more in memory.
//!
//! What is there is a copy of what the log and the snapshots say, so it need not survive the process. Nor does it decide
//! anything: which entries are in memory never shows in what a task gives.

mod shelf;
mod steps;

pub use shelf::Shelf;
pub use steps::Steps;

use std::fmt;

/// Why an entry cannot be put away or got back. Its task stops, with nothing committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// How much of its state a task may keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Most bytes.
    pub bytes_max: usize,
    /// So many entries stay in memory whatever they take.
    pub entries_min: usize,
}

/// A store of entries by key, one task's own. What was put last is what comes back, byte for byte.
pub trait Cold: fmt::Debug + Send {
    /// What the task may keep in memory at present.
    fn memory(&self) -> Memory;

    /// Appends the value of a key; false when there is none.
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Fault>;

    /// Puts a value in the place of the one before.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Fault>;

    /// Takes an entry away, if it is there.
    fn remove(&self, key: &[u8]) -> Result<(), Fault>;

    /// Gives key and value of the entries behind `after`, by key, as long as `each` wants more.
    fn scan(&self, after: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), Fault>;
}
