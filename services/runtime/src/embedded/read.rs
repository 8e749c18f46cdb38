//! From runs to records: bodies from memory where they are, else from the segment files in large reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::body::{RunRecords, records};
use super::index::OldIndexes;
use super::segment::Segment;
use super::state::{Run, Slot, State, run_at};
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
        let mut buffer = reused.unwrap_or_else(|| BytesMut::zeroed(len.next_power_of_two().max(CHUNK_BYTES_MIN)));
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
    from: i64,
    /// The end that readers see.
    visible: i64,
    share: Budget,
    /// Records that an earlier poll read and had no room for; they come before the runs.
    rest: Option<RunRecords>,
    /// An old segment, whose runs are still to be looked up.
    old: Option<u32>,
    runs: Vec<Run>,
    segments: Vec<Arc<Segment>>,
}

/// How much may be read.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub records: usize,
    pub bytes: usize,
}

/// Picks the runs of a partition from an offset on, within its share, behind what is left of the last one read. `None`
/// when there is nothing to read.
pub(super) fn plan(
    state: &State,
    slot: Slot,
    (from, rest): (i64, Option<RunRecords>),
    mut share: Budget,
) -> Option<Job> {
    let partition = state.partition(slot);
    let visible = partition.visible;
    if from >= visible || share.records == 0 || share.bytes == 0 {
        return None;
    }
    let after = rest.as_ref().map_or(from, RunRecords::end);
    if let Some(rest) = &rest {
        share.records = share.records.saturating_sub(rest.len());
        share.bytes = share.bytes.saturating_sub(rest.bytes());
    }
    let mut job = Job { slot, from: after, visible, share, rest, old: None, runs: Vec::new(), segments: Vec::new() };
    if share.records == 0 || share.bytes == 0 || after >= visible {
        return Some(job);
    }
    let from = after;
    for chapter in &partition.chapters[partition.chapter_at(from)..] {
        let segment = state.segment(chapter.segment);
        match &chapter.runs {
            Some(runs) if job.pick(runs, segment) => {}
            None if job.runs.is_empty() => {
                job.old = Some(chapter.segment);
                job.segments.push(segment.clone());
                break;
            }
            _ => break,
        }
    }
    Some(job)
}

impl Job {
    /// Adds runs while there is room; false when there is none left.
    fn pick(&mut self, runs: &[Run], segment: &Arc<Segment>) -> bool {
        for run in &runs[run_at(runs, self.from)..] {
            if self.share.records == 0 || self.share.bytes == 0 || run.base >= self.visible {
                return false;
            }
            let fresh = (run.end() - self.from.max(run.base)) as usize;
            self.share.records = self.share.records.saturating_sub(fresh);
            self.share.bytes = self.share.bytes.saturating_sub(run.len as usize);
            self.segments.push(segment.clone());
            self.runs.push(run.clone());
        }
        true
    }

    /// Reads the records, at most `records_max`; gives back what of the last run is left.
    pub fn read(
        mut self,
        records_max: usize,
        old: &OldIndexes,
        chunks: &mut Chunks,
    ) -> Result<(Vec<Record>, Option<RunRecords>)> {
        if let Some(number) = self.old
            && let Some(segment) = self.segments.pop()
        {
            let index = old.get(number, &segment)?;
            self.pick(index.get(&self.slot).map_or(&[], Vec::as_slice), &segment);
        }
        self.load(chunks)?;
        let runs = self.runs.into_iter().filter_map(|run| {
            let body = run.body?;
            Some(records(body, run.base, run.count, run.append_time_ms, self.from))
        });
        let mut read = Vec::new();
        for mut run in self.rest.into_iter().chain(runs) {
            let room = records_max - read.len();
            read.extend(run.by_ref().take(room));
            if read.len() == records_max {
                return Ok((read, (run.len() > 0).then_some(run)));
            }
        }
        Ok((read, None))
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
