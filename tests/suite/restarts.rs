//! Restarts of services with snapshots: who died reads little of its log again, who stopped or gave its partitions away
//! nothing, and a store that does not answer holds nobody up for long.

use crate::snapshots::{Logs, check_task};
use featurizer::Featurizer;
use flow::flaw::{Flaw, make};
use monitor::Monitor;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use registry::store::Store;
use runtime::log::{Log, TopicPartition};
use runtime::shell::{self, Service, Worker};
use runtime::snapshot::{Owner, Settings, Vault};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

const GROUP: &str = "restarts.test";
/// Longer than any test takes: nothing is due before the end.
const NEVER: Duration = Duration::from_secs(3_600);

/// A service of one task that reads its log from the start, a few records at a time.
struct Stage {
    log: Arc<dyn Log>,
    reads: String,
    vault: Vault,
    interval: Duration,
    service: Box<dyn Service>,
}

impl Stage {
    /// The first stage of the featurizer, with snapshots at every poll.
    fn first(logs: &Logs, store: Store) -> Self {
        let context = &logs.deployment.context;
        let (role, reads) = Featurizer::roles(context).remove(0);
        let service = Box::new(Featurizer::new(context.clone(), role));
        Stage { log: context.log.clone(), reads, vault: Vault::new(store), interval: Duration::ZERO, service }
    }

    /// A session that has joined; no record was handled yet.
    fn join(&self) -> Worker {
        let options = shell::Options {
            poll_wait: Duration::from_millis(100),
            poll_records_max: 3,
            snapshots: Some(Settings { vault: self.vault.clone(), interval: self.interval, in_turn: false }),
            ..shell::Options::new("test.stage", GROUP, vec![self.reads.clone()])
        };
        Worker::join(&*self.log, &options).unwrap()
    }

    /// Polls until all is read, committing every time; gives the records that were read.
    fn drain(&mut self, worker: &mut Worker) -> usize {
        let (mut read, mut idle) = (0, 0);
        // The last snapshot takes a few polls more.
        while idle < 5 || worker.slots().is_empty() {
            let records = worker.step(&mut *self.service).unwrap();
            worker.commit().unwrap();
            read += records;
            idle = if records == 0 { idle + 1 } else { 0 };
        }
        read
    }

    fn owner(&self, partition: i32) -> Owner {
        Owner { group: GROUP.to_owned(), log: self.reads.clone(), partition }
    }

    fn records(&self) -> usize {
        let partitions = 0..self.log.partitions(&self.reads).unwrap().unwrap();
        let end = |partition| self.log.watermarks(&TopicPartition::new(self.reads.as_str(), partition)).unwrap().1;
        partitions.map(|partition| end(partition) as usize).sum()
    }
}

#[test]
fn a_restart_reads_from_the_snapshot_and_a_damaged_one_gives_way_to_the_one_before() {
    let logs = Logs::new("arrival");
    let dir = tempfile::tempdir().unwrap();
    let store = Store::local(dir.path()).unwrap();
    let mut stage = Stage::first(&logs, store.clone());
    let mut worker = stage.join();
    let all = stage.drain(&mut worker);
    assert_eq!(all, stage.records());
    // Dropped as a process that was killed: nothing more is committed.
    drop(worker);

    let mut worker = stage.join();
    let read = stage.drain(&mut worker);
    assert!(read * 4 < all, "{read} of {all} records were read again after a restart");
    drop(worker);

    // The newest snapshot of a partition is damaged: a few records more.
    let owner = stage.owner(0);
    let names = stage.vault.list(&owner).unwrap();
    assert!(names.len() >= 2, "there is a snapshot before the newest");
    let folder = format!("snapshots/{GROUP}/{}/0", stage.reads);
    store.put(&format!("{folder}/{}.json", names[0]), b"{}").unwrap();
    let mut worker = stage.join();
    let read_before = stage.drain(&mut worker);
    assert!(read_before >= read && read_before * 2 < all, "{read_before} of {all} records");
    drop(worker);

    // Everything is gone: the log from its start.
    for key in store.list("snapshots").unwrap() {
        store.delete(&key).unwrap();
    }
    let mut worker = stage.join();
    assert_eq!(stage.drain(&mut worker), all, "without a snapshot everything is read again");
}

