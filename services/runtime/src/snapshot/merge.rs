//! Merging the runs of a task beside the writing of further ones: which, and in a thread of its own.

use super::manifest::Run;
use super::run::{Writing, merging};
use super::{Error, Owner, Vault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// More runs than these are made fewer.
const RUNS_MAX: usize = 16;
/// Entries between two looks at whether the merging is still wanted.
const ENTRIES_PER_LOOK: u32 = 65_536;

/// The run from which on all are to become one. All of them, once the later ones have more bytes than the first; else,
/// when there are too many, those at the end of which none has more than all behind it: so an entry is written again
/// a few times and not with every snapshot.
pub(super) fn due(runs: &[Run]) -> Option<usize> {
    let bytes = |run: &Run| run.iter().map(|file| file.bytes).sum::<u64>();
    let later = |at: usize| runs[at + 1..].iter().map(bytes).sum::<u64>();
    if runs.len() > 1 && later(0) > bytes(&runs[0]) {
        return Some(0);
    }
    let last_but_one = runs.len().checked_sub(2).filter(|_| runs.len() > RUNS_MAX)?;
    Some((1..last_but_one).find(|at| bytes(&runs[*at]) <= later(*at)).unwrap_or(last_but_one))
}

/// What is to be merged: runs that follow each other.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub owner: Owner,
    pub runs: Vec<Run>,
    /// Sum of all entries, where these are all runs: what is gone is left out then.
    pub sum: Option<u128>,
}

impl Job {
    /// Writes one run that says the same.
    pub fn run(&self, vault: &Vault, stop: &AtomicBool) -> Result<Run, Error> {
        let mut merging = merging(vault, &self.owner, &self.runs)?;
        let mut writing = Writing::new(vault, &self.owner);
        let mut look = 0;
        while let Some(entry) = merging.next_entry()? {
            look += 1;
            if look == ENTRIES_PER_LOOK {
                look = 0;
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::GivenUp);
                }
            }
            if entry.value.is_some() || self.sum.is_none() {
                writing.push(&entry)?;
            }
        }
        if let Some(sum) = self.sum {
            merging.total().verify(sum)?;
        }
        writing.finish()
    }
}

/// A job that is done, and what came of it.
pub(super) type Merged = (Job, Result<Run, Error>);

/// Does one job after the other.
#[derive(Debug, Default)]
pub(super) struct Merger {
    /// Does it before it returns.
    in_turn: bool,
    running: Option<JoinHandle<Merged>>,
    stop: Arc<AtomicBool>,
}

impl Merger {
    /// Whoever gives a job waits for its end.
    pub fn in_turn() -> Self {
        Merger { in_turn: true, running: None, stop: Arc::default() }
    }

    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Begins a job; gives it back when it is done at once.
    pub fn begin(&mut self, vault: &Vault, job: Job) -> Option<Merged> {
        let (vault, stop) = (vault.clone(), self.stop.clone());
        let work = move || {
            let run = job.run(&vault, &stop);
            (job, run)
        };
        if self.in_turn {
            return Some(work());
        }
        // Without a thread there is no merging now; the next snapshot asks again.
        self.running = std::thread::Builder::new().name("merging".to_owned()).spawn(work).ok();
        None
    }

    /// The job that was begun, once it is done.
    pub fn done(&mut self) -> Option<Merged> {
        self.running.take_if(|running| running.is_finished())?.join().ok()
    }
}

impl Drop for Merger {
    /// A merging that has begun is left to itself, and ends soon.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
