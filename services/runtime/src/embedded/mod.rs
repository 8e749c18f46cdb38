//! The embedded log: one process, one write-ahead log for all topics, no broker.
//!
//! Everything that one session appends in one step (records of any number of partitions, committed offsets, their
//! metadata) is one frame in one file, checked by checksums. After a crash the log is therefore a prefix of what was
//! appended, whole frames only: outputs and the offsets they came from never part. A killed process loses nothing that
//! was appended, since the kernel has it; against a loss of power, what a [durable](SessionOptions::durable) session
//! flushed and what readers of a public topic saw is on disk.
//!
//! The files are `NUMBER.wal` and `lock` in the log's directory. Each segment file stays open. What is deleted, by time,
//! by size, or up to an offset, says [`retention`]; what by key, [`compaction`]; how files become smaller by it,
//! [`rebase`].

mod body;
mod buffer;
mod compaction;
mod failure;
mod frame;
mod group;
mod index;
mod lock;
mod pool;
mod read;
mod rebase;
mod retention;
mod segment;
mod session;
mod signal;
mod state;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use self::compaction::Superseded;
use self::frame::{CommitEntry, TopicEntry};
use self::group::Group;
use self::index::{INDEXED_SEGMENTS, OldIndexes};
use self::lock::Lock;
use self::pool::Pool;
use self::segment::{Segment, io_error, open_all};
use self::session::EmbeddedSession;
use self::state::{Chapter, Run, State};
use self::sync::{SyncState, Syncer};
use self::writer::{Append, Shared, Tail};
use crate::log::{
    Commit, Committed, Error, Log, METADATA_BYTES_MAX, Needed, Result, Retained, Session, SessionOptions,
    TopicPartition, TopicSpec,
};

/// Where a log lies when nobody says otherwise.
pub const DEFAULT_DIR: &str = ".tidemill/log";

/// Size at which a segment file is ended.
pub const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of the newest records kept in memory.
pub const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long records of internal topics may stay in the kernel before they are brought to the disk.
pub const SYNC_INTERVAL_MS: u64 = 1_000;
/// Most partitions of one topic.
const PARTITIONS_MAX: i32 = 1_024;
/// Longest name of a topic, as in Kafka.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Tells the time in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The computer's clock.
pub fn system_clock() -> Clock {
    Arc::new(crate::clock::now_ms)
}

/// Limits of an embedded log.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size at which a segment file is ended.
    pub segment_bytes_max: u64,
    /// Bytes of the newest records kept in memory.
    pub memory_bytes_max: usize,
    /// How long records of internal topics may stay in the kernel before they are brought to the disk.
    pub sync_interval_ms: u64,
}

impl Options {
    /// The limits that fit a workstation.
    pub fn standard() -> Self {
        Self {
            segment_bytes_max: SEGMENT_BYTES_MAX,
            memory_bytes_max: MEMORY_BYTES_MAX,
            sync_interval_ms: SYNC_INTERVAL_MS,
        }
    }
}

/// An open embedded log; clones share it. It is closed when the last clone and the last session are gone.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

/// What keeps a log open. Dropped in this order: the syncer ends, then the directory is unlocked.
struct Inner {
    shared: Arc<Shared>,
    _syncer: Syncer,
    _lock: Lock,
}

