//! The manifest of a snapshot.

use serde::{Deserialize, Serialize};

/// Version of the manifest's layout.
pub(super) const VERSION: u32 = 2;

/// A file of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// SHA-256, its name.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
    /// How many entries are in it, gone ones included.
    pub entries: u64,
    /// Whether its entries come behind those of the file before it. Otherwise it begins a run.
    #[serde(default)]
    pub follows: bool,
}

/// Files that are sorted together: what came between two cuts, or what was merged.
pub(super) type Run = Vec<FileRef>;

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
    /// Files, the oldest run first.
    pub files: Vec<FileRef>,
    /// The task's blob.
    pub blob: String,
}

impl Manifest {
    /// Sum of the hashes of all entries.
    pub fn sum(&self) -> Option<u128> {
        u128::from_str_radix(&self.sum, 16).ok()
    }

    /// The files by run, the oldest first.
    pub(super) fn runs(&self) -> Vec<Run> {
        self.files.chunk_by(|_, next| next.follows).map(<[FileRef]>::to_vec).collect()
    }

    /// Size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
