//! Snapshots of task state in an object store, so that a restart reads little of its log again.
//!
//! A snapshot is a manifest: whose state it is, at which position, the sum of its entries, the task's blob, and the files
//! with the entries, in runs: what changed since the snapshot before, sorted, in files of a few megabytes. Runs are merged
//! beside the writing of further ones ([`merge`]), and restored from file by file, so neither holds a state in memory.
//! Files are named by their content and manifests by position and content, so nothing is ever replaced, and processes that
//! believe they own the same task do each other no harm.
//!
//! ```text
//! snapshots/<group>/<log>/<partition>/<position>-<SHA-256>.json      manifests
//! snapshots/<group>/<log>/<partition>/files/<SHA-256>                entries
//! tasks/<group>/<log>/<partition>                                    empty: the task has committed before
//! ```
//!
//! The pointer to the newest one travels in the metadata of offset commits ([`Pointer`]).

mod chain;
mod file;
mod manifest;
mod merge;
mod run;
#[cfg(test)]
mod tests;
mod vault;
mod writer;

pub use flow::state::Pointer;
pub use manifest::{FileRef, Manifest};
pub use vault::{Loaded, Name, Owner, Vault};
pub use writer::{Cut, Done, Writer};

use registry::store;
use std::time::Duration;

/// Usual time between two snapshots of a task, in milliseconds.
pub const INTERVAL_MS: u64 = 10_000;

/// Where and how often snapshots are taken.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store.
    pub vault: Vault,
    /// Time between two snapshots of a task.
    pub interval: Duration,
    /// Everything happens in the shell's own thread, as soon as it can and whatever the clock says: what a simulation
    /// wants, whose seeds repeat a history.
    pub in_turn: bool,
}

/// Why a snapshot cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Bytes that are not what their name says.
    #[error(
        "`{key}` is damaged: its content has the digest {found}; delete it, an older snapshot or the log takes its place"
    )]
    Digest {
        /// The object.
        key: String,
        /// Digest of what is there.
        found: String,
    },
    /// Bytes that nobody wrote.
    #[error("`{key}` is no snapshot: {detail}")]
    Unreadable {
        /// The object.
        key: String,
        /// What is wrong.
        detail: String,
    },
    /// Entries that cannot be put together.
    #[error(transparent)]
    Entries(#[from] flow::snapshot::Error),
    /// The service stops, so nobody wants what was begun.
    #[error("it was given up, as the service stops")]
    GivenUp,
    /// State of another configuration.
    #[error("the snapshot at {position} is of another configuration: it has the layout {found}, the task {expected}")]
    Layout {
        /// Position of the snapshot.
        position: i64,
        /// Layout of the snapshot.
        found: String,
        /// Layout of the task.
        expected: String,
    },
    /// The task refused it.
    #[error("the snapshot at {position} cannot be taken up: {source}")]
    State {
        /// Position of the snapshot.
        position: i64,
        /// Why.
        source: flow::snapshot::Error,
    },
}