impl Embedded {
    /// Opens the log in `dir` with standard limits and the computer's clock; an empty one when there is none.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, Options::standard(), system_clock())
    }

    /// Opens the log in `dir`.
    pub fn open_with(dir: impl AsRef<Path>, options: Options, clock: Clock) -> Result<Self> {
        let dir = dir.as_ref().to_path_buf();
        fs::create_dir_all(&dir).map_err(io_error("creating", &dir))?;
        let lock = Lock::take(&dir)?;
        rebase::sweep(&dir)?;
        let mut state = State::default();
        let mut found = open_all(&dir, |segment, bodies_at, meta| state.replay(segment, bodies_at, meta))?;
        let first = found.first().map_or(0, |found| found.number);
        state.first_segment = first as u32;
        state.forget_index((first + found.len()).saturating_sub(INDEXED_SEGMENTS) as u32);
        state.segments = found.iter().map(|found| found.segment.clone()).collect();
        let (segment, bytes) = match found.pop() {
            Some(last) => {
                // What a killed process wrote is in the kernel only; readers of public topics may see it from here on.
                last.segment.file.sync_data().map_err(io_error("syncing", &last.segment.path))?;
                (last.segment, last.bytes)
            }
            None => {
                let first = Arc::new(Segment::create(&dir, 0)?);
                state.segments.push(first.clone());
                (first, 0)
            }
        };
        let tail = Tail { number: first + state.segments.len() - 1, segment, bytes, written: 0 };
        let shared = Arc::new(Shared {
            dir,
            options,
            clock,
            state: Mutex::new(state),
            tail: Mutex::new(tail),
            pool: Pool::default(),
            old: OldIndexes::default(),
            rebasing: Mutex::new(()),
            compacted: Mutex::new(None),
            sync: Mutex::new(SyncState::default()),
            sync_changed: Condvar::new(),
        });
        let syncer = Syncer::start(shared.clone())?;
        Ok(Self { inner: Arc::new(Inner { shared, _syncer: syncer, _lock: lock }) })
    }
}

