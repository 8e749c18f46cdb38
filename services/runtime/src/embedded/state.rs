//! What the log holds, in memory: topics, where each run lies, commits, groups, and the newest bodies.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::failure::Failure;
use super::frame::{CommitEntry, Meta, RunEntry, TopicEntry};
use super::group::Group;
use super::index::SegmentIndex;
use super::segment::Segment;
use super::signal::Signal;
use crate::log::{Committed, Error, Result, TopicPartition};

/// A partition by number of its topic.
pub(super) type Slot = (u32, i32);

/// A run of records: where it lies, and its body while that is kept in memory.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub base: i64,
    pub count: u32,
    pub append_time_ms: i64,
    pub segment: u32,
    pub position: u64,
    pub len: u32,
    pub crc: u32,
    pub body: Option<Bytes>,
}

impl Run {
    /// The offset after its last record.
    pub fn end(&self) -> i64 {
        self.base + i64::from(self.count)
    }
}

/// The runs of a partition within one segment.
#[derive(Debug)]
pub(super) struct Chapter {
    pub segment: u32,
    /// The offset and the append time of its first record.
    pub base: i64,
    pub append_time_ms: i64,
    /// The offset after its last record.
    pub end: i64,
    /// Bytes of its runs.
    pub bytes: u64,
    /// Where its runs lie; `None` once the segment is old, see [`super::index`].
    pub runs: Option<Vec<Run>>,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub chapters: Vec<Chapter>,
    /// The oldest offset that is kept.
    pub start: i64,
    /// The next record's offset.
    pub end: i64,
    /// The end that readers see: behind `end` while a public topic's records are on their way to disk.
    pub visible: i64,
    /// The sessions to wake when records become visible.
    pub readers: Vec<Arc<Signal>>,
}

/// The index of the run that holds `offset`, or that comes next.
pub(super) fn run_at(runs: &[Run], offset: i64) -> usize {
    runs.partition_point(|run| run.end() <= offset)
}

impl Partition {
    /// The index of the chapter that holds `offset`, or that comes next: a compacted topic has gaps.
    pub fn chapter_at(&self, offset: i64) -> usize {
        self.chapters.partition_point(|chapter| chapter.end <= offset)
    }

    /// Adds a run, and says where: in which chapter, as its how manieth run.
    fn add(&mut self, run: Run) -> (usize, usize) {
        if self.chapters.last().is_none_or(|last| last.segment != run.segment) {
            let Run { segment, base, append_time_ms, .. } = run;
            let (end, bytes, runs) = (base, 0, Some(Vec::new()));
            self.chapters.push(Chapter { segment, base, append_time_ms, end, bytes, runs });
        }
        let number = self.chapters.len() - 1;
        let chapter = &mut self.chapters[number];
        chapter.end = run.end();
        chapter.bytes += u64::from(run.len);
        let runs = chapter.runs.get_or_insert_default();
        runs.push(run);
        (number, runs.len() - 1)
    }

    /// Shows records up to `end` to readers.
    pub fn show(&mut self, end: i64) {
        if end > self.visible {
            self.visible = end;
            self.readers.iter().for_each(|reader| reader.notify());
        }
    }
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub name: Arc<str>,
    pub public: bool,
    pub compacted: bool,
    pub partitions: Vec<Partition>,
}

/// A body that is kept in memory: its partition, chapter, place in the chapter, and length.
struct Cached {
    slot: Slot,
    chapter: usize,
    run: usize,
    bytes: usize,
}

/// Everything that is behind the log's one lock.
#[derive(Default)]
pub(super) struct State {
    pub topics: Vec<Topic>,
    pub by_name: HashMap<Arc<str>, u32>,
    pub segments: Vec<Arc<Segment>>,
    /// The number of the first of them: those before it are deleted.
    pub first_segment: u32,
    pub commits: HashMap<String, HashMap<Slot, Committed>>,
    pub groups: BTreeMap<String, Group>,
    pub last_time_ms: i64,
    /// Set when a write failed: nothing is accepted any more.
    pub stopped: Option<Failure>,
    cached: VecDeque<Cached>,
    cached_bytes: usize,
}

impl State {
    /// A segment by its number.
    pub fn segment(&self, number: u32) -> &Arc<Segment> {
        &self.segments[(number - self.first_segment) as usize]
    }

