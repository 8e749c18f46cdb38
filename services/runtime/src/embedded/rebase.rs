//! Records that are deleted or superseded give their room back: old segments are written anew as one that holds what is
//! left of them.
//!
//! The new segment, the _base_, takes the place of the newest of those it stands for; its first frame names every topic
//! and commit, and where every partition begins and goes on. It is written aside, synced, and gets its name in one step;
//! then the others are deleted. A process that dies before the step leaves the log as it was, and one that dies after it
//! leaves files that the next start deletes. Readers go on meanwhile, in files that they have open.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::compaction::{Superseded, by_segment, thinned};
use super::frame::{CommitEntry, Meta, RunEntry, StartEntry, TopicEntry};
use super::index::SegmentIndex;
use super::segment::{Segment, io_error, scan, sync_dir};
use super::state::{Slot, State, place, slots};
use super::writer::Shared;
use crate::log::Result;

/// How a segment ends that is being written.
const UNFINISHED: &str = "new";

/// Deletes what a process left that died while it wrote a base.
pub(super) fn sweep(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(io_error("listing", dir))? {
        let path = entry.map_err(io_error("listing", dir))?.path();
        if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            fs::remove_file(&path).map_err(io_error("deleting", &path))?;
        }
    }
    Ok(())
}

/// Writes the oldest segments anew if at least half of what they hold is deleted or superseded; says how many bytes that
/// gave back.
pub(super) fn reclaim(shared: &Shared, superseded: &Superseded) -> Result<u64> {
    let _one_at_a_time = shared.rebasing.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = shared.tail().number as u32;
    let (number, old, starts) = {
        let mut state = shared.state();
        state.check_running()?;
        let Some(number) = worth_it(&mut state, newest, superseded) else { return Ok(0) };
        let first = state.first_segment;
        let old: Vec<(u32, Arc<Segment>)> = (first..=number).map(|at| (at, state.segment(at).clone())).collect();
        let starts: HashMap<Slot, i64> = slots(&mut state.topics).map(|(slot, found)| (slot, found.start)).collect();
        (number, old, starts)
    };
    let before = bytes(old.iter().map(|(_, segment)| segment))?;
    let what = What { starts: &starts, superseded };
    let (base, index) = write(&shared.dir, number, &old, what)?;
    let after = bytes([&base].into_iter())?;
    shared.state().rebase(number, base, index);
    shared.old.clear();
    for (_, segment) in old.iter().filter(|(at, _)| *at != number) {
        fs::remove_file(&segment.path).map_err(io_error("deleting", &segment.path))?;
    }
    tracing::info!(segments = old.len(), before, after, "deleted records of the log gave their room back");
    Ok(before.saturating_sub(after))
}

/// The last segment of the longest beginning of the log of which at least half is deleted. Then no more is written than
/// is deleted, however often it happens.
fn worth_it(state: &mut State, newest: u32, superseded: &Superseded) -> Option<u32> {
    let mut sizes: HashMap<u32, (u64, u64)> = HashMap::new();
    for (slot, partition) in slots(&mut state.topics) {
        let thin = superseded.get(&slot).map(|offsets| by_segment(partition, offsets)).unwrap_or_default();
        for chapter in partition.chapters.iter().filter(|chapter| chapter.segment < newest) {
            let gone = match chapter.end <= partition.start {
                true => chapter.bytes,
                false => thin.get(&chapter.segment).map_or(0, |bytes| chapter.bytes.min(*bytes)),
            };
            let (dead, live) = sizes.entry(chapter.segment).or_default();
            *dead += gone;
            *live += chapter.bytes - gone;
        }
    }
    let (mut dead, mut live, mut found) = (0, 0, None);
    for number in state.first_segment..newest {
        let (more_dead, more_live) = sizes.get(&number).copied().unwrap_or_default();
        (dead, live) = (dead + more_dead, live + more_live);
        if dead > 0 && dead >= live {
            found = Some(number);
        }
    }
    found
}

fn bytes<'s>(segments: impl Iterator<Item = &'s Arc<Segment>>) -> Result<u64> {
    let len = |segment: &Arc<Segment>| Ok(segment.file.metadata().map_err(io_error("reading", &segment.path))?.len());
    segments.map(len).sum()
}

/// What does not come into the base.
#[derive(Clone, Copy)]
struct What<'a> {
    /// Where partitions begin.
    starts: &'a HashMap<Slot, i64>,
    superseded: &'a Superseded,
}

impl What<'_> {
    /// The first offset of a run that stays.
    fn first_kept(&self, run: &RunEntry) -> Option<i64> {
        let slot = (run.topic, run.partition);
        let end = run.base + i64::from(run.count);
        if end <= self.starts.get(&slot).copied().unwrap_or(0) {
            return None;
        }
        match self.superseded.get(&slot) {
            None => Some(run.base),
            Some(offsets) => (run.base..end).find(|offset| !offsets.contains_key(offset)),
        }
    }

    /// What of a run goes while the rest stays.
    fn thins(&self, run: &RunEntry) -> Option<&BTreeMap<i64, u64>> {
        let offsets = self.superseded.get(&(run.topic, run.partition))?;
        offsets.range(run.base..run.base + i64::from(run.count)).next().map(|_| offsets)
    }
}

