//! Where rows of a dataset come from.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use sha2::{Digest, Sha256};

use super::{Input, InputFile, Result};
use crate::archive::{Archive, Origin, Selection};
use crate::table::{self, Table};

/// Rows of features or of labels.
#[derive(Debug, Clone)]
pub enum Source {
    /// An archived topic.
    Archive {
        /// The archive.
        archive: Archive,
        /// The topic.
        topic: String,
        /// Offsets of each partition; everything archived when absent.
        ranges: Option<BTreeMap<i32, Range<i64>>>,
    },
    /// One Parquet file.
    File(PathBuf),
    /// Several of these, one after the other: a log that went on in another.
    Several(Vec<Source>),
}

impl Source {
    /// What to call it in messages.
    pub fn place(&self) -> String {
        match self {
            Self::Archive { topic, .. } => format!("topic {topic}"),
            Self::File(path) => path.display().to_string(),
            Self::Several(all) => all.iter().map(Self::place).collect::<Vec<_>>().join(" and "),
        }
    }

    /// The same with only the rows that went into a dataset.
    #[must_use]
    pub fn limited(self, input: &Input) -> Self {
        match (self, input) {
            (Self::Archive { archive, topic, .. }, input) => {
                Self::Archive { archive, topic, ranges: Some(input.ranges()) }
            }
            (Self::Several(all), Input::Several(inputs)) => {
                let all = all.into_iter().zip(inputs);
                Self::Several(all.map(|(source, input)| source.limited(input)).collect())
            }
            // The dataset is older than all logs but the first.
            (Self::Several(all), input) => {
                Self::Several(all.into_iter().take(1).map(|source| source.limited(input)).collect())
            }
            (file, _) => file,
        }
    }

    /// Its identity for a manifest: files with digests.
    pub(super) fn input(&self) -> Result<Input> {
        match self {
            Self::Archive { archive, topic, ranges } => {
                let wanted = |partition, file: &Range<i64>| match ranges {
                    None => Some(file.clone()),
                    Some(ranges) => ranges.get(&partition).and_then(|range| overlap(range, file)),
                };
                let mut files = Vec::new();
                let mut schemas = Vec::new();
                for file in archive.files(topic)? {
                    if wanted(file.partition, &(file.start..file.end)).is_none() {
                        continue;
                    }
                    // Files as the archiver wrote them: that some were merged since makes no other dataset.
                    for Origin { start, end, sha256 } in archive.origins(&file)? {
                        if let Some(used) = wanted(file.partition, &(start..end)) {
                            files.push(InputFile { partition: file.partition, offsets: start..end, used, sha256 });
                        }
                    }
                    schemas.push(file.schema.digest);
                }
                schemas.sort_unstable();
                schemas.dedup();
                Ok(Input::Topic { topic: topic.clone(), schemas, files })
            }
            Self::File(path) => {
                let rows = Table::open(path)?.rows();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Input::File { name, rows, sha256: file_digest(path)? })
            }
            // What has one input only is named as before.
            Self::Several(all) => match &all[..] {
                [only] => only.input(),
                all => Ok(Input::Several(all.iter().map(Self::input).collect::<Result<_>>()?)),
            },
        }
    }

    /// Its rows in order, with only these top-level columns; of an archive those since there is a certain column.
    pub(super) fn each(
        &self,
        (columns, since): (&[String], Option<&str>),
        mut take: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        self.each_of((columns, since), &mut take)
    }

    fn each_of(
        &self,
        (columns, since): (&[String], Option<&str>),
        take: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Archive { archive, topic, ranges } => {
                let selection = {
                    let since = since.map(str::to_owned);
                    Selection { ranges: ranges.clone(), columns: Some(columns.to_vec()), since }
                };
                for part in archive.read(topic, &selection)? {
                    take(part?.rows)?;
                }
            }
            Self::File(path) => {
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                let table = Table::open(path)?.select(&names)?;
                for rows in table.scan() {
                    take(rows?)?;
                }
            }
            Self::Several(all) => all.iter().try_for_each(|source| source.each_of((columns, since), &mut *take))?,
        }
        Ok(())
    }
}

fn overlap(one: &Range<i64>, other: &Range<i64>) -> Option<Range<i64>> {
    let common = one.start.max(other.start)..one.end.min(other.end);
    (!common.is_empty()).then_some(common)
}

fn file_digest(path: &Path) -> Result<String> {
    let failed = |source| table::Error::Io { action: "read", path: path.to_owned(), source };
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(failed)?;
    std::io::copy(&mut file, &mut hash).map_err(failed)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
