//! The archiver: every topic of a pipeline as Parquet files, so that the truth outlives the log's retention.
//!
//! One thread, one session in the group `<pipeline>.archiver`. A file's creation is what commits; the group's offsets
//! only say where the files end, and on assignment the session goes to where they really do.
//!
//! Rows of an internal log are its items, each once, with the names of parent and origin in place of numbers. What a
//! record carries besides (marks, a fence) is one row with item -1 and the text in [`CONTROL`]. Rows of other topics are
//! the values, with key and headers beside them; a value that no schema explains is kept as it came, in [`VALUE`].
//!
//! Compacted topics are archived from themselves: states that compaction removed before they were read are missing.

mod compacting;
mod control;
mod cuts;
mod items;
mod partition;
mod range;
mod service;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub use control::{CONTROL, Control, ControlFence};
pub use items::{NUMBER, ORIGIN_TOPIC, PARENT_PARTITION, PARENT_TOPIC};
pub use partition::Partition;
pub use range::RangeRows;
pub use service::{Options, group, run, topics};
pub use values::{HEADERS, KEY, SCHEMA_ID, VALUE};

use flow::processor::Stop;

/// Why the archiver ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] runtime::log::Error),
    /// Topics or schemas.
    #[error(transparent)]
    Context(#[from] runtime::context::Error),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] offline::archive::Error),
    /// An internal log is damaged.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// A schema that the registry has cannot be used.
    #[error(transparent)]
    Codec(#[from] schemas::codec::Error),
    /// Columns do not fit together.
    #[error("rows of {topic} cannot be laid out: {detail}")]
    Layout {
        /// The topic.
        topic: String,
        /// What does not fit.
        detail: String,
    },
    /// A footer's numbers are not ours.
    #[error(
        "the archive of {topic} has numbers that this version does not read ({detail}): {text}; run the version that wrote them"
    )]
    Numbers {
        /// The topic.
        topic: String,
        /// The text.
        text: String,
        /// What the parser said.
        detail: String,
    },
}

impl Error {
    /// Whether starting over from the last file may help.
    fn is_retriable(&self) -> bool {
        match self {
            Error::Log(error) | Error::Context(runtime::context::Error::Log(error)) => {
                error.is_retriable() || error.is_fenced()
            }
            Error::Archive(offline::archive::Error::Store(error)) => error.is_of_the_place(),
            _ => false,
        }
    }
}
