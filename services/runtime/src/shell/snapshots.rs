//! When a shell takes snapshots of its tasks, and how a task begins with one.
//!
//! Between two polls a task's state is cut, or a bounded number of its changed entries is collected; all the rest happens
//! in a thread of its own. The pointer goes into the first commit after the snapshot is written.

use super::slot::Slot;
use super::{Error, Options, Service};
use crate::log::{Assigned, Committed, Session};
use crate::snapshot::{Cut, Loaded, Name, Owner, Settings, Writer};
use flow::processor::Stop;
use flow::state::{Pointer, split_pointer};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Most entries collected between two polls.
const COLLECTED_MAX: usize = 4_096;
/// A snapshot is taken early when so many bytes of changes wait for it.
const NOTED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Between two snapshots lies at least this many times as long as the first took of the task's thread.
const PAUSE_FACTOR: u32 = 20;

/// Snapshots of the tasks of one session.
pub(super) struct Snapshots {
    settings: Settings,
    group: String,
    writer: Writer,
}

/// How far the snapshots of a slot are.
pub(super) struct Progress {
    owner: Owner,
    phase: Phase,
    /// When the last one began.
    begun: Instant,
    /// How long the task's thread was busy with it.
    busy: Duration,
    /// Its position. While a task is being restored, nothing before the position of its snapshot is its state.
    position: i64,
    pub(super) pointer: Option<Pointer>,
    committed: Option<Pointer>,
}

enum Phase {
    Idle,
    Collecting(i64, String),
    Writing,
}

impl Snapshots {
    /// Snapshots as the options want them.
    pub(super) fn start(options: &Options) -> Result<Option<Self>, Error> {
        let Some(settings) = options.snapshots.clone() else { return Ok(None) };
        let writer = Writer::start(settings.vault.clone())
            .map_err(|error| Stop::Other(format!("the thread that writes snapshots cannot be started: {error}")))?;
        Ok(Some(Snapshots { settings, group: options.group.clone(), writer }))
    }

    /// Opens a task at the newest good snapshot at or below its committed offset; without one, at the log's start.
    pub(super) fn open(
        &self,
        assigned: Assigned,
        service: &mut dyn Service,
        session: &mut dyn Session,
    ) -> Result<Slot, Error> {
        let mut opened = service.open(&assigned.tp, assigned.committed.as_ref())?;
        if opened.task.state().is_none() {
            return Slot::open(assigned, opened, None, session);
        }
        let tp = &assigned.tp;
        let owner = Owner { group: self.group.clone(), log: tp.topic.to_string(), partition: tp.partition };
        let mut restored = None;
        for name in self.candidates(&owner, assigned.committed.as_ref()) {
            let Some(state) = opened.task.state() else { break };
            let loaded = self.settings.vault.load(&owner, &name);
            match loaded.and_then(|loaded| Ok((loaded.restore(state)?, loaded))) {
                Ok(found) => {
                    restored = Some(found);
                    break;
                }
                Err(error) => {
                    warn!(%owner, position = name.position, %error, "snapshot refused, trying the one before it");
                    opened = service.open(&assigned.tp, assigned.committed.as_ref())?;
                }
            }
        }
        let from = restored.as_ref().map(|(from, _)| *from);
        self.tell(&owner, assigned.committed.as_ref(), restored.as_ref());
        if let Some(state) = opened.task.state() {
            state.track();
        }
        let mut slot = Slot::open(assigned, opened, from, session)?;
        let (position, pointer, files) = match restored {
            Some((_, Loaded { name, manifest, .. })) => {
                let pointer = Pointer { position: name.position, digest: name.digest };
                (name.position, Some(pointer), manifest.files)
            }
            None => (0, None, Vec::new()),
        };
        self.writer.open(owner.clone(), files);
        let (begun, busy, committed) = (Instant::now(), Duration::ZERO, pointer.clone());
        slot.snapshots = Some(Progress { owner, phase: Phase::Idle, begun, busy, position, pointer, committed });
        Ok(slot)
    }

    /// Snapshots at or below the committed offset, the newest first.
    fn candidates(&self, owner: &Owner, committed: Option<&Committed>) -> Vec<Name> {
        let Some(committed) = committed.filter(|committed| committed.offset > 0) else { return Vec::new() };
        let mut names = self.settings.vault.list(owner).unwrap_or_else(|error| {
            warn!(%owner, %error, "snapshots cannot be listed");
            Vec::new()
        });
        // A store may list late what it has.
        let pointer = split_pointer(&committed.metadata).1;
        names.extend(pointer.as_ref().map(Name::from));
        names.sort_unstable();
        names.dedup();
        names.retain(|name| name.position <= committed.offset);
        names.reverse();
        names
    }

    fn tell(&self, owner: &Owner, committed: Option<&Committed>, restored: Option<&(i64, Loaded)>) {
        let Some(committed) = committed.filter(|committed| committed.offset > 0) else { return };
        let offset = committed.offset;
        match restored {
            Some((from, loaded)) => {
                let position = loaded.manifest.position;
                info!(%owner, position, from, committed = offset, "state restored from a snapshot, reading on from there");
            }
            None => warn!(%owner, committed = offset, "no snapshot to restore from, reading the log from its start"),
        }
    }

    /// Goes on with the snapshots of all slots.
    pub(super) fn step(&self, slots: &mut [Slot]) {
        for done in self.writer.done() {
            let slot = slots.iter_mut().find(|slot| slot.snapshots.as_ref().is_some_and(|own| own.owner == done.owner));
            let Some(slot) = slot else { continue };
            if let Some(progress) = &mut slot.snapshots {
                progress.phase = Phase::Idle;
                if done.pointer.is_some() {
                    progress.pointer = done.pointer;
                    slot.touch();
                }
            }
        }
        for slot in slots {
            let next = slot.next();
            let Slot { task, snapshots: Some(progress), .. } = slot else { continue };
            let Some(state) = task.state() else { continue };
            if matches!(progress.phase, Phase::Idle) && self.is_due(progress, next, state.noted_bytes()) {
                progress.begun = Instant::now();
                progress.position = next;
                progress.phase = Phase::Collecting(next, state.cut());
                progress.busy = progress.begun.elapsed();
            } else if let Phase::Collecting(position, blob) = &mut progress.phase {
                let started = Instant::now();
                if let Some(changes) = state.collect(COLLECTED_MAX) {
                    let (owner, layout, blob) = (progress.owner.clone(), state.layout(), std::mem::take(blob));
                    self.writer.write(Cut { owner, position: *position, layout, blob, changes });
                    progress.phase = Phase::Writing;
                }
                progress.busy += started.elapsed();
            }
        }
    }

    fn is_due(&self, progress: &Progress, next: i64, noted_bytes: usize) -> bool {
        let pause = self.settings.interval.max(progress.busy * PAUSE_FACTOR);
        next > progress.position && (progress.begun.elapsed() >= pause || noted_bytes >= NOTED_BYTES_MAX)
    }

    /// Tells the writer which pointers were committed.
    pub(super) fn committed(&self, slots: &mut [Slot]) {
        for slot in slots {
            let restoring = slot.restoring();
            let Some(progress) = slot.snapshots.as_mut().filter(|_| !restoring) else { continue };
            if let Some(pointer) = progress.pointer.as_ref().filter(|_| progress.pointer != progress.committed) {
                self.writer.committed(progress.owner.clone(), pointer.clone());
                progress.committed = progress.pointer.clone();
            }
        }
    }
}
