//! The syncer: one thread that brings what was written to the disk, for many waiting sessions at a time.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::segment::io_error;
use super::state::Slot;
use super::writer::Shared;
use crate::log::Result;

/// Least time between the beginnings of two syncs that somebody waits for, so that a disk that is fast does not keep a
/// core busy.
const SYNC_GATHER_MS: u64 = 3;

/// What was written and what of it is on disk, in bytes of the whole log.
#[derive(Debug, Default)]
pub(super) struct SyncState {
    written: u64,
    synced: u64,
    /// Somebody waits for this much.
    wanted: u64,
    /// Records of public topics that wait to be shown: log length, partition, end.
    public: VecDeque<(u64, Slot, i64)>,
    failed: Option<Failure>,
    closing: bool,
}

impl Shared {
    fn sync_state(&self) -> MutexGuard<'_, SyncState> {
        self.sync.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the log is now `lsn` long, and which public records came with that.
    pub fn note_written(&self, lsn: u64, public: Vec<(Slot, i64)>) {
        let mut sync = self.sync_state();
        let was_clean = sync.written <= sync.synced;
        sync.written = sync.written.max(lsn);
        if !public.is_empty() {
            sync.wanted = sync.wanted.max(lsn);
            sync.public.extend(public.into_iter().map(|(slot, end)| (lsn, slot, end)));
            self.sync_changed.notify_all();
        } else if was_clean {
            self.sync_changed.notify_all();
        }
    }

    /// Returns when the log is on disk up to `lsn`.
    pub fn wait_synced(&self, lsn: u64) -> Result<()> {
        let mut sync = self.sync_state();
        if sync.synced < lsn && sync.wanted < lsn {
            sync.wanted = lsn;
            self.sync_changed.notify_all();
        }
        while sync.synced < lsn {
            if let Some(failure) = &sync.failed {
                return Err(failure.error());
            }
            sync = self.sync_changed.wait(sync).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until there is something to sync: at once when somebody waits, after a while otherwise. False at the end.
    fn await_work(&self, last_sync: Instant) -> bool {
        let mut sync = self.sync_state();
        loop {
            let dirty = sync.written > sync.synced;
            if sync.closing {
                return dirty && sync.failed.is_none();
            }
            let due = match (dirty, sync.wanted > sync.synced) {
                (true, true) => last_sync + Duration::from_millis(SYNC_GATHER_MS),
                (true, false) => last_sync + self.sync_interval(),
                (false, _) => {
                    sync = self.sync_changed.wait(sync).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            sync = self.sync_changed.wait_timeout(sync, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn sync_once(&self) -> Result<()> {
        let (segment, lsn) = self.newest();
        segment.file.sync_data().map_err(io_error("syncing", &segment.path))?;
        let mut shown = Vec::new();
        {
            let mut sync = self.sync_state();
            while let Some((_, slot, end)) = sync.public.pop_front_if(|(at, _, _)| *at <= lsn) {
                shown.push((slot, end));
            }
        }
        self.show_public(shown);
        let mut sync = self.sync_state();
        sync.synced = sync.synced.max(lsn);
        self.sync_changed.notify_all();
        Ok(())
    }
}

/// Runs the syncer until its handle is dropped.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>) -> Result<Self> {
        let body = shared.clone();
        let thread = std::thread::Builder::new()
            .name("log-sync".into())
            .spawn(move || run(&body))
            .map_err(io_error("starting the sync thread of", &shared.dir))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.sync_state().closing = true;
        self.shared.sync_changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sync thread of the log panicked");
        }
    }
}

fn run(shared: &Shared) {
    let mut last_sync = Instant::now();
    while shared.await_work(last_sync) {
        last_sync = Instant::now();
        if let Err(error) = shared.sync_once() {
            tracing::error!(%error, "the log cannot be synced and stops");
            shared.stop(&error);
            let mut sync = shared.sync_state();
            sync.failed = Some(Failure::of(&error));
            shared.sync_changed.notify_all();
            return;
        }
    }
}
