//! The fraud pipeline streamed end to end, on the embedded log and on real Kafka: the features it writes equal those the
//! handbook published, and to the bit those computed from the file.

use arrow::array::Array;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use registry::store::Store;
use runtime::log::Publish;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, PUBLISHED, Transactions, data, equal, published};
use tests::pipeline::{Deployment, Features, fraud};

/// Quiet long enough for sources that are through, far longer than any pause while records are there.
const IDLE: Duration = Duration::from_secs(5);
/// Days since 2018-04-01: 37 days of history before the first published week, to the end of the second.
const FROM_DAY: i64 = 41;
const TO_DAY: i64 = 99;
/// How late an event may arrive, and how far one partition is held back, in event time.
const SHUFFLE_MS: i64 = 600_000;
/// One event in so many is sent again.
const REPEAT_EVERY: u32 = 50;
const SEED: u64 = 20_180_401;
/// Where a child process of this binary finds the broker and the store.
const CHILD_BROKERS: &str = "TIDEMILL_TEST_BROKERS";
const CHILD_STORE: &str = "TIDEMILL_TEST_STORE";

fn event_time_fraud() -> flow::config::Pipeline {
    fraud(&[("ordering: arrival", "ordering: event_time")])
}

/// The same with events and labels in JSON.
fn json_fraud() -> flow::config::Pipeline {
    let [events, labels] = ["    topic: fraud.transactions.events.v1\n", "    topic: fraud.labels.events.v1\n"];
    let json = |topic: &str| format!("{topic}    format: json\n");
    fraud(&[("ordering: arrival", "ordering: event_time"), (events, &json(events)), (labels, &json(labels))])
}

/// All published rows equal, and all features of all rows those of the file, to the bit.
#[track_caller]
fn compare(ours: &Features, rows: &Transactions, folder: &Path) {
    let published = published(folder);
    for (id, theirs) in &published {
        let row = ours.get(&id.to_string()).unwrap_or_else(|| panic!("transaction {id} did not come out"));
        for (at, theirs) in theirs.iter().enumerate() {
            let value = row[at].unwrap_or_else(|| panic!("{} of {id} is null", PUBLISHED[at].0));
            assert!(equal(at, value, *theirs), "{} of {id}: {value} and not {theirs}", PUBLISHED[at].0);
        }
    }
    assert_eq!(published.len(), 134_318);
    let windows = rows.offline(&event_time_fraud());
    for (at, id) in rows.id.iter().enumerate() {
        let row = &ours[&id.to_string()];
        for (window, column) in windows.iter().enumerate() {
            let file = column.is_valid(at).then(|| column.value(at).to_bits());
            assert_eq!(row[window + 2].map(f64::to_bits), file, "{} of {id}", PUBLISHED[window + 2].0);
        }
    }
}

/// What is published and when: arrival time, row, partition, and whether it is the label.
pub(crate) fn arrivals(rows: &Transactions) -> Vec<(i64, usize, i32, bool)> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut arrivals = Vec::new();
    for (row, time) in rows.time_ms.iter().enumerate() {
        let partition = (row % 4) as i32;
        let held_back = if partition == 3 { SHUFFLE_MS } else { 0 };
        arrivals.push((time + rng.random_range(0..SHUFFLE_MS) + held_back, row, partition, false));
        if rng.random_range(0..REPEAT_EVERY) == 0 {
            arrivals.push((time + SHUFFLE_MS, row, (partition + 1) % 4, false));
        }
        arrivals.push((time + LABEL_DELAY_MS, row, partition, true));
    }
    arrivals.shuffle(&mut rng);
    arrivals.sort_by_key(|arrival| arrival.0);
    arrivals
}

/// Publishes a day of arrivals at a time, events and labels as they come.
fn publish(deployment: &Deployment, rows: &Transactions) {
    let arrivals = arrivals(rows);
    for day in arrivals.chunk_by(|left, right| left.0 / DAY_MS == right.0 / DAY_MS) {
        let pick = |labels: bool| -> Vec<(usize, i32)> {
            day.iter().filter(|one| one.3 == labels).map(|one| (one.1, one.2)).collect()
        };
        let mut records: Vec<Publish> = deployment_records(deployment, rows, &pick(false), false);
        records.extend(deployment_records(deployment, rows, &pick(true), true));
        deployment.publish(records);
    }
}

