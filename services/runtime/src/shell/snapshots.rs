//! When a shell takes snapshots of its tasks, and how a task begins with one.
//!
//! Between two polls a task's state is cut, or a bounded number of its changed entries is collected; all the rest happens
//! in a thread of its own. The pointer goes into the first commit after the snapshot is written.

use super::keeping::Keeping;
use super::slot::Slot;
use super::{Error, Options, Restore, Service};
use crate::log::{Assigned, Committed, Session};
use crate::snapshot::{Cut, Done, Loaded, Name, Owner, Settings, Writer};
use flow::flaw::{Flaw, made};
use flow::processor::Stop;
use flow::state::{Pointer, headed, split_pointer};
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
        let (vault, in_turn) = (settings.vault.clone(), settings.in_turn);
        let writer = if in_turn { Ok(Writer::in_turn(vault)) } else { Writer::start(vault) };
        let writer = writer
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
        let mut assigned = assigned;
        let (log, partition) = (assigned.tp.topic.to_string(), assigned.tp.partition);
        let owner = Owner { group: self.group.clone(), log, partition };
        self.check_begun(&owner, &assigned)?;
        let kept = self.whole(&owner, &mut assigned)?;
        let mut opened = service.open(&assigned.tp, assigned.committed.as_ref())?;
        if opened.task.state().is_none() {
            let is_kept = opened.restore == Restore::Metadata;
            let mut slot = Slot::open(assigned, opened, None, session)?;
            slot.unnoted = Some(owner.clone());
            slot.keeping = is_kept.then(|| Keeping::new(self.settings.vault.clone(), owner, kept));
            return Ok(slot);
        }
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
        let restored = restored.map(|(_, loaded)| loaded);
        self.writer.open(owner.clone(), restored.as_ref().map(|loaded| &loaded.manifest));
        let (position, pointer) = match restored {
            Some(Loaded { name, .. }) => {
                (name.position, Some(Pointer { position: name.position, digest: name.digest }))
            }
            None => (0, None),
        };
        slot.unnoted = Some(owner.clone());
        let (begun, busy, committed) = (Instant::now(), Duration::ZERO, pointer.clone());
        slot.snapshots = Some(Progress { owner, phase: Phase::Idle, begun, busy, position, pointer, committed });
        Ok(slot)
    }

    /// A task without a commit begins at the start, unless it has committed before: then the commit was lost.
    fn check_begun(&self, owner: &Owner, assigned: &Assigned) -> Result<(), Error> {
        if assigned.committed.as_ref().is_some_and(|committed| committed.offset > 0 || !committed.metadata.is_empty()) {
            return Ok(());
        }
        let begun = self.settings.vault.begun(owner);
        let unknown = |error| Stop::Other(format!("whether {owner} has worked before cannot be looked up: {error}"));
        if begun.map_err(unknown)? { Err(Error::Lost { tp: assigned.tp.clone() }) } else { Ok(()) }
    }

    /// Puts a commit's whole blob in the place of its head, where the store keeps it, and says where.
    fn whole(&self, owner: &Owner, assigned: &mut Assigned) -> Result<Option<Pointer>, Error> {
        let Some(committed) = &mut assigned.committed else { return Ok(None) };
        let Some((_, Some(pointer))) = headed(&committed.metadata) else { return Ok(None) };
        let (tp, offset) = (assigned.tp.clone(), committed.offset);
        let kept = self.settings.vault.kept(owner, &pointer).map_err(Box::new);
        committed.metadata = kept.map_err(|source| Error::Kept { tp, offset, source })?;
        Ok(Some(pointer))
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
        names.retain(|name| name.position <= committed.offset || made(Flaw::SnapshotAhead));
        if made(Flaw::SnapshotsUnused) {
            names.clear();
        }
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
        self.writer.done().for_each(|done| take(done, slots));
        for slot in slots {
            self.advance(slot, |progress, next, noted_bytes| self.is_due(progress, next, noted_bytes));
        }
    }

    /// Takes a last snapshot of the slots that are meant, where something came since the one before. What is not written
    /// in time is read again from the log.
    pub(super) fn finish(&self, slots: &mut [Slot], meant: impl Fn(&Slot) -> bool, until: Instant) {
        loop {
            self.writer.done().for_each(|done| take(done, slots));
            let (mut collecting, mut unwritten) = (false, 0);
            for slot in slots.iter_mut().filter(|slot| meant(slot)) {
                self.advance(slot, |progress, next, _| next > progress.position);
                let phase = slot.snapshots.as_ref().map_or(&Phase::Idle, |progress| &progress.phase);
                collecting |= matches!(phase, Phase::Collecting(..));
                unwritten += usize::from(!matches!(phase, Phase::Idle));
            }
            let left = until.saturating_duration_since(Instant::now());
            if unwritten == 0 {
                return;
            }
            let done = if collecting || left.is_zero() { None } else { self.writer.wait(left) };
            match done {
                Some(done) => take(done, slots),
                None if collecting && !left.is_zero() => {}
                None => return warn!(group = %self.group, unwritten, "no time is left for the last snapshots"),
            }
        }
    }

    /// Begins with a snapshot of the slot if one is due, or goes on with the one that was begun.
    fn advance(&self, slot: &mut Slot, is_due: impl Fn(&Progress, i64, usize) -> bool) {
        let next = slot.next();
        let Slot { task, snapshots: Some(progress), .. } = slot else { return };
        let Some(state) = task.state() else { return };
        if matches!(progress.phase, Phase::Idle) && is_due(progress, next, state.noted_bytes()) {
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

    fn is_due(&self, progress: &Progress, next: i64, noted_bytes: usize) -> bool {
        let pause = self.settings.interval.max(progress.busy * PAUSE_FACTOR);
        let is_time = progress.begun.elapsed() >= pause || noted_bytes >= NOTED_BYTES_MAX;
        next > progress.position && (self.settings.in_turn || is_time)
    }

    /// Tells the writer which pointers were committed.
    pub(super) fn committed(&self, slots: &mut [Slot]) {
        for slot in slots {
            if let Some(owner) = slot.take_unnoted() {
                self.writer.begun(owner);
            }
            if let Some(keeping) = &mut slot.keeping {
                let gone = keeping.committed();
                if !gone.is_empty() {
                    self.writer.gone(keeping.owner.clone(), gone);
                }
            }
            let restoring = slot.restoring();
            let Some(progress) = slot.snapshots.as_mut().filter(|_| !restoring) else { continue };
            if let Some(pointer) = progress.pointer.as_ref().filter(|_| progress.pointer != progress.committed) {
                self.writer.committed(progress.owner.clone(), pointer.clone());
                progress.committed = progress.pointer.clone();
            }
        }
    }
}

/// Notes what came of a cut; the pointer goes into the next commit.
fn take(done: Done, slots: &mut [Slot]) {
    let slot = slots.iter_mut().find(|slot| slot.snapshots.as_ref().is_some_and(|own| own.owner == done.owner));
    let Some(slot) = slot else { return };
    if let Some(progress) = &mut slot.snapshots {
        progress.phase = Phase::Idle;
        if done.pointer.is_some() {
            progress.pointer = done.pointer;
            slot.touch();
        }
    }
}
