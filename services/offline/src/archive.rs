//! The archive: every topic as Parquet files that tile its offsets, written once, readable by anything.
//!
//! A file is named by the first offset it covers, and its creation is the commit: whoever creates it first has decided
//! where it ends, which its footer says. A second writer, be it a twin or a process thought dead, finds the name
//! taken, reads that end, and goes on there. So no lease is needed, no two files overlap, and each item is in the
//! archive once.
//!
//! Rows carry their position in [`OFFSET`] and [`ITEM`]; a file covers whole Kafka records. Nothing in a file depends
//! on a clock, on the machine or on how records were batched: twin writers make the same bytes.

mod footer;
mod reader;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;

use registry::store::{self, Store, escape, unescape};

use crate::table;

pub use footer::FileInfo;
pub use reader::{Part, Selection};
pub use rows::{APPEND_TIME, ITEM, OFFSET, positioned};
pub use writer::{BUCKET_OFFSETS, FILE_INPUT_BYTES_MAX, FILE_ROWS_MAX, Outcome, Record, Resume, SchemaNote, Writer};

/// The first segment of all keys of the archive.
pub const TABLE: &str = "archive";

/// Why the archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file's content could not be read.
    #[error(transparent)]
    File(#[from] table::Error),
    /// A file's footer is not one of ours, or not of this place.
    #[error("`{key}` in {place} is no file of this archive: {detail}; restore it, or remove it if it is foreign")]
    Foreign {
        /// The file.
        key: String,
        /// The store.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Neighbouring files leave a hole or overlap.
    #[error(
        "partition {partition} of {topic} has {what} at offset {at}, between the files starting at {before} and {after}; restore the archive from a good copy"
    )]
    NotTiled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// `a hole` or `an overlap`.
        what: &'static str,
        /// Where it begins.
        at: i64,
        /// Start of the file before.
        before: i64,
        /// Start of the file after.
        after: i64,
    },
    /// Two writers made different content of one range.
    #[error(
        "partition {partition} of {topic}: offsets {start} to {end} gave {mine} rows here and {theirs} in the archived file; one of the writers runs other code or lost records"
    )]
    Diverged {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// First offset of the range.
        start: i64,
        /// End of the range.
        end: i64,
        /// Rows counted by this writer.
        mine: u64,
        /// Rows in the file.
        theirs: u64,
    },
    /// Records were appended out of order, or rows do not have the shape they need.
    #[error("records for partition {partition} of {topic} cannot be archived: {detail}")]
    Disorder {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Which rule is broken.
        detail: String,
    },
    /// Offsets were asked for that no file covers.
    #[error("offsets {} to {} of partition {partition} of {topic} are not archived; {available}", .wanted.start, .wanted.end)]
    NotArchived {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What was asked for.
        wanted: Range<i64>,
        /// What there is.
        available: String,
    },
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The archive in a store.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Store,
}

impl Archive {
    /// The archive of this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The archived topics, in order of name.
    pub fn topics(&self) -> Result<Vec<String>> {
        let children = self.store.children(TABLE)?;
        Ok(children.iter().filter_map(|name| unescape(name.strip_prefix("topic=")?)).collect())
    }

    /// The archived partitions of a topic.
    pub fn partitions(&self, topic: &str) -> Result<Vec<i32>> {
        let children = self.store.children(&topic_prefix(topic))?;
        let number = |name: &String| name.strip_prefix("partition=")?.parse().ok();
        let mut partitions: Vec<i32> = children.iter().filter_map(number).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// The files of a topic by partition and offset. Holes and overlaps are errors.
    pub fn files(&self, topic: &str) -> Result<Vec<FileInfo>> {
        let mut files = Vec::new();
        for partition in self.partitions(topic)? {
            files.extend(self.partition_files(topic, partition)?);
        }
        Ok(files)
    }

    /// The files of one partition by offset. Holes and overlaps are errors.
    pub fn partition_files(&self, topic: &str, partition: i32) -> Result<Vec<FileInfo>> {
        let starts = self.starts(topic, partition)?;
        let files: Vec<FileInfo> = starts
            .into_iter()
            .map(|start| footer::read(&self.store, topic, partition, start))
            .collect::<Result<_>>()?;
        for pair in files.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if before.end != after.start {
                return Err(Error::NotTiled {
                    topic: topic.to_owned(),
                    partition,
                    what: if before.end < after.start { "a hole" } else { "an overlap" },
                    at: before.end.min(after.start),
                    before: before.start,
                    after: after.start,
                });
            }
        }
        Ok(files)
    }

    /// Digest of a file's bytes.
    pub fn digest(&self, file: &FileInfo) -> Result<String> {
        Ok(registry::canonical::sha256_hex(&self.store.get(&file.key)?))
    }

    /// A writer for one partition. `log_start` is where the partition begins now; it counts only if nothing of the
    /// partition was archived before. Continue at [`Writer::resume`].
    pub fn writer(&self, topic: &str, partition: i32, log_start: i64) -> Result<Writer> {
        Writer::open(self.store.clone(), topic, partition, log_start)
    }

    fn starts(&self, topic: &str, partition: i32) -> Result<Vec<i64>> {
        starts(&self.store, topic, partition)
    }
}

/// First offsets of a partition's files, rising.
fn starts(store: &Store, topic: &str, partition: i32) -> Result<Vec<i64>> {
    let children = store.children(&partition_prefix(topic, partition))?;
    Ok(children.iter().filter_map(|name| name.strip_suffix(".parquet")?.parse().ok()).collect())
}

fn topic_prefix(topic: &str) -> String {
    format!("{TABLE}/topic={}", escape(topic))
}

fn partition_prefix(topic: &str, partition: i32) -> String {
    format!("{}/partition={partition}", topic_prefix(topic))
}

/// Zero-padded, so that names sort like offsets.
fn file_key(topic: &str, partition: i32, start: i64) -> String {
    format!("{}/{start:020}.parquet", partition_prefix(topic, partition))
}
