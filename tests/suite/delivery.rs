//! What a subscriber sees: with `delivery: exactly_once` each result once, whatever dies when, and changing the word on a
//! running pipeline is safe.

use crate::monitor::{order, promote, transactions};
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::failpoint;
use runtime::log::{Input, Log, SessionOptions, TopicPartition};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tests::pipeline::{Deployment, Running, fraud};

/// Where a child process of this binary finds the broker and the store, and what is to happen to it.
const CHILD_BROKERS: &str = "TIDEMILL_TEST_DELIVERY_BROKERS";
const CHILD_STORE: &str = "TIDEMILL_TEST_DELIVERY_STORE";
const CHILD_FATE: &str = "TIDEMILL_TEST_DELIVERY_FATE";
/// A child that loses answers of its brokers: of so many steps those, which for one task are a transaction that was not
/// committed and one that was.
const LOSES: &str = "loses";
const STEPS: u64 = 7;
const LOST: [u64; 2] = [0, 4];
/// Validators' sources are never quiet: labels and events move time on by themselves.
const IDLE: Duration = Duration::from_secs(3_600);
/// Commits of the tasks that publish nothing to the outside.
const COMMIT: Duration = Duration::from_millis(100);
/// A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(300);

fn deployment(log: Arc<dyn Log>, store: &Path, delivery: &str) -> Deployment {
    let pipeline = fraud(&[("delivery: low_latency", &format!("delivery: {delivery}"))]);
    Deployment::new(log, Store::local(store).unwrap(), pipeline)
}

/// Stages, journal and scorer: everything that a restart with another word concerns.
fn start(deployment: &Deployment) -> Running {
    let mut running = Running::default();
    deployment.start_featurizer(COMMIT, &mut running);
    deployment.start_scorer(COMMIT, &mut running);
    running
}

/// Publishes the events and labels of some days.
fn publish(deployment: &Deployment, days: Range<i64>) -> usize {
    let rows = transactions(days);
    deployment.publish(rows.events(&deployment.context, &order(&rows)));
    deployment.publish(rows.labels(&deployment.context, &order(&rows)));
    rows.len()
}

/// How often each id is in a topic for a reader of committed records, who drops nothing.
fn seen(deployment: &Deployment, topic: &str) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for partition in 0..deployment.context.topic(topic).unwrap().partitions as i32 {
        let tp = TopicPartition::new(topic, partition);
        let (start, end) = deployment.context.log.watermarks(&tp).unwrap();
        let options = SessionOptions::new("test.seen", Input::Assigned(vec![(tp, start)]));
        let mut session = deployment.context.log.session(options).unwrap();
        let mut next = start;
        while next < end {
            let poll = session.poll(Duration::from_millis(200)).unwrap();
            for record in poll.records.into_iter().flat_map(|(_, records)| records) {
                next = record.offset + 1;
                let id = record.header("ce_id").and_then(|id| id.text()).unwrap().to_owned();
                *ids.entry(id).or_insert(0) += 1;
            }
        }
    }
    ids
}

fn has(deployment: &Deployment, count: usize) -> bool {
    let names = &deployment.context.plan.names;
    seen(deployment, &names.predictions).len() >= count && seen(deployment, &names.outcomes).len() >= count
}

#[track_caller]
fn each_once(deployment: &Deployment, count: usize) {
    let names = &deployment.context.plan.names;
    for topic in [&names.predictions, &names.outcomes] {
        let seen = seen(deployment, topic);
        let repeated: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
        assert!(repeated.is_empty(), "{topic}: {repeated:?}");
        assert_eq!(seen.len(), count, "{topic}");
    }
}

