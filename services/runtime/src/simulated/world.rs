//! Everything there is in a simulated cluster: time, topics, groups, processes, and what is on its way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::faults::Faults;
use super::group::Group;
use super::network::Request;
use super::random::Random;
use super::transaction::{End, Holder};
use crate::log::{Error, Record, Result, TopicPartition};

/// When a simulation begins, in milliseconds since the Unix epoch: 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Why readers do not get a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// Its transaction is open: readers wait at it.
    Open,
    /// Its transaction was aborted: readers pass it over.
    Aborted,
}

/// One partition.
#[derive(Default)]
pub(super) struct Partition {
    pub records: Vec<Record>,
    /// The oldest offset that is kept.
    pub start: i64,
    /// Offsets that readers do not get.
    pub hidden: BTreeMap<i64, Hidden>,
    /// The number of the next record of each producer.
    pub sequences: BTreeMap<u64, u64>,
}

impl Partition {
    /// Where the next record goes.
    pub fn end(&self) -> i64 {
        self.records.len() as i64
    }

    /// Where readers wait: at the first open transaction.
    pub fn stable(&self) -> i64 {
        let open = self.hidden.iter().find(|(_, why)| **why == Hidden::Open);
        open.map_or(self.end(), |(offset, _)| *offset)
    }

    /// Behind the last record that readers get.
    pub fn reached(&self) -> i64 {
        let mut end = self.stable();
        while end > self.start && self.hidden.contains_key(&(end - 1)) {
            end -= 1;
        }
        end
    }

    /// What readers get from an offset on.
    pub fn read(&self, from: i64) -> impl Iterator<Item = &Record> {
        let all = self.records.get(from as usize..self.stable() as usize).unwrap_or_default().iter();
        all.filter(|record| self.hidden.is_empty() || !self.hidden.contains_key(&record.offset))
    }
}

/// One process.
#[derive(Default)]
pub(super) struct Life {
    /// Calls of its sessions until it crashes; none while it is to live.
    left: Option<u64>,
    pub crashed: bool,
}

pub(super) struct World {
    pub now_ms: i64,
    pub random: Random,
    pub faults: Faults,
    pub topics: BTreeMap<Arc<str>, Vec<Partition>>,
    pub groups: BTreeMap<String, Group>,
    pub network: Vec<Request>,
    /// Transactional ids.
    pub holders: BTreeMap<String, Holder>,
    /// Ends of transactions on their way.
    pub ends: Vec<End>,
    /// Transactions that were ended by their timeout.
    pub expired: usize,
    pub lives: BTreeMap<u64, Life>,
    ids: u64,
}

impl World {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            now_ms: BEGIN_MS,
            random: Random::new(seed),
            faults,
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            network: Vec::new(),
            holders: BTreeMap::new(),
            ends: Vec::new(),
            expired: 0,
            lives: BTreeMap::new(),
            ids: 0,
        }
    }

    /// A number that nothing else has.
    pub fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn partitions(&self, topic: &str) -> Result<&Vec<Partition>> {
        self.topics.get(topic).ok_or_else(|| Error::MissingTopic { topic: topic.to_owned() })
    }

    pub fn partition(&self, tp: &TopicPartition) -> Result<&Partition> {
        let all = self.partitions(&tp.topic)?;
        let found = usize::try_from(tp.partition).ok().and_then(|number| all.get(number));
        found.ok_or_else(|| Error::MissingPartition { tp: tp.clone(), partitions: all.len() as i32 })
    }

    /// An offset at which a reader may begin.
    pub fn check_range(&self, tp: &TopicPartition, offset: i64) -> Result<()> {
        let partition = self.partition(tp)?;
        let (start, end) = (partition.start, partition.end());
        if (start..=end).contains(&offset) {
            return Ok(());
        }
        Err(Error::OutOfRange { tp: tp.clone(), offset, start, end })
    }

    pub fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// A process does something that others could see: it may be its last act.
    pub fn act(&mut self, process: u64) -> Result<()> {
        let life = self.lives.entry(process).or_default();
        life.crashed |= life.left == Some(0);
        if life.crashed {
            return Err(Error::Stopped { detail: "the simulated process crashed".into() });
        }
        life.left = life.left.map(|left| left - 1);
        Ok(())
    }

    /// Lets a process crash after so many more acts.
    pub fn crash_after(&mut self, process: u64, acts: u64) {
        let life = self.lives.entry(process).or_default();
        life.left = Some(acts);
        life.crashed |= acts == 0;
    }

    pub fn crashed(&self, process: u64) -> bool {
        self.lives.get(&process).is_some_and(|life| life.crashed)
    }
}
