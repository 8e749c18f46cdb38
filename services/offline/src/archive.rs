//! The archive: every topic as Parquet files that tile its offsets, written once, readable by anything.
//!
//! A file is named by the first offset it covers, and its creation is the commit: whoever creates it first has decided
//! where it ends, which its footer says. A second writer, be it a twin or a process thought dead, finds the name
//! taken, reads that end, and goes on there. So no lease is needed, no two files overlap, and each item is in the
//! archive once.
//!
//! Small files are merged by [`Archive::compact`], which makes the partition's next generation: readers go by the newest
//! one, and behind its end by the files that writers made since.
//!
//! Rows carry their position in [`OFFSET`] and [`ITEM`]; a file covers whole Kafka records. Nothing in a file depends
//! on a clock, on the machine or on how records were batched: twin writers make the same bytes.

mod bounds;
mod compact;
mod content;
mod footer;
mod generation;
mod reader;
mod rows;
mod runs;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;

use registry::store::{self, Store, escape, unescape};

use crate::table;

pub use compact::{Compaction, Merged, Step, Watch};
pub(crate) use footer::Opened;
pub use footer::{FileInfo, Origin};
pub use generation::{COMPACTED, Generation, Held};
pub use reader::{Part, Selection};
pub use rows::{APPEND_TIME, ITEM, OFFSET, positioned};
pub use runs::{CompactOptions, FILE_TARGET_BYTES, MERGE_FILES_MIN};
pub use sweep::{GRACE_PERIOD_S, Swept};
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
    /// What came out of a merge is not what went in, or cannot be written.
    #[error(
        "offsets {start} to {end} of partition {partition} of {topic} cannot be merged: {detail}; nothing is changed, readers go on with the files there are"
    )]
    Merge {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// First offset of the files.
        start: i64,
        /// Their end.
        end: i64,
        /// What is wrong.
        detail: String,
    },
    /// A test, or who watches, ended the work.
    #[error("compaction was interrupted; what was not committed is deleted by the next one")]
    Interrupted,
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

    /// The files of one partition by offset, merged ones in place of those they were merged from. Holes and overlaps are
    /// errors.
    pub fn partition_files(&self, topic: &str, partition: i32) -> Result<Vec<FileInfo>> {
        Ok(self.opened(topic, partition)?.into_iter().map(|file| file.info).collect())
    }

    /// The same with all that their footers say.
    pub(crate) fn opened(&self, topic: &str, partition: i32) -> Result<Vec<Opened>> {
        let (_, keys) = self.layout(topic, partition)?;
        let files: Vec<Opened> = keys
            .into_iter()
            .map(|(key, start)| footer::open(&self.store, &key, topic, partition, start))
            .collect::<Result<_>>()?;
        check_tiled(files.iter().map(|file| &file.info))?;
        Ok(files)
    }

    /// The store that it lies in.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The newest generation of a partition, and the keys of its files and those behind it, with their first offsets.
    ///
    /// Files are listed before generations: a generation that comes in between covers some of them, and says so.
    fn layout(&self, topic: &str, partition: i32) -> Result<Layout> {
        let starts = self.starts(topic, partition)?;
        let newest = generation::newest(&self.store, topic, partition)?;
        let merged_to = newest.as_ref().map_or(i64::MIN, Generation::end);
        let held = newest.iter().flat_map(|newest| &newest.files).map(|held| (held.key.clone(), held.start));
        let behind = starts.into_iter().filter(|start| *start >= merged_to);
        let keys = held.chain(behind.map(|start| (file_key(topic, partition, start), start))).collect();
        Ok((newest, keys))
    }

    /// The archiver's files whose rows a file holds, with the digests of their bytes: itself, unless it was merged.
    pub fn origins(&self, file: &FileInfo) -> Result<Vec<Origin>> {
        compact::origins_of(file, &self.store.get(&file.key)?)
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

/// The newest generation of a partition, and the keys of its files with their first offsets.
type Layout = (Option<Generation>, Vec<(String, i64)>);

/// First offsets of a partition's files, rising.
fn starts(store: &Store, topic: &str, partition: i32) -> Result<Vec<i64>> {
    let children = store.children(&partition_prefix(topic, partition))?;
    Ok(children.iter().filter_map(|name| name.strip_suffix(".parquet")?.parse().ok()).collect())
}

/// Refuses neighbours that leave a hole or overlap.
fn check_tiled<'f>(files: impl IntoIterator<Item = &'f FileInfo>) -> Result<()> {
    let mut before: Option<&FileInfo> = None;
    for after in files {
        if let Some(before) = before.filter(|before| before.end != after.start) {
            return Err(Error::NotTiled {
                topic: after.topic.clone(),
                partition: after.partition,
                what: if before.end < after.start { "a hole" } else { "an overlap" },
                at: before.end.min(after.start),
                before: before.start,
                after: after.start,
            });
        }
        before = Some(after);
    }
    Ok(())
}

fn topic_prefix(topic: &str) -> String {
    format!("{TABLE}/topic={}", escape(topic))
}

fn partition_prefix(topic: &str, partition: i32) -> String {
    place_in(TABLE, topic, partition)
}

/// Where keys of a partition begin, below a first segment.
fn place_in(table: &str, topic: &str, partition: i32) -> String {
    format!("{table}/topic={}/partition={partition}", escape(topic))
}

/// Zero-padded, so that names sort like offsets.
fn file_key(topic: &str, partition: i32, start: i64) -> String {
    format!("{}/{start:020}.parquet", partition_prefix(topic, partition))
}
