//! The manifest of a snapshot.

use serde::{Deserialize, Serialize};

/// Version of the manifest's layout.
pub(super) const VERSION: u32 = 1;

/// A file of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// SHA-256, its name.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
    /// How many entries are in it, gone ones included.
    pub entries: u64,
}

/// All about a snapshot but its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Layout version.
    pub v: u32,
    /// Consumer group of the task.
    pub group: String,
    /// The log it reads, which carries its generation.
    pub log: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub position: i64,
    /// What entries and blob mean, the digest of the configuration included.
    pub layout: String,
    /// Sum of the hashes of all entries, as 32 hexadecimal digits.
    pub sum: String,
    /// Files, oldest first.
    pub files: Vec<FileRef>,
    /// The task's blob.
    pub blob: String,
}

impl Manifest {
    /// Sum of the hashes of all entries.
    pub fn sum(&self) -> Option<u128> {
        u128::from_str_radix(&self.sum, 16).ok()
    }

    /// Size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
