//! The simulated log: a cluster in memory, with the faults of a real one, all of them decided by one seed.
//!
//! It has no threads and no clock of its own: time passes when somebody waits in a poll or moves it. Whoever drives
//! the processes over it decides who goes next, so a seed and a driver make one history, which a failed test repeats.
//!
//! What can go wrong is in [`Faults`], and is what Kafka allows with an idempotent producer: records arrive late, or
//! after their process died; answers are lost; members are expelled and do not know it yet; partitions change hands at
//! any time; commits fail with and without effect; transactions stay open, and their ends arrive late. Records are never
//! lost once acknowledged, never doubled, and never reordered within one session and partition.

mod faults;
mod group;
mod member;
mod network;
mod random;
mod session;
#[cfg(test)]
mod tests;
mod transaction;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::group::Group;
use self::session::SimulatedSession;
use self::world::{Partition, World};
use crate::embedded::check_spec;
use crate::log::{Commit, Committed, Error, Log, Record, Result, Session, SessionOptions, TopicPartition, TopicSpec};

pub use faults::Faults;
pub use random::Random;

/// A process's handle to a simulated cluster; clones are handles of the same process.
#[derive(Clone)]
pub struct Simulated {
    world: Arc<Mutex<World>>,
    process: u64,
    pause: fn(Duration),
}

impl Simulated {
    /// An empty cluster, and a first process.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed, faults))), process: 0, pause: |_| () }
    }

    /// The same cluster, with something done whenever a poll waits: the conformance suite's time is the computer's.
    pub fn paced(self, pause: fn(Duration)) -> Self {
        Self { pause, ..self }
    }

    /// A new process's handle to the same cluster.
    pub fn process(&self) -> Self {
        Self { process: self.world().id(), ..self.clone() }
    }

    /// From now on this goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.world().faults = faults;
    }

    /// Lets this process crash when its sessions have been called so many more times; with 0 now. From then on
    /// all of its sessions fail with [`Error::Stopped`].
    pub fn crash_after(&self, calls: u64) {
        let mut world = self.world();
        world.crash_after(self.process, calls);
    }

    /// Whether this process crashed.
    pub fn crashed(&self) -> bool {
        self.world().crashed(self.process)
    }

    /// Takes this process for dead: its groups give its partitions to others. It finds out some polls later.
    pub fn expel(&self) {
        let world = &mut *self.world();
        for group in world.groups.values_mut() {
            for member in group.of_process(self.process) {
                group.leave(member, world.random.below(usize::from(u16::MAX)));
            }
        }
    }

    /// Commits as a group without generations would, whoever owns the partitions: for tests of the tests.
    pub fn overrule(&self, group: &str, commits: &[Commit]) {
        let world = &mut *self.world();
        for Commit { tp, offset, metadata } in commits {
            let committed = Committed { offset: *offset, metadata: metadata.clone() };
            world.group(group).committed.insert(tp.clone(), committed);
        }
    }

    /// Lets some of what is on its way arrive.
    pub fn turn(&self) {
        self.world().turn();
    }

    /// What readers get of a partition from an offset on, all at once.
    pub fn read(&self, tp: &TopicPartition, from: i64) -> Result<Vec<Record>> {
        Ok(self.world().partition(tp)?.read(from).cloned().collect())
    }

    /// The offset that a group committed; 0 before its first commit.
    pub fn committed_offset(&self, group: &str, tp: &TopicPartition) -> i64 {
        let world = self.world();
        let committed = world.groups.get(group).and_then(|group| group.committed.get(tp));
        committed.map_or(0, |committed| committed.offset)
    }

    /// How many transactions are open.
    pub fn open_transactions(&self) -> usize {
        self.world().holders.values().filter(|holder| holder.open.is_some()).count()
    }

    /// How many transactions nobody ended before their time was over.
    pub fn expired(&self) -> usize {
        self.world().expired
    }

    /// How many records are on their way.
    pub fn in_flight(&self) -> usize {
        self.world().network.len()
    }

    /// Lets time pass.
    pub fn advance(&self, by_ms: i64) {
        self.world().now_ms += by_ms;
    }

    /// The cluster's time, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.world().now_ms
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Simulated {
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        let mut world = self.world();
        for spec in specs {
            check_spec(spec)?;
            match world.topics.get(spec.name.as_str()).map(Vec::len) {
                None => {
                    let partitions = (0..spec.partitions).map(|_| Partition::default()).collect();
                    world.topics.insert(spec.name.as_str().into(), partitions);
                }
                Some(found) if found as i32 == spec.partitions => {}
                Some(found) => {
                    let (topic, wanted) = (spec.name.clone(), spec.partitions);
                    return Err(Error::PartitionCount { topic, wanted, found: found as i32 });
                }
            }
        }
        Ok(())
    }

    fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let mut world = self.world();
        let missing = || Error::MissingTopic { topic: topic.to_owned() };
        let known = world.topics.get_mut(topic).ok_or_else(missing)?;
        let wanted = known.len().max(partitions as usize);
        known.resize_with(wanted, Partition::default);
        Ok(())
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        let world = &mut *self.world();
        for name in names {
            world.topics.remove(*name);
            world.groups.values_mut().for_each(|group| group.committed.retain(|tp, _| &*tp.topic != *name));
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        Ok(self.world().topics.get(topic).map(|partitions| partitions.len() as i32))
    }

    fn topics(&self) -> Result<Vec<String>> {
        Ok(self.world().topics.keys().map(|name| name.to_string()).collect())
    }

    fn watermarks(&self, tp: &TopicPartition) -> Result<(i64, i64)> {
        let world = self.world();
        let partition = world.partition(tp)?;
        Ok((partition.start, partition.reached()))
    }

    fn delete_records(&self, tp: &TopicPartition, before: i64) -> Result<()> {
        let mut world = self.world();
        let partition = world.partition(tp)?;
        let (start, end) = (partition.start, partition.reached());
        if before > end {
            return Err(Error::OutOfRange { tp: tp.clone(), offset: before, start, end });
        }
        let all = world.topics.get_mut(&tp.topic);
        if let Some(partition) = all.and_then(|all| all.get_mut(tp.partition as usize)) {
            partition.start = start.max(before);
        }
        Ok(())
    }

    fn offset_at(&self, tp: &TopicPartition, time_ms: i64) -> Result<Option<i64>> {
        let world = self.world();
        let partition = world.partition(tp)?;
        let records = partition.records.get(partition.start as usize..).unwrap_or_default();
        let first = records.partition_point(|record| record.append_time_ms < time_ms);
        Ok(records.get(first).map(|record| record.offset))
    }

    fn committed(&self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        let world = self.world();
        let of = |tp: &TopicPartition| {
            world.partition(tp)?;
            Ok(world.groups.get(group).and_then(|group| group.committed.get(tp).cloned()))
        };
        tps.iter().map(of).collect()
    }

    fn members(&self, group: &str) -> Result<Vec<String>> {
        Ok(self.world().groups.get(group).map_or_else(Vec::new, Group::names))
    }

    fn set_committed(&self, group: &str, commits: &[Commit]) -> Result<()> {
        let members = self.members(group)?;
        if !members.is_empty() {
            return Err(Error::Occupied { group: group.to_owned(), members: members.join(", ") });
        }
        session::check_metadata(commits)?;
        self.overrule(group, commits);
        Ok(())
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(SimulatedSession::open(self.clone(), options)?))
    }
}
