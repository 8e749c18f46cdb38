//! One partition in a shell: its task, how far it is, and what is to be committed.

use super::keeping::Keeping;
use super::snapshots::Progress;
use super::{Error, Opened, Restore};
use crate::log::{Assigned, Commit, Header, Publish, Record, Session, TopicPartition};
use crate::snapshot::Owner;
use flow::flaw::{Flaw, made};
use flow::outputs::Outputs;
use flow::processor::{InRecord, OutRecord, Stop, Task};
use flow::state::{INLINE_CHARS_MAX, head, headed, inline, split_pointer, with_pointer};

/// Bytes handed to a task at once, the last record not counted: what is decoded from them shall stay in the caches.
const HANDLE_BYTES_MAX: usize = 256 * 1024;

/// Takes finished records and leaves nothing of them.
pub(super) type Publisher<'a> = dyn FnMut(&mut Vec<OutRecord>) -> Result<(), Error> + 'a;

/// A partition this process owns.
pub struct Slot {
    /// The partition.
    pub tp: TopicPartition,
    /// Its task.
    pub task: Box<dyn Task>,
    next: i64,
    dirty: bool,
    restore: Restore,
    restoring: Option<(i64, String)>,
    /// Records that were read again so far.
    again: u64,
    restored: Option<u64>,
    /// Whose task it is, until it is noted that this one has committed.
    pub(super) unnoted: Option<Owner>,
    pub(super) snapshots: Option<Progress>,
    /// Where its blob goes when it is too long for a commit and all of its state.
    pub(super) keeping: Option<Keeping>,
}

impl Slot {
    /// Places a task at its committed state; with [`Restore::Replay`] the session goes back to `from`, where a restored
    /// snapshot wants to be read on, or else to the log's start.
    pub(super) fn open(
        assigned: Assigned,
        opened: Opened,
        from: Option<i64>,
        session: &mut dyn Session,
    ) -> Result<Self, Error> {
        let Assigned { tp, committed, start, .. } = assigned;
        let (mut next, mut restoring) = (start, None);
        let has_begun = committed.as_ref().is_some_and(|committed| committed.offset > 0);
        if opened.restore == Restore::Replay && !has_begun && start > 0 {
            // What came first names its parents and their numbers.
            return Err(Error::LogStart { tp, start, needed: 0 });
        }
        if let Some(committed) = committed {
            next = committed.offset;
            if committed.metadata.is_empty() && committed.offset > 0 {
                return Err(Error::NoState { tp, offset: committed.offset });
            }
            if opened.restore == Restore::Metadata && headed(&committed.metadata).is_some() {
                return Err(Error::NoStore { tp, offset: committed.offset });
            }
            if opened.restore == Restore::Replay && committed.offset > 0 {
                let needed = from.unwrap_or(0);
                if start > needed {
                    return Err(Error::LogStart { tp, start, needed });
                }
                session.seek(&tp, needed)?;
                next = needed;
                restoring = Some((committed.offset, committed.metadata));
            }
        }
        let Opened { task, restore } = opened;
        let (again, restored, unnoted, snapshots, keeping) = (0, None, None, None, None);
        let mut slot =
            Slot { tp, task, next, dirty: false, restore, restoring, again, restored, unnoted, snapshots, keeping };
        slot.verify_reached(next)?;
        Ok(slot)
    }

    /// Whether the task is still being restored.
    pub fn restoring(&self) -> bool {
        self.restoring.is_some()
    }

    /// How many records were read again, once the task has come to where it was committed.
    pub(super) fn take_restored(&mut self) -> Option<u64> {
        self.restored.take()
    }

    /// Whose task this is, when it has just committed for the first time since it was opened.
    pub(super) fn take_unnoted(&mut self) -> Option<Owner> {
        let committed = !self.dirty && !self.restoring() && self.next > 0;
        if committed { self.unnoted.take() } else { None }
    }

    /// The next offset the task will read.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// Hands records to the task. What it makes of them goes to `out`, and to `publish` when that is full; outputs of
    /// restored ones are suppressed.
    pub(super) fn handle(
        &mut self,
        records: Vec<Record>,
        out: &mut Outputs,
        publish: &mut Publisher<'_>,
    ) -> Result<(), Error> {
        let mut records: Vec<InRecord> = records.into_iter().map(incoming).collect();
        if let Some(until) = self.restoring.as_ref().map(|(until, _)| *until) {
            let live = records.split_off(records.partition_point(|record| record.offset < until));
            self.again += records.len() as u64;
            self.give(&records, !made(Flaw::OutputsUnsuppressed), out, publish)?;
            self.verify_reached(live.first().map_or(self.next, |record| record.offset))?;
            records = live;
        }
        self.give(&records, false, out, publish)
    }

