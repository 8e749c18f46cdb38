//! Bringing back what a group lost: an offset and the state that was committed with it.
//!
//! Nothing that a task wrote is taken back, so all it needs is a position that is not too high: what it writes from there
//! on again has the numbers that it had, and readers drop it. A position is not too high when everything that comes before
//! it is in the task's targets. The ledger's rows are written after commits, so they name one; from there on the records
//! of the log are handled one by one, and their outputs looked up in the targets, until one is missing.
//!
//! A task that is restored from its log is put there by its newest snapshot and by reading on. A validator has no state
//! beside its metadata, and its source may be gone: numbers and greatest time come from the items that it wrote, marks
//! from its targets, and the counts from the ledger.

mod replay;
mod scan;
mod source;

pub use replay::replay;
pub use scan::{Found, Wanted};
pub use source::rebuild;

use crate::log::{self, Commit, Committed, TopicPartition};
use crate::{context, ledger, snapshot};
use flow::processor::Stop;
use flow::state::{self, TaskState};
use std::fmt;

/// A task by its group and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Consumer group.
    pub group: String,
    /// The partition.
    pub tp: TopicPartition,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.group, self.tp)
    }
}

/// Why a task cannot go on from its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// There is none.
    Missing,
    /// It is an offset and nothing else.
    Bare(i64),
    /// What stands beside the offset is not a task's state.
    Unreadable(i64),
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Harm::Missing => f.write_str("no offset"),
            Harm::Bare(offset) => write!(f, "{offset} without state"),
            Harm::Unreadable(offset) => write!(f, "{offset} with unreadable state"),
        }
    }
}

impl Harm {
    /// What is wrong with a commit, if anything. State of another configuration is not harmed, and an error.
    pub fn of(committed: Option<&Committed>, digest: &str) -> Result<Option<Harm>, state::Error> {
        let Some(Committed { offset, metadata }) = committed else { return Ok(Some(Harm::Missing)) };
        if metadata.is_empty() {
            return Ok(Some(if *offset > 0 { Harm::Bare(*offset) } else { Harm::Missing }));
        }
        match TaskState::read(metadata, digest) {
            Ok(_) => Ok(None),
            Err(state::Error::Unreadable { .. }) => Ok(Some(Harm::Unreadable(*offset))),
            Err(error) => Err(error),
        }
    }
}

/// What the new state was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The snapshot at this position, and the log from this offset on.
    Snapshot(i64, i64),
    /// The log from its start.
    Log,
    /// What the task wrote before this source offset, and what the ledger says of it.
    Targets(i64),
    /// Nothing: the task begins at the start, and what it wrote before comes again under the same numbers.
    Start,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::Snapshot(position, from) if position == from => write!(f, "snapshot at {position}, log after it"),
            Basis::Snapshot(position, from) => write!(f, "snapshot at {position}, log from {from}"),
            Basis::Log => f.write_str("log from its start"),
            Basis::Targets(position) => write!(f, "ledger and items up to {position}"),
            Basis::Start => f.write_str("nothing, from the start"),
        }
    }
}

/// A commit that takes the place of the harmed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What it was made from.
    pub basis: Basis,
    /// The commit.
    pub commit: Commit,
    /// Items that the task wrote before it.
    pub items: i64,
    /// The fence in force there; -1 before the first, and for validators.
    pub fence: i64,
}

/// Why a task cannot be repaired.
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
    /// A target or the log itself says that something was lost or changed.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The log is shorter than what the task had read.
    #[error(
        "{subject}: its log ends at {end}, and the task had come to {proven}; the log was cut or made anew, so bring it back, or begin with `tidemill apply --rebuild`"
    )]
    Shorter {
        /// The task.
        subject: Subject,
        /// End of the log.
        end: i64,
        /// How far the task was.
        proven: i64,
    },
    /// Records of the log that the state needs are gone.
    #[error(
        "{subject}: its log begins at {start}, its state needs everything from {needed} on, and no snapshot below {proven} is good; `tidemill apply --rebuild` computes a new generation from the sources"
    )]
    LogStart {
        /// The task.
        subject: Subject,
        /// Begin of the log.
        start: i64,
        /// What is needed.
        needed: i64,
        /// How far the task was for certain.
        proven: i64,
    },
    /// Source records are gone before anybody validated them.
    #[error(
        "{subject}: the source begins at {start}, and what the validator did is known up to {proven} only; records between were deleted before they were read, `tidemill repair {topic} --partition {partition} --from {start}` goes on behind them",
        topic = subject.tp.topic, partition = subject.tp.partition
    )]
    SourceStart {
        /// The task.
        subject: Subject,
        /// Begin of the source.
        start: i64,
        /// How far the validator was for certain.
        proven: i64,
    },
    /// An offset from the command line that cannot be used.
    #[error("{subject}: cannot go on at {from}: {why}")]
    From {
        /// The task.
        subject: Subject,
        /// The offset.
        from: i64,
        /// Why not.
        why: String,
    },
    /// Targets hold less than was acknowledged.
    #[error(
        "{subject}: up to {position} it wrote {expected} items to each of its logs, and there are {found}; items were lost in a log and the source does not reach back, `tidemill ledger verify --recount` says where"
    )]
    Lost {
        /// The task.
        subject: Subject,
        /// The position.
        position: i64,
        /// Items that the ledger or the other log counts.
        expected: i64,
        /// Items found.
        found: i64,
    },
}
