//! Between the bytes of an internal log and its items: one Kafka record is an Avro record with parents, items, marks and
//! perhaps a fence, laid out by `schemas::log::log_schema`.

mod group;
mod read;
mod rows;
mod splice;
#[cfg(test)]
mod tests;
mod write;

pub use read::{LogReader, Raw};
pub use rows::{Draft, Origin, Rows};
pub use splice::{Encoded, Sent, Splicer};
pub use write::LogWriter;

use crate::names::Place;

/// Why bytes of an internal log cannot be read, or items cannot be written. Internal logs are written by us alone, so
/// each of these stops the task.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record does not decode.
    #[error(
        "record at offset {offset} of an internal log does not decode ({detail}); the log is damaged or written by foreign code"
    )]
    Damaged {
        /// Offset of the record.
        offset: i64,
        /// What the decoder said.
        detail: String,
    },
    /// A record names a log that the pipeline does not know.
    #[error(
        "record at offset {offset} names the log {log}, which the pipeline does not know; run `tidemill apply` with the pipeline file that wrote it"
    )]
    UnknownLog {
        /// Offset of the record.
        offset: i64,
        /// The unknown name.
        log: String,
    },
    /// An item points at a parent or source that its record does not list.
    #[error("item {item} at offset {offset} points at entry {index} of a list of {len}; the log is damaged")]
    Dangling {
        /// Offset of the record.
        offset: i64,
        /// Item within the record.
        item: usize,
        /// The index it holds.
        index: i32,
        /// How long the list is.
        len: usize,
    },
    /// The codec failed on a schema or a batch of ours.
    #[error("cannot code items: {0}")]
    Codec(#[from] schemas::codec::Error),
    /// Columns do not fit the log's schema.
    #[error("cannot lay out items: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// A mark as written: the parent that promises, and the time below which nothing more will come from it.
pub type Mark = (Place, i64);
