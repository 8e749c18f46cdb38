//! From runs to records: bodies from memory where they are, else from the segment files in large reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::frame::records;
use super::segment::Segment;
use super::state::{Run, Slot, State};
use crate::log::{Record, Result};

/// Largest stretch of a segment that is read at once.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Smallest buffer for reading, so that most reads find one that is large enough.
const CHUNK_BYTES_MIN: usize = 256 * 1024;
/// Buffers for reading that a session remembers.
const CHUNKS_MAX: usize = 16;
/// Bodies are read together with what lies between them when that is no more: copying this much costs about as much
/// as another call.
const GAP_BYTES_MAX: u64 = 16 * 1024;
/// Shorter reads go into memory of their own.
const SHARED_CHUNK_BYTES_MIN: usize = 64 * 1024;

/// Buffers for reading, used again when nothing that was read into them is alive any more.
#[derive(Default)]
pub(super) struct Chunks {
    lent: VecDeque<Bytes>,
}

impl Chunks {
    fn read(&mut self, segment: &Segment, position: u64, len: usize) -> Result<Bytes> {
        if len < SHARED_CHUNK_BYTES_MIN {
            return segment.read_at(position, len).map(Bytes::from);
        }
        let free = self.lent.iter().position(|chunk| chunk.len() >= len && chunk.is_unique());
        let reused = free.and_then(|index| self.lent.remove(index)).and_then(|chunk| chunk.try_into_mut().ok());
        let mut buffer = reused.unwrap_or_else(|| BytesMut::zeroed(len.max(CHUNK_BYTES_MIN)));
        segment.read_into(position, &mut buffer[..len])?;
        let chunk = buffer.freeze();
        self.lent.push_back(chunk.clone());
        if self.lent.len() > CHUNKS_MAX {
            self.lent.pop_front();
        }
        Ok(chunk.slice(..len))
    }
}

/// Runs of one partition to be read, taken out of the state so that reading needs no lock.
pub(super) struct Job {
    pub slot: Slot,
    /// The first offset wanted.
    pub from: i64,
    records_max: usize,
    runs: Vec<Run>,
    segments: Vec<Arc<Segment>>,
}

/// How much a poll may still return.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub records: usize,
    pub bytes: usize,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

/// Picks the runs of a partition from an offset on, within the budget. `None` when there is nothing to read.
pub(super) fn plan(state: &State, slot: Slot, from: i64, budget: &mut Budget) -> Option<Job> {
    let partition = state.partition(slot);
    if from >= partition.visible || budget.is_spent() {
        return None;
    }
    let mut job = Job { slot, from, records_max: budget.records, runs: Vec::new(), segments: Vec::new() };
    let first = partition.run_at(from);
    for run in partition.runs[first..].iter().take_while(|run| run.base < partition.visible) {
        let fresh = (run.end() - from.max(run.base)) as usize;
        job.segments.push(state.segments[run.segment as usize].clone());
        job.runs.push(run.clone());
        budget.records = budget.records.saturating_sub(fresh);
        budget.bytes = budget.bytes.saturating_sub(run.len as usize);
        if budget.is_spent() {
            break;
        }
    }
    Some(job)
}

impl Job {
    /// Reads the records.
    pub fn read(mut self, chunks: &mut Chunks) -> Result<Vec<Record>> {
        self.load(chunks)?;
        let mut read = Vec::new();
        for run in self.runs {
            let Some(body) = run.body else { continue };
            let room = self.records_max - read.len();
            read.extend(records(body, run.base, run.count, run.append_time_ms, self.from).take(room));
            if read.len() == self.records_max {
                break;
            }
        }
        Ok(read)
    }

    /// Fetches the bodies that are not in memory, neighbours in one read.
    fn load(&mut self, chunks: &mut Chunks) -> Result<()> {
        let mut index = 0;
        while index < self.runs.len() {
            if self.runs[index].body.is_some() {
                index += 1;
                continue;
            }
            let end = self.stretch(index);
            let position = self.runs[index].position;
            let last = &self.runs[end - 1];
            let len = last.position + u64::from(last.len) - position;
            let segment = self.segments[index].clone();
            let bytes = chunks.read(&segment, position, len as usize)?;
            for run in &mut self.runs[index..end] {
                let at = (run.position - position) as usize;
                let body = bytes.slice(at..at + run.len as usize);
                if crc32fast::hash(&body) != run.crc {
                    return Err(segment.corrupt(run.position, "the checksum of its records does not match"));
                }
                run.body = Some(body);
            }
            index = end;
        }
        Ok(())
    }

    /// The end of the runs that are worth reading together with the one at `first`.
    fn stretch(&self, first: usize) -> usize {
        let segment = self.runs[first].segment;
        let begin = self.runs[first].position;
        let mut read_to = begin + u64::from(self.runs[first].len);
        let mut end = first + 1;
        while let Some(run) = self.runs.get(end) {
            let run_end = run.position + u64::from(run.len);
            let together = run.body.is_none()
                && run.segment == segment
                && run.position - read_to <= GAP_BYTES_MAX
                && run_end - begin <= READ_BYTES_MAX;
            if !together {
                break;
            }
            read_to = run_end;
            end += 1;
        }
        end
    }
}