/// Runs the pipeline until everything of `count` events is out, and stops it.
fn through(deployment: &Deployment, validator: &Running, count: usize) {
    let running = start(deployment);
    deployment.wait(&[&running, validator], || has(deployment, count));
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn the_word_may_change_on_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
    let store = dir.path().join("store");
    let low = deployment(log.clone(), &store, "low_latency");
    let exact = deployment(log, &store, "exactly_once");
    promote(&low, &Store::local(&store).unwrap());
    let validator = low.start_validator(IDLE);
    let mut count = 0;
    for (day, deployment) in [&low, &exact, &low].into_iter().enumerate() {
        count += publish(deployment, day as i64..day as i64 + 1);
        through(deployment, &validator, count);
        each_once(deployment, count);
    }
    assert_eq!(validator.stop(), Vec::<String>::new());
}

#[test]
fn the_word_may_change_on_kafka_and_processes_die_at_every_step_of_a_commit() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let low = deployment(kafka.log(), dir.path(), "low_latency");
    let exact = deployment(kafka.log(), dir.path(), "exactly_once");
    promote(&low, &Store::local(dir.path()).unwrap());
    let validator = low.start_validator(IDLE);
    let mut count = publish(&low, 0..1);
    through(&low, &validator, count);
    each_once(&low, count);

    let scorer = scorer::group(&exact.context);
    let journal = format!("{}.featurizer.journal", exact.context.pipeline.name);
    let deaths = failpoint::TRANSACTION.iter().flat_map(|place| [(place, &scorer), (place, &journal)]);
    for (day, (place, group)) in (1..).zip(deaths) {
        let child = Process::start(kafka.brokers(), dir.path(), &format!("{place} {group}"));
        count += publish(&exact, day..day + 1);
        child.wait_dead();
    }
    let child = Process::start(kafka.brokers(), dir.path(), LOSES);
    exact.wait(&[&validator], || child.lives() && has(&exact, count));
    count += publish(&exact, 7..8);
    exact.wait(&[&validator], || child.lives() && has(&exact, count));
    drop(child);
    each_once(&exact, count);

    count += publish(&low, 8..9);
    through(&low, &validator, count);
    each_once(&low, count);
    assert_eq!(validator.stop(), Vec::<String>::new());
}

/// The services in a process of their own, for the test above: this test does nothing unless it is that process.
#[test]
fn services_process() {
    let (Ok(brokers), Ok(store)) = (std::env::var(CHILD_BROKERS), std::env::var(CHILD_STORE)) else { return };
    failpoint::arm(fails);
    let log = runtime::kafka::Kafka::connect(&brokers, &BTreeMap::new()).unwrap();
    let deployment = deployment(Arc::new(log), Path::new(&store), "exactly_once");
    let running = start(&deployment);
    loop {
        running.check();
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

fn fails(place: &str, of: &str) -> bool {
    static FATE: OnceLock<String> = OnceLock::new();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let fate = FATE.get_or_init(|| std::env::var(CHILD_FATE).unwrap());
    if fate == LOSES {
        let may = [failpoint::SENT, failpoint::COMMITTED].contains(&place);
        return may && LOST.contains(&(CALLS.fetch_add(1, Ordering::Relaxed) % STEPS));
    }
    let (at, group) = fate.split_once(' ').unwrap();
    if place == at && of.starts_with(group) {
        // SAFETY: it ends this process, as an operator or the kernel would.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
    false
}

/// Ends its process when dropped, a failed test included.
struct Process(RefCell<Child>);

impl Process {
    fn start(brokers: &str, store: &Path, fate: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "delivery::services_process", "--nocapture"])
            .env(CHILD_BROKERS, brokers)
            .env(CHILD_STORE, store)
            .env(CHILD_FATE, fate)
            .stdout(Stdio::null())
            .spawn();
        Process(RefCell::new(child.unwrap()))
    }

    fn lives(&self) -> bool {
        let ended = self.0.borrow_mut().try_wait().unwrap();
        assert!(ended.is_none(), "the services' process ended with {ended:?}");
        true
    }

    /// Waits until it was killed, and by nothing else.
    fn wait_dead(&self) {
        use std::os::unix::process::ExitStatusExt;
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.0.borrow_mut().try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < PATIENCE, "the process did not come to where it was to die");
            std::thread::park_timeout(Duration::from_millis(50));
        };
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.get_mut().kill();
        let _ = self.0.get_mut().wait();
    }
}