    fn give(
        &mut self,
        records: &[InRecord],
        suppressed: bool,
        out: &mut Outputs,
        publish: &mut Publisher<'_>,
    ) -> Result<(), Error> {
        let mut rest = records;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(handful(rest));
            self.task.draft(part, suppressed, out)?;
            if out.is_full() {
                self.task.seal(out)?;
                publish(&mut out.records)?;
            }
            rest = later;
        }
        if let Some(last) = records.last() {
            self.next = last.offset + 1;
            self.dirty |= !suppressed;
        }
        Ok(())
    }

    /// Ends the restore where everything below the committed offset was read: the numbers must be the committed ones.
    fn verify_reached(&mut self, next: i64) -> Result<(), Error> {
        let Some((offset, committed)) = self.restoring.take_if(|(offset, _)| *offset <= next) else { return Ok(()) };
        self.restored = Some(self.again);
        let (found, (committed, _)) = (self.task.metadata(), split_pointer(&committed));
        if found == committed {
            return Ok(());
        }
        match inline(found) {
            found if found == committed => Ok(()),
            found => Err(Error::Restored { tp: self.tp.clone(), offset, found, committed }),
        }
    }

    /// Marks the slot as having something to commit although no record came, such as a raised mark.
    pub fn touch(&mut self) {
        self.dirty = true;
    }

    /// What to commit now, if anything: pending marks go to `out` first.
    pub fn pending(&mut self, out: &mut Outputs) -> Result<Option<Commit>, Error> {
        if !self.dirty || self.restoring() {
            return Ok(None);
        }
        self.task.resume(out)?;
        self.dirty = false;
        let commit = self.commit()?;
        Ok(Some(Commit { offset: commit.offset - i64::from(made(Flaw::OffsetOfLast)), ..commit }))
    }

    /// A commit of what was handled. It carries the task's blob, or the head of one that is too long, and where the newest
    /// snapshot is.
    pub fn commit(&mut self) -> Result<Commit, Error> {
        let (tp, offset, text) = (self.tp.clone(), self.next, self.task.metadata());
        let metadata = match (self.restore, &mut self.keeping) {
            (Restore::Replay, _) => inline(text),
            (Restore::Metadata, Some(keeping)) if text.len() > INLINE_CHARS_MAX => {
                let kept = keeping.keep(offset, &text).map_err(Box::new);
                head(&text, Some(kept.map_err(|source| Error::Kept { tp: tp.clone(), offset, source })?))
            }
            (Restore::Metadata, _) => text,
        };
        let pointer = self.snapshots.as_ref().and_then(|progress| progress.pointer.as_ref());
        let metadata = match pointer {
            Some(pointer) => with_pointer(&metadata, pointer),
            None => metadata,
        };
        Ok(Commit { tp, offset, metadata })
    }
}

/// Makes records of all drafts that these tasks gave: those of one partition together.
pub fn seal(slots: &mut [Slot], out: &mut Outputs) -> Result<(), Stop> {
    slots.iter_mut().try_for_each(|slot| slot.task.seal(out))
}

/// How many records make up [`HANDLE_BYTES_MAX`].
fn handful(records: &[InRecord]) -> usize {
    let mut bytes = 0;
    let full = records.iter().position(|record| {
        bytes += record.value.as_ref().map_or(0, bytes::Bytes::len);
        bytes >= HANDLE_BYTES_MAX
    });
    full.map_or(records.len(), |at| at + 1)
}

/// A record as tasks take it.
pub fn incoming(record: Record) -> InRecord {
    let Record { offset, append_time_ms, key, value, headers } = record;
    let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
    InRecord { offset, append_time_ms, key, value, headers }
}

/// A task's output as the session takes it.
pub fn outgoing(record: OutRecord) -> Publish {
    let OutRecord { topic, partition, key, value, headers } = record;
    let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
    Publish { topic, partition: partition.map(i32::from), key, value, headers }
}