    /// The number of a topic.
    pub fn topic(&self, name: &str) -> Result<u32> {
        self.by_name.get(name).copied().ok_or_else(|| Error::MissingTopic { topic: name.to_owned() })
    }

    /// The slot of a partition that exists.
    pub fn slot(&self, tp: &TopicPartition) -> Result<Slot> {
        let topic = self.topic(&tp.topic)?;
        let partitions = self.topics[topic as usize].partitions.len() as i32;
        if !(0..partitions).contains(&tp.partition) {
            return Err(Error::MissingPartition { tp: tp.clone(), partitions });
        }
        Ok((topic, tp.partition))
    }

    /// A partition's public name.
    pub fn tp(&self, slot: Slot) -> TopicPartition {
        TopicPartition { topic: self.topics[slot.0 as usize].name.clone(), partition: slot.1 }
    }

    /// A partition.
    pub fn partition(&self, slot: Slot) -> &Partition {
        &self.topics[slot.0 as usize].partitions[slot.1 as usize]
    }

    /// A partition, to be changed.
    pub fn partition_mut(&mut self, slot: Slot) -> &mut Partition {
        &mut self.topics[slot.0 as usize].partitions[slot.1 as usize]
    }

    /// What a group committed.
    pub fn committed(&self, group: &str, slot: Slot) -> Option<Committed> {
        self.commits.get(group)?.get(&slot).cloned()
    }

    /// An error when the log stopped.
    pub fn check_running(&self) -> Result<()> {
        self.stopped.as_ref().map_or(Ok(()), |failure| Err(failure.error()))
    }

    /// Takes in a frame that was found on disk.
    pub fn replay(&mut self, segment: usize, bodies_at: u64, meta: Meta) -> std::result::Result<(), String> {
        self.last_time_ms = self.last_time_ms.max(meta.append_time_ms);
        meta.topics.into_iter().for_each(|topic| self.add_topic(topic));
        for entry in &meta.starts {
            let partition = self.known((entry.topic, entry.partition))?;
            partition.start = partition.start.max(entry.start);
            if meta.base {
                (partition.end, partition.visible) = (entry.next, entry.next);
            }
        }
        let mut position = bodies_at;
        for run in meta.runs {
            let may_skip = self.topics.get(run.topic as usize).is_some_and(|topic| topic.compacted);
            let partition = self.known((run.topic, run.partition))?;
            if run.base < partition.end || (run.base > partition.end && !may_skip) {
                return Err(format!("it continues a partition at {} that ends at {}", run.base, partition.end));
            }
            partition.add(place(&run, meta.append_time_ms, segment, position, None));
            partition.end = run.base + i64::from(run.count);
            partition.visible = partition.end;
            position += u64::from(run.len);
        }
        meta.commits.into_iter().for_each(|commit| self.add_commit(commit));
        Ok(())
    }

    /// A partition that a frame on disk names.
    fn known(&mut self, (topic, partition): Slot) -> std::result::Result<&mut Partition, String> {
        let found = self.topics.get_mut(topic as usize);
        let found = found.and_then(|topic| topic.partitions.get_mut(partition as usize));
        found.ok_or_else(|| format!("it writes to topic {topic} that was never created"))
    }

    /// Adds a topic with empty partitions, or partitions to one that has fewer. One without any partition is deleted.
    pub fn add_topic(&mut self, entry: TopicEntry) {
        let name: Arc<str> = entry.name.into();
        if entry.partitions == 0 {
            // Its number and partitions stay: runs and sessions know it by these.
            if let Some(topic) = self.by_name.remove(&name) {
                // Nobody can read its records, and they give their room back like others that are deleted.
                let partitions = &mut self.topics[topic as usize].partitions;
                partitions.iter_mut().for_each(|partition| partition.start = partition.end);
                self.commits.values_mut().for_each(|of_group| of_group.retain(|slot, _| slot.0 != topic));
            }
            return;
        }
        if let Some(known) = self.by_name.get(&name) {
            let partitions = &mut self.topics[*known as usize].partitions;
            let wanted = partitions.len().max(entry.partitions as usize);
            partitions.resize_with(wanted, Partition::default);
            return;
        }
        self.by_name.insert(name.clone(), self.topics.len() as u32);
        let partitions = (0..entry.partitions).map(|_| Partition::default()).collect();
        self.topics.push(Topic { name, public: entry.public, compacted: entry.compacted, partitions });
    }