/// Writes the base, and gives it its name.
fn write(dir: &Path, number: u32, old: &[(u32, Arc<Segment>)], what: What<'_>) -> Result<(Arc<Segment>, SegmentIndex)> {
    let (_, newest) = &old[old.len() - 1];
    let aside = newest.path.with_extension(UNFINISHED);
    let failed = || io_error("writing", &aside);
    let options = || OpenOptions::new().read(true).append(true).create(true).truncate(false).open(&aside);
    // A base that could not be finished, for lack of room perhaps, is begun again.
    File::create(&aside).map_err(failed())?;
    let file = options().map_err(failed())?;
    let written = Base { out: BufWriter::new(&file), path: &aside, position: 0, index: SegmentIndex::new() }
        .write(number, old, what)
        .and_then(|index| file.sync_data().map(|()| index).map_err(failed()));
    let index = match written {
        Ok(index) => index,
        Err(error) => {
            // The first error is the one to report; what is left is deleted by the next start.
            let _ = fs::remove_file(&aside);
            return Err(error);
        }
    };
    fs::rename(&aside, &newest.path).map_err(io_error("replacing", &newest.path))?;
    sync_dir(dir)?;
    Ok((Arc::new(Segment { path: newest.path.clone(), file }), index))
}

/// A base being written.
struct Base<'a> {
    out: BufWriter<&'a File>,
    path: &'a Path,
    position: u64,
    index: SegmentIndex,
}

impl Base<'_> {
    fn write(mut self, number: u32, old: &[(u32, Arc<Segment>)], what: What<'_>) -> Result<SegmentIndex> {
        // First everything but the records, as the first frame has to tell it.
        let (mut scratch, mut next) = (State::default(), HashMap::new());
        for (at, segment) in old {
            scan(segment, false, |bodies_at, meta| {
                for run in &meta.runs {
                    if let Some(first) = what.first_kept(run) {
                        next.entry((run.topic, run.partition)).or_insert(first);
                    }
                }
                scratch.replay(*at as usize, bodies_at, meta)
            })?;
        }
        let first = first_frame(&mut scratch, what.starts, &next);
        self.frame(&first, &[])?;
        for (_, segment) in old {
            let mut failure = None;
            let copied = scan(segment, false, |bodies_at, meta| {
                let copied = self.copy(number, segment, bodies_at, &meta, what);
                copied.map_err(|error| failure.insert(error).to_string())
            });
            match failure {
                Some(error) => return Err(error),
                None => copied?,
            };
        }
        self.out.flush().map_err(io_error("writing", self.path))?;
        Ok(self.index)
    }

    /// Copies the runs of one frame that are kept.
    fn copy(&mut self, number: u32, segment: &Segment, bodies_at: u64, meta: &Meta, what: What<'_>) -> Result<()> {
        let (mut at, mut kept) = (bodies_at, Vec::new());
        for run in &meta.runs {
            if what.first_kept(run).is_some() {
                let body = Bytes::from(segment.read_at(at, run.len as usize)?);
                if crc32fast::hash(&body) != run.crc {
                    return Err(segment.corrupt(at, "the checksum of its records does not match"));
                }
                match what.thins(run) {
                    Some(superseded) => kept.extend(thinned(run, body, superseded)),
                    None => kept.push((*run, body)),
                }
            }
            at += u64::from(run.len);
        }
        if kept.is_empty() {
            return Ok(());
        }
        let (runs, bodies): (Vec<RunEntry>, Vec<Bytes>) = kept.into_iter().unzip();
        let kept = Meta { append_time_ms: meta.append_time_ms, runs, ..Meta::default() };
        let mut position = self.frame(&kept, &bodies)?;
        for run in &kept.runs {
            let placed = place(run, meta.append_time_ms, number as usize, position, None);
            self.index.entry((run.topic, run.partition)).or_default().push(placed);
            position += u64::from(run.len);
        }
        Ok(())
    }

    /// Writes a frame; says where its bodies begin.
    fn frame(&mut self, meta: &Meta, bodies: &[Bytes]) -> Result<u64> {
        let header = meta.encode();
        let bodies_at = self.position + header.len() as u64;
        for bytes in std::iter::once(header.as_slice()).chain(bodies.iter().map(|body| &body[..])) {
            self.out.write_all(bytes).map_err(io_error("writing", self.path))?;
            self.position += bytes.len() as u64;
        }
        Ok(bodies_at)
    }
}

/// What a log that begins with this frame knows: topics, commits, and where partitions begin and go on.
fn first_frame(scratch: &mut State, starts: &HashMap<Slot, i64>, next: &HashMap<Slot, i64>) -> Meta {
    let mut topics = Vec::with_capacity(scratch.topics.len());
    for (number, topic) in scratch.topics.iter().enumerate() {
        let (name, compacted, public) = (topic.name.to_string(), topic.compacted, topic.public);
        topics.push(TopicEntry { name: name.clone(), partitions: topic.partitions.len() as i32, compacted, public });
        // A deleted one keeps its number, and gives its name back for a later one.
        if scratch.by_name.get(&topic.name) != Some(&(number as u32)) {
            topics.push(TopicEntry { name, partitions: 0, compacted, public });
        }
    }
    let mut commits: Vec<CommitEntry> = Vec::new();
    for (group, of) in &scratch.commits {
        commits.extend(of.iter().map(|((topic, partition), committed)| CommitEntry {
            group: group.clone(),
            topic: *topic,
            partition: *partition,
            offset: committed.offset,
            metadata: committed.metadata.clone(),
        }));
    }
    commits.sort_by(|a, b| (&a.group, a.topic, a.partition).cmp(&(&b.group, b.topic, b.partition)));
    let append_time_ms = scratch.last_time_ms;
    let starts = slots(&mut scratch.topics).map(|(slot, partition)| {
        let start = starts.get(&slot).copied().unwrap_or(partition.start);
        let next = next.get(&slot).copied().unwrap_or(partition.end);
        StartEntry { topic: slot.0, partition: slot.1, start, next }
    });
    Meta { append_time_ms, topics, commits, starts: starts.collect(), base: true, ..Meta::default() }
}