/// How much is read again after a stop.
fn read_after_a_stop(ordering: &str) -> (usize, usize) {
    let logs = Logs::new(ordering);
    let mut stage = Stage { interval: NEVER, ..Stage::first(&logs, Store::memory()) };
    let mut worker = stage.join();
    let all = stage.drain(&mut worker);
    assert_eq!(all, stage.records());
    assert_eq!(stage.vault.list(&stage.owner(0)).unwrap(), [], "no snapshot was due");
    worker.close().unwrap();
    let mut worker = stage.join();
    (stage.drain(&mut worker), all)
}

#[test]
fn nothing_is_read_again_after_a_stop() {
    assert_eq!(read_after_a_stop("arrival").0, 0);
}

#[test]
fn a_restart_that_takes_up_no_snapshot_is_noticed() {
    let _made = make(&[Flaw::SnapshotsUnused]);
    assert!(catch_unwind(nothing_is_read_again_after_a_stop).is_err());
}

#[test]
fn only_what_was_held_is_read_again_after_a_stop() {
    let (read, all) = read_after_a_stop("event_time");
    assert!(read * 4 < all, "{read} of {all} records");
}

#[test]
fn who_takes_partitions_over_reads_nothing_again() {
    let logs = Logs::new("arrival");
    let mut stage = Stage { interval: NEVER, ..Stage::first(&logs, Store::memory()) };
    let mut first = stage.join();
    stage.drain(&mut first);
    let mut second = stage.join();
    let (mut read, mut turns) = (0, 0);
    while turns < 5 {
        read += first.step(&mut *stage.service).unwrap() + second.step(&mut *stage.service).unwrap();
        first.commit().unwrap();
        second.commit().unwrap();
        turns += usize::from(first.slots().len() == 2 && second.slots().len() == 2);
    }
    assert_eq!(read, 0);
}

#[test]
fn a_store_that_does_not_answer_holds_a_stop_up_for_a_while_only() {
    let logs = Logs::new("arrival");
    let never = ThrottleConfig { wait_put_per_call: NEVER, ..ThrottleConfig::default() };
    let silent = Store::object_store(Arc::new(ThrottledStore::new(InMemory::new(), never)), "a silent store");
    let mut stage = Stage { interval: NEVER, ..Stage::first(&logs, silent) };
    let mut worker = stage.join();
    let all = stage.drain(&mut worker);
    let started = Instant::now();
    worker.close().unwrap();
    assert!(started.elapsed() < NEVER / 10, "it took {:?}", started.elapsed());
    let mut worker = stage.join();
    assert_eq!(stage.drain(&mut worker), all, "everything was committed, and no snapshot came of it");
}

#[test]
fn a_monitor_goes_on_from_any_point_and_reads_nothing_again() {
    let dir = tempfile::tempdir().unwrap();
    let deployment = crate::monitor::watched(dir.path());
    let log = &deployment.context.log;
    for (role, _, reads) in Monitor::roles(&deployment.context) {
        for partition in 0..log.partitions(&reads).unwrap().unwrap().min(2) {
            let tp = TopicPartition::new(reads.as_str(), partition);
            check_task(&**log, &tp, &|| deployment.monitor(role).open(&tp, None).unwrap().task);
        }
        let (vault, service) = (Vault::new(Store::memory()), Box::new(deployment.monitor(role)));
        let mut stage = Stage { log: log.clone(), reads, vault, interval: NEVER, service };
        let mut worker = stage.join();
        let all = stage.drain(&mut worker);
        assert_eq!(all, stage.records());
        worker.close().unwrap();
        let mut worker = stage.join();
        assert_eq!(stage.drain(&mut worker), 0, "{role:?}");
    }
}
