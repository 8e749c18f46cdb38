//! The entries of one task on disk.

use std::cell::Cell;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fjall::{Database, Keyspace, PersistMode};
use flow::cold::{Cold, Fault, Memory};

use super::Spill;

/// Entries written between two looks at whether the store keeps up.
const WRITES_PER_LOOK: u32 = 1_024;
/// Files not yet written from memory, or not yet merged, at which a task waits for the store. The store itself waits at
/// higher numbers, and there it would not notice that its disk is full.
const UNWRITTEN_MAX: usize = 2;
const UNMERGED_MAX: usize = 16;
/// Time between two looks while it waits.
const WAIT: Duration = Duration::from_millis(1);

/// The store of one task. Its entries go when it is dropped.
pub struct Table {
    spill: Spill,
    opened: OnceLock<(Database, Keyspace)>,
    writes: Cell<u32>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("spill", &self.spill).finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(spill: Spill) -> Table {
        Table { spill, opened: OnceLock::new(), writes: Cell::new(0) }
    }

    /// The keyspace, made when it is first written.
    fn keyspace(&self) -> Result<&Keyspace, Fault> {
        if let Some((_, keyspace)) = self.opened.get() {
            return Ok(keyspace);
        }
        let opened = self.spill.keyspace()?;
        Ok(&self.opened.get_or_init(|| opened).1)
    }

    /// Now and then waits until the store has written and merged enough; a store that failed is an error.
    fn keep_up(&self) -> Result<(), Fault> {
        self.writes.set(self.writes.get() + 1);
        if self.writes.get() < WRITES_PER_LOOK {
            return Ok(());
        }
        self.writes.set(0);
        let Some((store, keyspace)) = self.opened.get() else { return Ok(()) };
        loop {
            store.persist(PersistMode::Buffer).map_err(|error| self.spill.fault(&error))?;
            if keyspace.sealed_memtable_count() <= UNWRITTEN_MAX && keyspace.l0_table_count() <= UNMERGED_MAX {
                return Ok(());
            }
            std::thread::sleep(WAIT);
        }
    }
}

impl Cold for Table {
    fn memory(&self) -> Memory {
        self.spill.memory()
    }

    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Fault> {
        let Some((_, keyspace)) = self.opened.get() else { return Ok(false) };
        let found = keyspace.get(key).map_err(|error| self.spill.fault(&error))?;
        found.iter().for_each(|found| value.extend_from_slice(found));
        Ok(found.is_some())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.keyspace()?.insert(key, value).map_err(|error| self.spill.fault(&error))?;
        self.keep_up()
    }

    fn remove(&self, key: &[u8]) -> Result<(), Fault> {
        let Some((_, keyspace)) = self.opened.get() else { return Ok(()) };
        keyspace.remove(key).map_err(|error| self.spill.fault(&error))?;
        self.keep_up()
    }

    fn scan(&self, after: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), Fault> {
        let Some((_, keyspace)) = self.opened.get() else { return Ok(()) };
        for entry in keyspace.range::<&[u8], _>((Excluded(after), Unbounded)) {
            let (key, value) = entry.into_inner().map_err(|error| self.spill.fault(&error))?;
            if !each(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.spill.0.tasks.fetch_sub(1, Ordering::Relaxed);
        if let Some((store, keyspace)) = self.opened.take()
            && let Err(error) = store.delete_keyspace(keyspace)
        {
            tracing::debug!(%error, "entries of a task that ended stay on disk until the process ends");
        }
    }
}
