//! Parquet row groups to Arrow batches, with columns in the order asked for.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::errors::Result;
use parquet::file::reader::ChunkReader;

/// Rows handed out per batch, at most. Large enough to amortise per-batch cost, small enough to stay in cache.
pub(crate) const BATCH_ROWS_MAX: usize = 8_192;

/// Top-level columns to read, as positions in the file's schema; all of them when absent.
pub(crate) type Selected = Option<Vec<usize>>;

/// A column that a file does not have.
pub(crate) struct NoColumn {
    pub(crate) column: String,
    /// The columns there are, comma-separated.
    pub(crate) available: String,
}

/// Looks columns up by name.
pub(crate) fn select<S: AsRef<str>>(schema: &SchemaRef, columns: &[S]) -> Result<Vec<usize>, NoColumn> {
    let find = |column: &S| {
        schema
            .index_of(column.as_ref())
            .map_err(|_| NoColumn { column: column.as_ref().to_owned(), available: names(schema) })
    };
    columns.iter().map(find).collect()
}

/// Reads some row groups.
pub(crate) fn batches<R: ChunkReader + 'static>(
    reader: R,
    metadata: &ArrowReaderMetadata,
    groups: Vec<usize>,
    selected: &Selected,
) -> Result<impl Iterator<Item = Result<RecordBatch, impl fmt::Display + use<R>>> + use<R>> {
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, metadata.clone())
        .with_batch_size(BATCH_ROWS_MAX)
        .with_row_groups(groups);
    let mut order = None;
    if let Some(selected) = selected {
        let mask = ProjectionMask::roots(builder.parquet_schema(), selected.iter().copied());
        builder = builder.with_projection(mask);
        order = Some(positions(selected));
    }
    let reader = builder.build()?;
    Ok(reader.map(move |batch| {
        batch.and_then(|batch| match &order {
            Some(order) => batch.project(order),
            None => Ok(batch),
        })
    }))
}

/// Where each selected column stands in a projection, which the reader always returns in file order.
fn positions(selected: &[usize]) -> Vec<usize> {
    let mut sorted = selected.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    selected.iter().map(|column| sorted.partition_point(|other| other < column)).collect()
}

fn names(schema: &SchemaRef) -> String {
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.join(", ")
}