    /// Notes a commit.
    pub fn add_commit(&mut self, entry: CommitEntry) {
        let committed = Committed { offset: entry.offset, metadata: entry.metadata };
        self.commits.entry(entry.group).or_default().insert((entry.topic, entry.partition), committed);
    }

    /// Notes a run that was just written, with its body.
    pub fn add_run(&mut self, slot: Slot, run: Run) {
        let topic = &mut self.topics[slot.0 as usize];
        let public = topic.public;
        let partition = &mut topic.partitions[slot.1 as usize];
        let (end, bytes) = (run.end(), run.len as usize);
        let (chapter, run) = partition.add(run);
        self.cached_bytes += bytes;
        self.cached.push_back(Cached { slot, chapter, run, bytes });
        if !public {
            partition.show(end);
        }
    }

    /// Forgets the oldest bodies beyond a limit, and returns them.
    pub fn forget(&mut self, memory_bytes_max: usize) -> Vec<Bytes> {
        let mut forgotten = Vec::new();
        while self.cached_bytes > memory_bytes_max {
            let Some(Cached { slot, chapter, run, bytes }) = self.cached.pop_front() else { break };
            self.cached_bytes -= bytes;
            let runs = self.partition_mut(slot).chapters[chapter].runs.as_mut();
            forgotten.extend(runs.and_then(|runs| runs[run].body.take()));
        }
        forgotten
    }

    /// Puts one segment in the place of all up to it: `base` holds what is left of them, where `index` says.
    pub fn rebase(&mut self, number: u32, base: Arc<Segment>, mut index: SegmentIndex) {
        let mut shifts: HashMap<Slot, (usize, usize)> = HashMap::new();
        for (slot, partition) in slots(&mut self.topics) {
            let gone = partition.chapters.partition_point(|chapter| chapter.segment <= number);
            let left = index.remove(&slot).and_then(|runs| Chapter::of(number, &runs));
            shifts.insert(slot, (gone, usize::from(left.is_some())));
            partition.chapters.splice(..gone, left);
        }
        // Bodies of what moved are read from the file again.
        self.cached.retain_mut(|cached| {
            let (gone, left) = shifts.get(&cached.slot).copied().unwrap_or_default();
            if cached.chapter < gone {
                self.cached_bytes -= cached.bytes;
                return false;
            }
            cached.chapter = cached.chapter - gone + left;
            true
        });
        self.segments.splice(..=(number - self.first_segment) as usize, [base]);
        self.first_segment = number;
    }

    /// Forgets where the runs of segments before `segment` lie.
    pub fn forget_index(&mut self, segment: u32) {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            // Chapters rise in segments, and those before the first forgotten one were forgotten earlier.
            for chapter in partition.chapters.iter_mut().rev().skip_while(|chapter| chapter.segment >= segment) {
                if chapter.runs.take().is_none() {
                    break;
                }
            }
        }
    }
}

impl Chapter {
    /// What is left of a partition in a segment that was written anew; its runs are looked up in the file.
    fn of(segment: u32, runs: &[Run]) -> Option<Self> {
        let (first, last) = (runs.first()?, runs.last()?);
        let bytes = runs.iter().map(|run| u64::from(run.len)).sum();
        let (base, append_time_ms, end) = (first.base, first.append_time_ms, last.end());
        Some(Chapter { segment, base, append_time_ms, end, bytes, runs: None })
    }
}

/// All partitions with their slots.
pub(super) fn slots(topics: &mut [Topic]) -> impl Iterator<Item = (Slot, &mut Partition)> {
    topics.iter_mut().enumerate().flat_map(|(topic, entry)| {
        let partitions = entry.partitions.iter_mut().enumerate();
        partitions.map(move |(number, partition)| ((topic as u32, number as i32), partition))
    })
}

/// A run at its place.
pub(super) fn place(entry: &RunEntry, append_time_ms: i64, segment: usize, position: u64, body: Option<Bytes>) -> Run {
    Run {
        base: entry.base,
        count: entry.count,
        append_time_ms,
        segment: segment as u32,
        position,
        len: entry.len,
        crc: entry.crc,
        body,
    }
}
