//! The snapshots of each task, one after the other: runs of files, what could not be written, and what is to be merged.

use super::manifest::{self, Run};
use super::merge::{Job, Merged, Merger, due};
use super::{Cut, Error, Manifest, Owner, Pointer, Vault, run};
use crate::failpoint::{self, SNAPSHOT_FILES, SNAPSHOT_TAKEN};
use flow::snapshot::Changes;
use std::collections::HashMap;
use tracing::{debug, error, warn};

/// Most bytes of changes kept while the store cannot be written. Beyond that there are no more snapshots of the task
/// until it is opened again, and its next restart reads more of its log.
const UNWRITTEN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What is known of a task.
#[derive(Debug, Default)]
struct Chain {
    runs: Vec<Run>,
    /// Changes of cuts that could not be written; they come first in the next run.
    unwritten: Changes,
    broken: bool,
    /// Runs that failed to be merged; only with twice as many it is tried again.
    refused: usize,
}

/// All tasks of a writer.
#[derive(Debug)]
pub(super) struct Chains {
    vault: Vault,
    chains: HashMap<Owner, Chain>,
    merger: Merger,
}

impl Chains {
    pub fn new(vault: Vault, merger: Merger) -> Self {
        Chains { vault, chains: HashMap::new(), merger }
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A task begins with the files of the snapshot that it was restored from.
    pub fn open(&mut self, owner: Owner, runs: Vec<Run>) {
        self.chains.insert(owner, Chain { runs, ..Chain::default() });
    }

    /// Writes a snapshot.
    pub fn write(&mut self, mut cut: Cut) -> Option<Pointer> {
        if let Some(merged) = self.merger.done() {
            self.take(merged);
        }
        let (owner, sum) = (cut.owner.clone(), cut.changes.sum);
        let chain = self.chains.entry(owner.clone()).or_default();
        if chain.broken {
            return None;
        }
        if !chain.unwritten.bytes.is_empty() {
            cut.changes = std::mem::take(&mut chain.unwritten).and(&cut.changes);
            cut.changes.sum = sum;
        }
        match chain.written(&self.vault, &cut) {
            Ok(pointer) => {
                self.merge(owner, sum);
                Some(pointer)
            }
            Err(error) => {
                chain.keep(&owner, cut.changes, &error);
                None
            }
        }
    }

    /// Begins to merge what should be. `sum` is that of all entries in the runs there are.
    fn merge(&mut self, owner: Owner, sum: u128) {
        let Some(chain) = self.chains.get(&owner).filter(|_| !self.merger.is_busy()) else { return };
        let Some(from) = due(&chain.runs).filter(|_| chain.runs.len() >= 2 * chain.refused) else { return };
        let job = Job { owner, runs: chain.runs[from..].to_vec(), sum: (from == 0).then_some(sum) };
        if let Some(merged) = self.merger.begin(&self.vault, job) {
            self.take(merged);
        }
    }

    /// Puts what was merged in the place of its parts, if these are still there.
    fn take(&mut self, (Job { owner, runs, .. }, merged): Merged) {
        let Some(chain) = self.chains.get_mut(&owner) else { return };
        let Some(at) = chain.runs.windows(runs.len()).position(|part| *part == *runs) else { return };
        match merged {
            Ok(run) => {
                let run = Some(run).filter(|run| !run.is_empty());
                chain.runs.splice(at..at + runs.len(), run);
                chain.refused = 0;
            }
            Err(error) => {
                warn!(%owner, %error, runs = runs.len(), "files of snapshots cannot be merged");
                chain.refused = chain.runs.len();
            }
        }
    }
}

impl Chain {
    /// Writes what is new, and a manifest of all.
    fn written(&mut self, vault: &Vault, cut: &Cut) -> Result<Pointer, Error> {
        let Cut { owner, position, layout, blob, changes } = cut;
        let run = run::write(vault, owner, changes)?;
        failpoint::pass(SNAPSHOT_FILES, &owner.group);
        let manifest = Manifest {
            v: manifest::VERSION,
            group: owner.group.clone(),
            log: owner.log.clone(),
            partition: owner.partition,
            position: *position,
            layout: layout.clone(),
            sum: format!("{:032x}", changes.sum),
            files: self.runs.iter().flatten().chain(&run).cloned().collect(),
            blob: blob.clone(),
        };
        let pointer = vault.put_manifest(owner, &manifest)?;
        failpoint::pass(SNAPSHOT_TAKEN, &owner.group);
        debug!(%owner, position, files = manifest.files.len(), bytes = manifest.bytes(), "snapshot taken");
        self.runs.extend(Some(run).filter(|run| !run.is_empty()));
        Ok(pointer)
    }

    fn keep(&mut self, owner: &Owner, changes: Changes, error: &Error) {
        warn!(%owner, %error, "no snapshot could be taken");
        self.broken = changes.bytes.len() > UNWRITTEN_BYTES_MAX;
        if self.broken {
            error!(%owner, "no more snapshots until the service is started again: too much has changed since the last");
        } else {
            self.unwritten = changes;
        }
    }
}