pub(crate) fn deployment_records(
    deployment: &Deployment,
    rows: &Transactions,
    order: &[(usize, i32)],
    labels: bool,
) -> Vec<Publish> {
    match (order.is_empty(), labels) {
        (true, _) => Vec::new(),
        (false, true) => rows.labels(&deployment.context, order),
        (false, false) => rows.events(&deployment.context, order),
    }
}

#[test]
fn features_on_the_embedded_log_are_the_published_ones() {
    let Some(folder) = data() else { return };
    let rows = Transactions::days(&folder, FROM_DAY, TO_DAY);
    let dir = tempfile::tempdir().unwrap();
    let log = runtime::embedded::Embedded::open(dir.path().join("log")).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(Arc::new(log), store, event_time_fraud());
    publish(&deployment, &rows);
    let running = deployment.start(Duration::ZERO, IDLE);
    let features = deployment.features(rows.len(), &running);
    assert_eq!(running.stop(), Vec::<String>::new());
    compare(&features, &rows, &folder);
}

/// The features of some days' events, published in the pipeline's formats.
fn streamed(rows: &Transactions, pipeline: flow::config::Pipeline) -> Features {
    let dir = tempfile::tempdir().unwrap();
    let log = runtime::embedded::Embedded::open(dir.path().join("log")).unwrap();
    let deployment = Deployment::new(Arc::new(log), Store::local(&dir.path().join("store")).unwrap(), pipeline);
    publish(&deployment, rows);
    let running = deployment.start(Duration::ZERO, IDLE);
    let features = deployment.features(rows.len(), &running);
    assert_eq!(running.stop(), Vec::<String>::new());
    features
}

#[test]
fn features_of_events_in_json_are_those_of_the_same_events_in_avro() {
    let Some(folder) = data() else { return };
    let rows = Transactions::days(&folder, FROM_DAY, FROM_DAY + 2);
    let [avro, json] = [streamed(&rows, event_time_fraud()), streamed(&rows, json_fraud())];
    assert_eq!(avro.len(), json.len());
    for (id, row) in &avro {
        let bits = |row: &[Option<f64>]| row.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
        assert_eq!(bits(row), bits(&json[id]), "{id}");
    }
}

/// A featurizer in a process of its own, for the test below: this test does nothing unless it is that process.
#[test]
fn featurizer_process() {
    let (Ok(brokers), Ok(store)) = (std::env::var(CHILD_BROKERS), std::env::var(CHILD_STORE)) else { return };
    let log = runtime::kafka::Kafka::connect(&brokers, &BTreeMap::new()).unwrap();
    let deployment = Deployment::new(Arc::new(log), Store::local(Path::new(&store)).unwrap(), json_fraud());
    let mut running = Default::default();
    deployment.start_featurizer(Duration::from_millis(500), &mut running);
    loop {
        running.check();
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

fn featurizer(brokers: &str, store: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "streaming::featurizer_process", "--nocapture"])
        .env(CHILD_BROKERS, brokers)
        .env(CHILD_STORE, store)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Ends its process when dropped, a failed test included.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its sources are in JSON, those of the test before in Avro: both are compared with the same values, to the bit.
#[test]
fn features_on_kafka_are_the_published_ones_though_a_process_dies() {
    let (Some(folder), Some(kafka)) = (data(), tests::kafka::Kafka::start()) else { return };
    let rows = Transactions::days(&folder, FROM_DAY, TO_DAY);
    let dir = tempfile::tempdir().unwrap();
    let deployment = Deployment::new(kafka.log(), Store::local(dir.path()).unwrap(), json_fraud());
    let running = deployment.start_validator(IDLE);
    let mut first = Some(Process(featurizer(kafka.brokers(), dir.path())));
    let mut second = Process(featurizer(kafka.brokers(), dir.path()));
    let features = std::thread::scope(|scope| {
        scope.spawn(|| publish(&deployment, &rows));
        deployment.features_until(rows.len(), &running, |found| {
            if found >= rows.len() / 2 {
                first.take();
            }
            assert!(second.0.try_wait().unwrap().is_none(), "the featurizer that was left ended");
        })
    });
    assert!(first.is_none(), "one process was killed on the way");
    assert_eq!(running.stop(), Vec::<String>::new());
    compare(&features, &rows, &folder);
}
