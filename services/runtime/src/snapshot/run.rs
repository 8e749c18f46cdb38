//! Runs of entries as files: one file after the other is read, and written.

use super::manifest::Run;
use super::{Error, FileRef, Owner, Vault};
use bytes::Bytes;
use flow::snapshot::{self, Changes, Damaged, Entry, Merging, sorted};

/// A file ends with the entry that fills so many bytes. Merging and restoring hold one file of each run in memory.
#[cfg(not(test))]
const FILE_BYTES: usize = 4 * 1024 * 1024;
/// Small enough for a test to have many.
#[cfg(test)]
pub(super) const FILE_BYTES: usize = 32 * 1024;

/// The entries of runs, put together.
pub(super) fn merging<'a>(vault: &'a Vault, owner: &'a Owner, runs: &'a [Run]) -> Result<Merging<Files<'a>>, Error> {
    Merging::new(runs.iter().map(|run| Files { vault, owner, files: run.iter() }))
}

/// The files of a run, read when they are needed.
pub(super) struct Files<'a> {
    vault: &'a Vault,
    owner: &'a Owner,
    files: std::slice::Iter<'a, FileRef>,
}

impl snapshot::Run for Files<'_> {
    type Error = Error;

    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.files.next().map(|file| self.vault.file(self.owner, file)).transpose()
    }
}

/// A run that is being written.
pub(super) struct Writing<'a> {
    vault: &'a Vault,
    owner: &'a Owner,
    changes: Changes,
    run: Run,
}

impl<'a> Writing<'a> {
    pub fn new(vault: &'a Vault, owner: &'a Owner) -> Self {
        Writing { vault, owner, changes: Changes::default(), run: Run::new() }
    }

    /// Adds an entry behind those before.
    pub fn push(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.changes.push(entry);
        if self.changes.bytes.len() < FILE_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), Error> {
        let Changes { bytes, count, .. } = &self.changes;
        let file = self.vault.put_file(self.owner, bytes, *count)?;
        self.run.push(FileRef { follows: !self.run.is_empty(), ..file });
        self.changes.bytes.clear();
        self.changes.count = 0;
        Ok(())
    }

    /// The whole run; without entries it has no files.
    pub fn finish(mut self) -> Result<Run, Error> {
        if self.changes.count > 0 {
            self.write()?;
        }
        Ok(self.run)
    }
}

/// Writes changes as a run.
pub(super) fn write(vault: &Vault, owner: &Owner, changes: &Changes) -> Result<Run, Error> {
    let mut writing = Writing::new(vault, owner);
    let entries = sorted(&changes.bytes).map_err(|damaged: Damaged| snapshot::Error::from(damaged))?;
    entries.iter().try_for_each(|entry| writing.push(entry))?;
    writing.finish()
}
