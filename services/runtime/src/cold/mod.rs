//! Task state beyond a memory limit, in an embedded store (fjall) in a scratch folder.
//!
//! What is there is thrown away with its process: the log and the snapshots say the same. So nothing waits for the disk,
//! and nothing is read that another process wrote. A process takes the first folder that nobody has, under a lock that
//! the kernel drops with it; folders of processes that are gone are removed when the next one begins.
//!
//! ```text
//! <folder>/<n>.lock    held by the process that has <n>
//! <folder>/<n>/        its store, a keyspace per task
//! ```
//!
//! All tasks of a process share one limit in equal parts. The store is opened when the first of them needs it.

mod slot;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use flow::cold::{Fault, Memory};
use slot::Slot;
pub use table::Table;

/// So many entries of a task stay in memory whatever they take: those that its next rows need.
pub const ENTRIES_MIN: usize = 1_024;
/// What the store keeps of its blocks in memory.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// What a task writes before it goes to disk as a file.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
/// Most bytes of the store's journals on disk.
const JOURNAL_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Threads that write files and merge them.
const THREADS: usize = 2;

/// Where tasks of this process put state beyond the limit. Clones share folder and limit.
#[derive(Debug, Clone)]
pub struct Spill(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    bytes_max: usize,
    entries_min: usize,
    /// Tasks that share the limit.
    tasks: AtomicUsize,
    next: AtomicU64,
    opened: Mutex<Option<Opened>>,
}

/// The store, and the folder that it is in.
struct Opened {
    store: Database,
    _slot: Slot,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").field("folder", &self.folder).field("bytes_max", &self.bytes_max).finish()
    }
}

impl Spill {
    /// Puts what tasks have beyond so many bytes into this folder, after removing what processes left there that are
    /// gone.
    pub fn new(folder: &Path, bytes_max: usize) -> Spill {
        Spill::with(folder, bytes_max, ENTRIES_MIN)
    }

    /// The same with another number of entries per task that stay in memory.
    pub fn with(folder: &Path, bytes_max: usize, entries_min: usize) -> Spill {
        slot::clean(folder);
        let (tasks, next, opened) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(None));
        Spill(Arc::new(Shared { folder: folder.to_path_buf(), bytes_max, entries_min, tasks, next, opened }))
    }

    /// The store of one more task.
    pub fn table(&self) -> Table {
        self.0.tasks.fetch_add(1, Ordering::Relaxed);
        Table::new(self.clone())
    }

    /// The part of the limit that each task has now.
    fn memory(&self) -> Memory {
        let tasks = self.0.tasks.load(Ordering::Relaxed).max(1);
        Memory { bytes_max: self.0.bytes_max / tasks, entries_min: self.0.entries_min }
    }

    /// A keyspace that nobody has.
    fn keyspace(&self) -> Result<(Database, Keyspace), Fault> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match &*opened {
            Some(opened) => opened.store.clone(),
            None => opened.insert(self.open()?).store.clone(),
        };
        let name = self.0.next.fetch_add(1, Ordering::Relaxed).to_string();
        let options =
            || KeyspaceCreateOptions::default().manual_journal_persist(true).max_memtable_size(MEMTABLE_BYTES);
        let keyspace = store.keyspace(&name, options).map_err(|error| self.fault(&error))?;
        Ok((store, keyspace))
    }

    fn open(&self) -> Result<Opened, Fault> {
        let slot =
            Slot::take(&self.0.folder).map_err(|error| Fault(format!("{}: {error}", self.0.folder.display())))?;
        let builder = Database::builder(slot.folder());
        let builder = builder.manual_journal_persist(true).cache_size(CACHE_BYTES).worker_threads(THREADS);
        let store = builder.max_journaling_size(JOURNAL_BYTES_MAX).open().map_err(|error| self.fault(&error))?;
        tracing::info!(folder = %slot.folder().display(), bytes_max = self.0.bytes_max, "state goes beyond the memory limit, the rest to disk");
        Ok(Opened { store, _slot: slot })
    }

    /// What went wrong, and where.
    fn fault(&self, error: &fjall::Error) -> Fault {
        let folder = self.0.folder.display();
        Fault(match error {
            fjall::Error::Io(error) => format!("{folder}: {error}"),
            fjall::Error::Poisoned => {
                format!("{folder}: writing failed before, as on a full disk; make room there and start again")
            }
            error => format!("{folder}: {error:?}"),
        })
    }
}
