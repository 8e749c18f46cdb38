//! Task state as it goes into snapshots: keyed entries, of which only those are written that changed, and a small blob
//! with everything else (numbers, marks, counters).
//!
//! A snapshot is a *cut*: the state at one position of the log. Cutting costs next to nothing; what changed since the cut
//! before is collected afterwards in steps, while records go on being handled, and whoever changes an entry that is still
//! to be collected collects it first.
//!
//! Entries have a hash of 64 bits each, and a state has their sum, which does not depend on any order. It is kept along,
//! so that a state put together from many cuts can be compared with the one that was cut.

mod blob;
mod merge;
mod notes;

pub use blob::{Blob, Header};
pub(crate) use blob::{named, place, rows, taken};
pub use merge::{Merged, Merging, Run, Total};
pub use notes::{Changes, Damaged, Entry, Notes, entries, entry_hash, sorted};

use crate::names::Names;

/// Why saved state is refused. The task that refused it is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that no task wrote.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// An entry that the task does not understand.
    #[error("an entry of part {part} is damaged: {detail}")]
    Entry {
        /// The part.
        part: u8,
        /// What is wrong.
        detail: String,
    },
    /// Entries for which there is no room in memory cannot be put on disk.
    #[error("state beyond the memory limit cannot be kept on disk: {0}")]
    Cold(#[from] crate::cold::Fault),
    /// A blob that the task does not understand.
    #[error("the blob is damaged: {0}")]
    Blob(String),
    /// A topic that the plan does not have.
    #[error("the state names topic {0}, which the plan does not have")]
    Topic(String),
    /// Entries are missing or too many.
    #[error("the entries sum up to {found:032x} and not to {expected:032x}")]
    Sum {
        /// Sum of the entries found.
        found: u128,
        /// Sum that was cut.
        expected: u128,
    },
}

/// State that can be saved entry by entry. Calls of one cut: [`cut`](State::cut), then [`collect`](State::collect) until
/// it gives the changes. Calls of one restore, on a task that has handled nothing: [`load`](State::load) per entry, then
/// [`resume`](State::resume).
pub trait State {
    /// What the entries and the blob mean: state with another text is not for this task.
    fn layout(&self) -> String;

    /// From now on notes what changes. The task has handled nothing yet, or was just restored.
    fn track(&mut self);

    /// About how many bytes of changes wait for the next cut.
    fn noted_bytes(&self) -> usize;

    /// Cuts the state as it is now, and gives its blob.
    fn cut(&mut self) -> String;

    /// Goes on collecting what changed before the cut, at most about so many entries; gives all of it at the end.
    fn collect(&mut self, entries_max: usize) -> Option<Changes>;

    /// Takes an entry in.
    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error>;

    /// Takes the blob in, after all entries. Gives the offset from which the log is to be read again, with outputs
    /// suppressed: the cut's position, or an earlier one because of items that were held back at the cut.
    fn resume(&mut self, blob: &str) -> Result<i64, Error>;

    /// Sum of the hashes of all entries, by walking over them.
    fn hash(&self) -> u128;
}

/// Part of a layout text: topics by number, as far as entries name topics by number.
pub fn names_layout(names: &Names) -> String {
    let topics = (0..names.len()).map(|number| &**names.topic(number as u16)).collect::<Vec<_>>();
    format!("{:016x}", schemas::key::key_hash(&topics.join("\n")))
}
