//! The one place where the log is written: frames go to the newest segment in order, and become visible after it.

use std::io::{IoSlice, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::failure::Failure;
use super::frame::{CommitEntry, Meta, RunEntry, StartEntry, TopicEntry};
use super::index::{INDEXED_SEGMENTS, OldIndexes};
use super::pool::Pool;
use super::segment::{Segment, io_error};
use super::state::{Slot, State, place};
use super::sync::SyncState;
use super::{Clock, Options};
use crate::log::{Error, Result};

/// The records of one partition in an append, encoded.
pub(super) struct NewRun {
    pub slot: Slot,
    pub count: u32,
    pub body: Bytes,
}

/// Everything that one append writes.
#[derive(Default)]
pub(super) struct Append {
    pub topics: Vec<TopicEntry>,
    pub runs: Vec<NewRun>,
    pub commits: Vec<CommitEntry>,
    pub starts: Vec<StartEntry>,
}

/// The newest segment, and where it ends.
pub(super) struct Tail {
    pub number: usize,
    pub segment: Arc<Segment>,
    pub bytes: u64,
    /// Bytes ever written to the log: a frame's place in time.
    pub written: u64,
}

/// What all handles and sessions of one log share.
pub(super) struct Shared {
    pub dir: PathBuf,
    pub options: Options,
    pub clock: Clock,
    pub state: Mutex<State>,
    /// Taken before `state`, so that readers are not held up by a write.
    pub tail: Mutex<Tail>,
    pub pool: Pool,
    pub old: OldIndexes,
    /// Held by whoever writes old segments anew.
    pub rebasing: Mutex<()>,
    /// The newest segment when superseded records were looked for last.
    pub compacted: Mutex<Option<usize>>,
    pub sync: Mutex<SyncState>,
    pub sync_changed: Condvar,
}

impl Shared {
    /// The state, also after a panic elsewhere: every change to it is complete in itself.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest segment, which nobody appends to meanwhile.
    pub fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends everything as one frame. `check` sees the state under the same lock that orders the appends, and may
    /// refuse. Returns the log's length after it, to wait for with [`Shared::wait_synced`].
    pub fn append(&self, append: Append, check: impl FnOnce(&State) -> Result<()>) -> Result<u64> {
        let crcs: Vec<u32> = append.runs.iter().map(|run| crc32fast::hash(&run.body)).collect();
        let mut tail = self.tail();
        let meta = {
            let mut state = self.state();
            state.check_running()?;
            check(&state)?;
            stamp(&mut state, &self.clock, &append, &crcs)
        };
        let header = meta.encode();
        let bodies: Vec<Bytes> = append.runs.into_iter().map(|run| run.body).collect();
        let frame_bytes = header.len() as u64 + bodies.iter().map(|body| body.len() as u64).sum::<u64>();
        let written =
            self.roll_if_full(&mut tail, frame_bytes).and_then(|()| write_all(&tail.segment, &header, &bodies));
        if let Err(error) = written {
            self.stop(&error);
            return Err(error);
        }
        let mut position = tail.bytes + header.len() as u64;
        tail.bytes += frame_bytes;
        tail.written += frame_bytes;
        let (number, lsn) = (tail.number, tail.written);
        let mut public = Vec::new();
        let mut state = self.state();
        meta.topics.into_iter().for_each(|topic| state.add_topic(topic));
        for (entry, body) in meta.runs.iter().zip(bodies) {
            let slot = (entry.topic, entry.partition);
            let run = place(entry, meta.append_time_ms, number, position, Some(body));
            position += u64::from(entry.len);
            if state.topics[entry.topic as usize].public {
                public.push((slot, run.end()));
            }
            state.add_run(slot, run);
        }
        meta.commits.into_iter().for_each(|commit| state.add_commit(commit));
        for entry in &meta.starts {
            let partition = state.partition_mut((entry.topic, entry.partition));
            partition.start = partition.start.max(entry.start);
        }
        let forgotten = state.forget(self.options.memory_bytes_max);
        drop(state);
        forgotten.into_iter().for_each(|body| self.pool.put(body));
        self.note_written(lsn, public);
        Ok(lsn)
    }

    /// Begins a new segment when the frame would not fit into the newest one.
    fn roll_if_full(&self, tail: &mut Tail, frame_bytes: u64) -> Result<()> {
        if tail.bytes == 0 || tail.bytes + frame_bytes <= self.options.segment_bytes_max {
            return Ok(());
        }
        tail.segment.file.sync_data().map_err(io_error("syncing", &tail.segment.path))?;
        let segment = Arc::new(Segment::create(&self.dir, tail.number + 1)?);
        tail.number += 1;
        let mut state = self.state();
        state.segments.push(segment.clone());
        state.forget_index((tail.number + 1).saturating_sub(INDEXED_SEGMENTS) as u32);
        drop(state);
        tail.segment = segment;
        tail.bytes = 0;
        Ok(())
    }

    /// The newest segment and the log's length, for the syncer.
    pub fn newest(&self) -> (Arc<Segment>, u64) {
        let tail = self.tail();
        (tail.segment.clone(), tail.written)
    }

    /// Shows what reached the disk to the readers of public topics.
    pub fn show_public(&self, shown: Vec<(Slot, i64)>) {
        if !shown.is_empty() {
            let mut state = self.state();
            shown.into_iter().for_each(|(slot, end)| state.partition_mut(slot).show(end));
        }
    }

    /// Stops the log for good after a failed write: what is on disk is unknown from then on.
    pub fn stop(&self, error: &Error) {
        self.state().stopped = Some(Failure::of(error));
    }

    /// How long the syncer may leave data of internal topics unsynced.
    pub fn sync_interval(&self) -> Duration {
        Duration::from_millis(self.options.sync_interval_ms)
    }
}

/// Gives offsets and an append time to everything in an append.
fn stamp(state: &mut State, clock: &Clock, append: &Append, crcs: &[u32]) -> Meta {
    state.last_time_ms = state.last_time_ms.max(clock());
    let mut runs = Vec::with_capacity(append.runs.len());
    for (run, crc) in append.runs.iter().zip(crcs) {
        let partition = state.partition_mut(run.slot);
        let (topic, number) = run.slot;
        runs.push(RunEntry {
            topic,
            partition: number,
            base: partition.end,
            count: run.count,
            len: run.body.len() as u32,
            crc: *crc,
        });
        partition.end += i64::from(run.count);
    }
    Meta {
        append_time_ms: state.last_time_ms,
        topics: append.topics.clone(),
        runs,
        commits: append.commits.clone(),
        starts: append.starts.clone(),
        base: false,
    }
}

/// Writes a frame with as few calls and no copy of the bodies. A failure half-way leaves a torn tail, and the log stops.
fn write_all(segment: &Segment, header: &[u8], bodies: &[Bytes]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(bodies.len() + 1);
    slices.push(IoSlice::new(header));
    slices.extend(bodies.iter().map(|body| IoSlice::new(body)));
    let mut rest = slices.as_mut_slice();
    let mut file = &segment.file;
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io_error("writing", &segment.path)(std::io::ErrorKind::WriteZero.into())),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error("writing", &segment.path)(error)),
        }
    }
    Ok(())
}
