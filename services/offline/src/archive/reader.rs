//! Reads the archive back in (partition, offset, item) order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use bytes::Bytes;
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
    /// Files without this column, which were written before there was one, are passed over.
    pub since: Option<String>,
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
    /// Reads rows in (partition, offset, item) order, with the bytes of one file and the rows of one batch in memory.
    ///
    /// Which files hold them is looked up once, so it goes on reading those however often the archive is compacted
    /// meanwhile, as long as they are not deleted.
    ///
    /// Offsets that were asked for and are not covered by files are an error, found before the first row is read.
    pub fn read(&self, topic: &str, selection: &Selection) -> Result<impl Iterator<Item = Result<Part>> + use<>> {
        let plan = self.plan(topic, selection)?;
        let (archive, selection) = (self.clone(), selection.clone());
        Ok(plan.into_iter().flat_map(move |(file, range)| -> Box<dyn Iterator<Item = Result<Part>>> {
            let partition = file.partition;
            match archive.read_file(&file, range, &selection) {
                Ok(batches) => Box::new(batches.map(move |rows| Ok(Part { partition, rows: rows? }))),
                Err(e) => Box::new(std::iter::once(Err(e))),
            }
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
    fn read_file(
        &self,
        file: &FileInfo,
        range: Range<i64>,
        Selection { columns, since, .. }: &Selection,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let damaged = damaged(&file.key);
        let bytes = self.store.get(&file.key)?;
        let metadata =
            ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).map_err(|e| damaged(e.to_string()))?;
        let again =
            footer::parse(&self.store, &file.key, &file.topic, file.partition, file.start, metadata.metadata())?;
        if again != *file {
            return Err(damaged("it changed while it was read".to_owned()));
        }
        let path = Path::new(&file.key);
        let is_before = since.as_ref().is_some_and(|column| metadata.schema().column_with_name(column).is_none());
        let missing =
            |NoColumn { column, available }| table::Error::NoColumn { path: path.to_owned(), column, available };
        // The offsets are read last and dropped again if nobody asked for them here.
        let selected = match columns {
            _ if is_before => None,
            None => None,
            Some(columns) => {
                let with_offset: Vec<&str> = columns.iter().map(String::as_str).chain([OFFSET]).collect();
                Some(decode::select(metadata.schema(), &with_offset).map_err(missing)?)
            }
        };
        let offset_column = columns.as_ref().map(Vec::len);
        let groups = if is_before { Vec::new() } else { (0..metadata.metadata().num_row_groups()).collect() };
        let decoded = decode::batches(bytes, &metadata, groups, &selected).map_err(|e| damaged(e.to_string()))?;
        let wanted = move |batch: RecordBatch| {
            let mut rows = within(&batch, offset_column.unwrap_or(0), &range);
            if let Some(column) = offset_column {
                rows.remove_column(column);
            }
            rows
        };
        let rows = decoded.map(move |batch| batch.map(&wanted).map_err(|e| damaged(e.to_string())));
        Ok(rows.filter(|rows| rows.as_ref().map_or(true, |rows| rows.num_rows() > 0)))
    }
}

/// All rows of a file whose bytes are at hand.
pub(super) fn rows_of(key: &str, bytes: Bytes) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let damaged = damaged(key);
    let metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).map_err(|e| damaged(e.to_string()))?;
    let groups = (0..metadata.metadata().num_row_groups()).collect();
    let decoded = decode::batches(bytes, &metadata, groups, &None).map_err(|e| damaged(e.to_string()))?;
    Ok(decoded.map(move |batch| batch.map_err(|e| damaged(e.to_string()))))
}

fn damaged(key: &str) -> impl Fn(String) -> Error + use<> {
    let path = PathBuf::from(key);
    move |detail| table::Error::Damaged { path: path.clone(), detail }.into()
}

fn not_archived(topic: &str, partition: i32, wanted: &Range<i64>, covered: &Range<i64>) -> Error {
    let available = match covered.is_empty() {
        true => "nothing of that partition is".to_owned(),
        false => format!("there are {} to {}", covered.start, covered.end),
    };
    Error::NotArchived { topic: topic.to_owned(), partition, wanted: wanted.clone(), available }
}
