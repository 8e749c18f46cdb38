//! State that is too long for a commit's metadata: what is committed stays within the limit, and comes back whole.

use flow::outputs::Outputs;
use flow::processor::{InRecord, Stop, Task};
use flow::state::{INLINE_CHARS_MAX, headed};
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::{Committed, Log, METADATA_BYTES_MAX, Publish, SessionOptions, TopicPartition, TopicSpec};
use runtime::shell::{self, Opened, Restore, Service, Worker};
use runtime::snapshot::{Settings, Vault};
use std::sync::Arc;
use std::time::Duration;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};

/// Lengths about the limit, and far beyond it.
const LENGTHS: [usize; 5] = [10, INLINE_CHARS_MAX - 1, INLINE_CHARS_MAX, INLINE_CHARS_MAX + 1, 200_000];

/// Counts its records, and says so in a text of a given length.
struct Counter {
    count: usize,
    length: usize,
}

impl Counter {
    fn text(&self) -> String {
        let count = format!("{{\"{}\"", self.count);
        let fill = " ".repeat(self.length - count.len() - 1);
        count + &fill + "}"
    }
}

impl Task for Counter {
    fn draft(&mut self, records: &[InRecord], _: bool, _: &mut Outputs) -> Result<(), Stop> {
        self.count += records.len();
        Ok(())
    }

    fn metadata(&self) -> String {
        self.text()
    }
}

/// Makes counters that get their count back in one way or the other.
struct Counters {
    length: usize,
    restore: Restore,
    /// What the last one was opened with.
    opened: Option<String>,
}

impl Service for Counters {
    fn open(&mut self, _: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        let Counters { length, restore, .. } = *self;
        self.opened = committed.map(|committed| committed.metadata.clone());
        let known = self.opened.as_ref().filter(|_| restore == Restore::Metadata);
        let count = known.map_or(0, |text| text.split('"').nth(1).unwrap().parse().unwrap());
        Ok(Opened { task: Box::new(Counter { count, length }), restore })
    }
}

/// Reads until so many records came since the worker joined.
fn read(worker: &mut Worker, service: &mut Counters, count: usize) {
    let mut read = 0;
    while read < count || worker.slots().is_empty() {
        read += worker.step(service).unwrap();
        worker.commit().unwrap();
    }
}

/// Commits texts of all lengths, and takes each up again as it was.
fn check(log: &dyn Log, prefix: &str) {
    let topic = format!("{prefix}.metadata");
    log.create_topics(&[TopicSpec::new(topic.clone(), 1)]).unwrap();
    let tp = TopicPartition::new(topic.as_str(), 0);
    let publish = |count: usize| {
        let mut session = log.session(SessionOptions::publisher("test.publisher")).unwrap();
        (0..count).for_each(|_| session.publish(Publish::batch(tp.clone(), "value".into())).unwrap());
        session.close().unwrap();
    };
    publish(5);
    let mut there = 5;
    for (at, length) in LENGTHS.into_iter().enumerate() {
        for restore in [Restore::Replay, Restore::Metadata] {
            let store = Store::memory();
            let group = format!("{prefix}.{at}.{restore:?}");
            let options = shell::Options {
                poll_wait: Duration::from_millis(100),
                poll_records_max: 1,
                snapshots: Some(Settings {
                    vault: Vault::new(store.clone()),
                    interval: Duration::ZERO,
                    in_turn: false,
                }),
                ..shell::Options::new("test.counter", group.clone(), vec![topic.clone()])
            };
            let mut service = Counters { length, restore, opened: None };
            let mut worker = Worker::join(log, &options).unwrap();
            read(&mut worker, &mut service, there);
            worker.close().unwrap();
            let committed = log.committed(&group, std::slice::from_ref(&tp)).unwrap().remove(0).unwrap();
            let whole = Counter { count: there, length }.text();
            assert_eq!(committed.offset as usize, there);
            assert!(committed.metadata.len() < METADATA_BYTES_MAX, "{}", committed.metadata.len());
            assert_eq!(committed.metadata == whole, length <= INLINE_CHARS_MAX, "{length}");
            let is_kept = headed(&committed.metadata).is_some_and(|(_, kept)| kept.is_some());
            assert_eq!(is_kept, length > INLINE_CHARS_MAX && restore == Restore::Metadata);
            // Each commit kept its own, and all but the last are gone.
            assert_eq!(store.list("snapshots").unwrap().len(), usize::from(is_kept));

            publish(1);
            there += 1;
            let mut worker = Worker::join(log, &options).unwrap();
            read(&mut worker, &mut service, if restore == Restore::Replay { there } else { 1 });
            assert_eq!(worker.slots()[0].task.metadata(), Counter { count: there, length }.text());
            if restore == Restore::Metadata {
                assert_eq!(service.opened, Some(whole), "the task gets what it wrote");
            }
            worker.close().unwrap();
        }
    }
}

#[test]
fn state_of_any_length_is_committed_on_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    check(&Embedded::open(dir.path()).unwrap(), "embedded");
}

#[test]
fn state_of_any_length_is_committed_on_kafka() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    check(&*kafka.log(), &kafka.prefix("metadata"));
}

#[test]
fn a_task_with_64_parents_stops_and_goes_on() {
    const PARTITIONS: i32 = 64;
    const EVENTS: usize = 512;
    let transaction = |at: i64| Transaction {
        id: at,
        time_ms: 1_522_540_800_000 + at * DAY_MS / 500,
        customer: (at / i64::from(PARTITIONS) % 2) as i32,
        terminal: (at % 3) as i32,
        amount: 1.0,
        fraud: false,
    };
    let rows: Transactions = (0..EVENTS as i64).map(transaction).collect();
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path()).unwrap();
    let pipeline = fraud(&[("partitions: 4", &format!("partitions: {PARTITIONS}"))]);
    let deployment = Deployment::new(Arc::new(log), Store::memory(), pipeline);
    let publish = |range: std::ops::Range<usize>| {
        let order: Vec<(usize, i32)> = range.map(|row| (row, row as i32 % PARTITIONS)).collect();
        deployment.publish(rows.events(&deployment.context, &order));
    };
    let idle = Duration::from_secs(3_600);
    for half in [0..EVENTS / 2, EVENTS / 2..EVENTS] {
        publish(half.clone());
        let running = deployment.start(Duration::ZERO, idle);
        assert_eq!(deployment.features(half.end, &running).len(), half.end);
        assert_eq!(running.stop(), Vec::<String>::new());
        let context = &deployment.context;
        let stage = &context.plan.stages[0];
        let tasks = context.plan.tasks.iter().filter(|task| task.reads.contains(&stage.reads));
        let tps: Vec<_> = (0..PARTITIONS).map(|number| TopicPartition::new(stage.reads.as_str(), number)).collect();
        let cut = tasks.flat_map(|task| context.log.committed(&task.group_id, &tps).unwrap()).flatten();
        let cut = cut.filter(|committed| headed(&committed.metadata).is_some());
        assert!(cut.count() > 0, "some task has more parents than a commit can carry");
    }
}