/// Whether a topic may be called and cut like that.
pub(crate) fn check_spec(spec: &TopicSpec) -> Result<()> {
    let invalid = |why: String| Err(Error::InvalidTopic { topic: spec.name.clone(), why });
    if !(1..=PARTITIONS_MAX).contains(&spec.partitions) {
        return invalid(format!("it wants {} partitions, and 1 to {PARTITIONS_MAX} are possible", spec.partitions));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if spec.name.is_empty() || spec.name.len() > TOPIC_NAME_BYTES_MAX || !spec.name.bytes().all(legal) {
        return invalid(format!(
            "a name has 1 to {TOPIC_NAME_BYTES_MAX} letters, digits, dots, dashes and underscores"
        ));
    }
    Ok(())
}

/// What of `specs` is missing.
fn missing(state: &State, specs: &[TopicSpec]) -> Result<Vec<TopicEntry>> {
    let mut entries: Vec<TopicEntry> = Vec::new();
    for spec in specs {
        check_spec(spec)?;
        let existing =
            state.by_name.get(spec.name.as_str()).map(|topic| state.topics[*topic as usize].partitions.len());
        let declared = entries.iter().find(|entry| entry.name == spec.name).map(|entry| entry.partitions as usize);
        match existing.or(declared) {
            None => entries.push(TopicEntry {
                name: spec.name.clone(),
                partitions: spec.partitions,
                compacted: spec.compacted,
                public: spec.public,
            }),
            Some(count) if count == spec.partitions as usize => {}
            Some(count) => {
                let topic = spec.name.clone();
                return Err(Error::PartitionCount { topic, wanted: spec.partitions, found: count as i32 });
            }
        }
    }
    Ok(entries)
}

/// Commits as the log has them.
fn entries(state: &State, group: &str, commits: &[Commit]) -> Result<Vec<CommitEntry>> {
    let entry = |Commit { tp, offset, metadata }: &Commit| {
        if metadata.len() > METADATA_BYTES_MAX {
            let bytes_max = METADATA_BYTES_MAX;
            return Err(Error::MetadataTooLarge { tp: tp.clone(), bytes: metadata.len(), bytes_max });
        }
        let (topic, partition) = state.slot(tp)?;
        Ok(CommitEntry { group: group.to_owned(), topic, partition, offset: *offset, metadata: metadata.clone() })
    };
    commits.iter().map(entry).collect()
}

impl Log for Embedded {
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        let shared = &self.inner.shared;
        loop {
            let topics = missing(&shared.state(), specs)?;
            if topics.is_empty() {
                return Ok(());
            }
            let wanted = topics.clone();
            let mut raced = false;
            let appended = shared.append(Append { topics, ..Append::default() }, |state| {
                raced = missing(state, specs)? != wanted;
                if raced { Err(Error::Stopped { detail: "topics were created meanwhile".into() }) } else { Ok(()) }
            });
            match appended {
                Ok(lsn) => return shared.wait_synced(lsn),
                Err(_) if raced => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let shared = &self.inner.shared;
        let public = {
            let state = shared.state();
            let topic = &state.topics[state.topic(topic)? as usize];
            if topic.partitions.len() >= partitions as usize {
                return Ok(());
            }
            topic.public
        };
        check_spec(&TopicSpec::new(topic, partitions))?;
        // A topic that is there already gains what it lacks.
        let entry = TopicEntry { name: topic.to_owned(), partitions, compacted: false, public };
        let lsn = shared.append(Append { topics: vec![entry], ..Append::default() }, |_| Ok(()))?;
        shared.wait_synced(lsn)
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        let shared = &self.inner.shared;
        let topics: Vec<TopicEntry> = {
            let state = shared.state();
            let known = names.iter().filter(|name| state.by_name.contains_key(**name));
            let deleted = |name: &&str| (*name).to_owned();
            let entry = |name| TopicEntry { name, partitions: 0, compacted: false, public: false };
            known.map(deleted).map(entry).collect()
        };
        if topics.is_empty() {
            return Ok(());
        }
        let lsn = shared.append(Append { topics, ..Append::default() }, |_| Ok(()))?;
        shared.wait_synced(lsn)?;
        rebase::reclaim(shared, &Superseded::new()).map(|_| ())
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        let state = self.inner.shared.state();
        Ok(state.by_name.get(topic).map(|topic| state.topics[*topic as usize].partitions.len() as i32))
    }

    fn topics(&self) -> Result<Vec<String>> {
        let state = self.inner.shared.state();
        let mut names: Vec<String> = state.by_name.keys().map(|name| name.to_string()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn watermarks(&self, tp: &TopicPartition) -> Result<(i64, i64)> {
        let state = self.inner.shared.state();
        let partition = state.partition(state.slot(tp)?);
        Ok((partition.start, partition.visible))
    }

    fn delete_records(&self, tp: &TopicPartition, before: i64) -> Result<()> {
        retention::delete(&self.inner.shared, tp, before)
    }

    fn retain(&self, specs: &[TopicSpec], needed: Needed<'_>) -> Result<Vec<Retained>> {
        retention::retain(self, specs, needed)
    }

    fn offset_at(&self, tp: &TopicPartition, time_ms: i64) -> Result<Option<i64>> {
        let shared = &self.inner.shared;
        let state = shared.state();
        let slot = state.slot(tp)?;
        let partition = state.partition(slot);
        let (start, visible) = (partition.start, partition.visible);
        let later = partition.chapters.partition_point(|chapter| chapter.append_time_ms < time_ms);
        let later_base = partition.chapters.get(later).map(|chapter| chapter.base);
        let first_in =
            |runs: &[Run]| runs.get(runs.partition_point(|run| run.append_time_ms < time_ms)).map(|run| run.base);
        let found = match later.checked_sub(1).map(|earlier| &partition.chapters[earlier]) {
            None => None,
            Some(Chapter { runs: Some(runs), .. }) => first_in(runs),
            Some(Chapter { segment: number, runs: None, .. }) => {
                let (number, segment) = (*number, state.segment(*number).clone());
                drop(state);
                shared.old.get(number, &segment)?.get(&slot).and_then(|runs| first_in(runs))
            }
        };
        Ok(found.or(later_base).map(|base| base.max(start)).filter(|base| *base < visible))
    }

    fn committed(&self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        let state = self.inner.shared.state();
        tps.iter().map(|tp| Ok(state.committed(group, state.slot(tp)?))).collect()
    }

    fn members(&self, group: &str) -> Result<Vec<String>> {
        Ok(self.inner.shared.state().groups.get(group).map_or_else(Vec::new, Group::names))
    }

    fn set_committed(&self, group: &str, commits: &[Commit]) -> Result<()> {
        let shared = &self.inner.shared;
        let commits = entries(&shared.state(), group, commits)?;
        let lsn = shared.append(Append { commits, ..Append::default() }, |state| {
            let members = state.groups.get(group).map_or_else(Vec::new, Group::names);
            let occupied = || Error::Occupied { group: group.to_owned(), members: members.join(", ") };
            if members.is_empty() { Ok(()) } else { Err(occupied()) }
        })?;
        shared.wait_synced(lsn)
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(EmbeddedSession::open(self.inner.clone(), options)?))
    }
}
