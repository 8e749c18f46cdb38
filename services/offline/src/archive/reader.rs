//! Reads the archive back in (partition, offset, item) order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::vec::IntoIter;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::rows::{OFFSET, within};
use super::{Archive, Error, FileInfo, Result, footer};
use crate::decode::{self, NoColumn};
use crate::table;

/// What to read of a topic.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Partitions and the offsets wanted of each; everything archived when absent.
    pub ranges: Option<BTreeMap<i32, Range<i64>>>,
    /// Columns, in this order; all of them when absent.
    pub columns: Option<Vec<String>>,
}

/// Rows of one partition.
#[derive(Debug, Clone)]
pub struct Part {
    /// The partition.
    pub partition: i32,
    /// The rows. Files of different schemas give batches of different schemas.
    pub rows: RecordBatch,
}

impl Archive {
    /// Reads rows in (partition, offset, item) order, one file in memory at a time.
    ///
    /// Offsets that were asked for and are not covered by files are an error, found before the first row is read.
    pub fn read(&self, topic: &str, selection: &Selection) -> Result<impl Iterator<Item = Result<Part>> + use<>> {
        let plan = self.plan(topic, selection)?;
        let (archive, columns) = (self.clone(), selection.columns.clone());
        Ok(plan.into_iter().flat_map(move |(file, range)| {
            let rows = archive.read_file(&file, &range, columns.as_deref());
            parts(file.partition, rows)
        }))
    }

    /// The files that a selection touches, and which offsets to take of each.
    fn plan(&self, topic: &str, selection: &Selection) -> Result<Vec<(FileInfo, Range<i64>)>> {
        let Some(ranges) = &selection.ranges else {
            let files = self.files(topic)?;
            return Ok(files.into_iter().map(|file| (file.clone(), file.start..file.end)).collect());
        };
        let mut plan = Vec::new();
        for (&partition, wanted) in ranges {
            let files = self.partition_files(topic, partition)?;
            let covered = match (files.first(), files.last()) {
                (Some(first), Some(last)) => first.start..last.end,
                _ => 0..0,
            };
            if wanted.start < wanted.end && (wanted.start < covered.start || wanted.end > covered.end) {
                return Err(not_archived(topic, partition, wanted, &covered));
            }
            let touched = files.into_iter().filter(|file| file.start < wanted.end && wanted.start < file.end);
            plan.extend(touched.map(|file| {
                let range = wanted.start.max(file.start)..wanted.end.min(file.end);
                (file, range)
            }));
        }
        Ok(plan)
    }

    /// The rows of one file with offsets in a range.
    fn read_file(&self, file: &FileInfo, range: &Range<i64>, columns: Option<&[String]>) -> Result<Vec<RecordBatch>> {
        let path = Path::new(&file.key);
        let damaged = |detail: String| table::Error::Damaged { path: path.to_owned(), detail };
        let bytes = self.store.get(&file.key)?;
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::load(&bytes, options).map_err(|e| damaged(e.to_string()))?;
        let again =
            footer::parse(&self.store, &file.key, &file.topic, file.partition, file.start, metadata.metadata())?;
        if again != *file {
            return Err(damaged("it changed while it was read".to_owned()).into());
        }
        let missing =
            |NoColumn { column, available }| table::Error::NoColumn { path: path.to_owned(), column, available };
        // The offsets are read last and dropped again if nobody asked for them here.
        let selected = match columns {
            None => None,
            Some(columns) => {
                let with_offset: Vec<&str> = columns.iter().map(String::as_str).chain([OFFSET]).collect();
                Some(decode::select(metadata.schema(), &with_offset).map_err(missing)?)
            }
        };
        let offset_column = columns.map_or(0, <[String]>::len);
        let groups = (0..metadata.metadata().num_row_groups()).collect();
        let decoded = decode::batches(bytes, &metadata, groups, &selected).map_err(|e| damaged(e.to_string()))?;
        let mut batches = Vec::new();
        for batch in decoded {
            let mut rows = within(&batch.map_err(|e| damaged(e.to_string()))?, offset_column, range);
            if columns.is_some() {
                rows.remove_column(offset_column);
            }
            if rows.num_rows() > 0 {
                batches.push(rows);
            }
        }
        Ok(batches)
    }
}

fn parts(partition: i32, rows: Result<Vec<RecordBatch>>) -> IntoIter<Result<Part>> {
    match rows {
        Ok(batches) => batches.into_iter().map(|rows| Ok(Part { partition, rows })).collect::<Vec<_>>().into_iter(),
        Err(e) => vec![Err(e)].into_iter(),
    }
}

fn not_archived(topic: &str, partition: i32, wanted: &Range<i64>, covered: &Range<i64>) -> Error {
    let available = match covered.is_empty() {
        true => "nothing of that partition is".to_owned(),
        false => format!("there are {} to {}", covered.start, covered.end),
    };
    Error::NotArchived { topic: topic.to_owned(), partition, wanted: wanted.clone(), available }
}
