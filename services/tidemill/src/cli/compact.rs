//! Arguments of `tidemill compact`.

use std::time::Duration;

use clap::Args;
use offline::archive::{CompactOptions, MERGE_FILES_MIN};

use super::values::{at_least_one, bytes, duration};

/// Merge small files of the archive into larger ones. Readers see every row once at any moment; services go on meanwhile.
/// What was merged stays until --delete-older-than.
#[derive(Debug, Args)]
pub struct Compact {
    /// Only topics with this in their name.
    #[arg(value_name = "TOPIC", default_value = "")]
    topic: String,
    /// Size that a merged file is to have; files of half of it are large enough.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = bytes)]
    target_size: usize,
    /// Fewest neighbouring small files that are merged into one.
    #[arg(long, value_name = "N", default_value_t = MERGE_FILES_MIN, value_parser = at_least_one)]
    files_min: usize,
    /// Delete files that were merged longer ago than this, such as 1h. Choose it longer than whoever reads the archive takes.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub delete_older_than: Option<Duration>,
    /// Change nothing: name the files that hold the archive now, for tools that read Parquet.
    #[arg(long, conflicts_with_all = ["target_size", "files_min", "delete_older_than"])]
    pub files: bool,
}

impl Compact {
    /// Whether this topic is meant.
    pub fn means(&self, topic: &str) -> bool {
        topic.contains(&self.topic)
    }

    /// How to merge.
    pub fn options(&self) -> CompactOptions {
        CompactOptions { target_bytes: self.target_size as u64, files_min: self.files_min }
    }
}
