//! Bringing the internal logs to another number of partitions, as a new generation that goes on with the state of the old.
//!
//! Nothing of the old generation is touched: the new one has topics, groups and snapshots of its own, so that all of this
//! may be done again after a crash, and left alone when nobody wants it any more. Which generation is in force is decided
//! in the registry, when everything is there.
//!
//! All tasks but the validators have read their logs to the end. Each is put into the state of its commit ([`capture`]);
//! `flow::handover` and the crates of the tasks say what those of the new partitions begin with. New logs begin with the
//! items that were held ([`held`], [`write_heads`]), new tasks with a snapshot and a commit that names it ([`begin`]), and
//! validators where the old ones stopped, with the numbers of the new logs ([`validators`]).

mod begin;
mod capture;
mod heads;
mod validators;

pub use begin::begin;
pub use capture::{Captured, capture};
pub use heads::{held, write_heads};
pub use validators::{Source, carry_rows, validated, validators};

use crate::log::{self, TopicPartition};
use crate::snapshot::{self, Owner};
use crate::{context, ledger};
use flow::processor::Stop;

/// Why a log cannot be handed over. Nothing has changed for the generation in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Topics or schemas.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The store.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// A task stopped while it was put into the state of its commit.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// Items do not decode or encode.
    #[error(transparent)]
    Wire(#[from] flow::wire::Error),
    /// The state of a task is not what it should be.
    #[error("{owner}: {source}")]
    State {
        /// The task.
        owner: Owner,
        /// What is wrong.
        source: Box<flow::snapshot::Error>,
    },
    /// A task has not read everything.
    #[error("{owner} has read up to {offset}, and its log ends at {end}; somebody still writes to it")]
    Behind {
        /// The task.
        owner: Owner,
        /// Its commit.
        offset: i64,
        /// The end.
        end: i64,
    },
    /// A commit without state.
    #[error("{owner} was committed at {offset} without its state; run `tidemill repair` first")]
    NoState {
        /// The task.
        owner: Owner,
        /// The commit.
        offset: i64,
    },
    /// The state at a commit cannot be had any more.
    #[error(
        "{owner}: its log begins at {start}, its state needs everything from {needed} on, and no snapshot is good; `tidemill apply --rebuild` computes a new generation from the sources"
    )]
    LogStart {
        /// The task.
        owner: Owner,
        /// Begin of the log.
        start: i64,
        /// What is needed.
        needed: i64,
    },
    /// The state that was restored is not the one that was committed.
    #[error("{owner} restored to offset {offset} is {difference}; other code or another configuration wrote it")]
    Restored {
        /// The task.
        owner: Owner,
        /// The commit.
        offset: i64,
        /// What was restored, and what was committed.
        difference: String,
    },
    /// A validator's commit is none of ours.
    #[error("{tp}: what its validator committed is not readable ({detail}); run `tidemill repair` first")]
    Validator {
        /// The source partition.
        tp: TopicPartition,
        /// What is wrong.
        detail: String,
    },
}
