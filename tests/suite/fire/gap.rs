//! Outputs to one partition fail while those to all others succeed, and then the process dies: whoever reads the log sees
//! each event once all the same, and no gap.

use super::{IDLE, is_deep, partitions};
use crate::monitor::{order, transactions};
use registry::store::Store;
use runtime::context::Context;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::fraud::Transactions;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, Running, fraud, fraud_text};
use tests::proxy::Proxy;
use tests::service::{Place, Process, State};

/// Sessions are over after three seconds, and requests without an answer are given up after two.
const ARGUMENTS: [&str; 6] =
    ["--idle-timeout", "1h", "--kafka", "session.timeout.ms=3000", "--kafka", "socket.timeout.ms=2000"];
/// The partition whose produces fail.
const LOST: i32 = 1;
/// So many produce requests got no answer: the client gave up on some and tried again.
const LOST_REQUESTS: u64 = 3;
/// Largest record that a service may write where large ones are refused; one event makes a smaller one.
const RECORD_BYTES: &str = "message.max.bytes=2500";
/// Days of events, all there before they are read: enough for records that are too large.
const DAYS: i64 = 5;
/// A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for something while processes run.
#[track_caller]
pub(super) fn wait(processes: &mut [&mut Process], what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        for process in &mut *processes {
            assert_eq!(process.state(), State::Runs, "{}", process.tail());
        }
        assert!(since.elapsed() < PATIENCE, "{what} did not come: {}", processes[0].tail());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Where services find their broker through a proxy.
pub(super) fn place_behind(proxy: &Proxy, dir: &std::path::Path) -> Place {
    let brokers = format!("127.0.0.1:{}", proxy.port());
    Place { dir: dir.to_owned(), brokers: Some(brokers), arguments: ARGUMENTS.map(str::to_owned).to_vec() }
}

/// A pipeline whose folder has its file.
fn deployment(kafka: &Kafka, dir: &std::path::Path) -> Deployment {
    std::fs::write(dir.join("pipeline.yaml"), fraud_text(&[])).unwrap();
    Deployment::new(kafka.log(), Store::local(&dir.join("store")).unwrap(), fraud(&[]))
}

fn publish(deployment: &Deployment, rows: &Transactions) {
    deployment.publish(rows.events(&deployment.context, &order(rows)));
}

/// Ends of a topic's partitions other than the one that takes nothing, summed up.
fn others(context: &Context, topic: &str) -> i64 {
    let others = partitions(context, topic).filter(|tp| tp.partition != LOST);
    others.map(|tp| context.log.watermarks(&tp).unwrap().1).sum()
}

/// All events came out once.
fn check(deployment: &Deployment, days: std::ops::Range<i64>) {
    let rows = transactions(days);
    let features = deployment.features(rows.len(), &Running::default());
    let ids: BTreeSet<String> = rows.id.iter().map(ToString::to_string).collect();
    assert!(features.keys().eq(ids.iter()), "{} of {}", features.len(), ids.len());
}

#[test]
fn a_partition_that_takes_nothing_makes_no_gap() {
    let to = Arc::new(Mutex::new(None));
    let proxy = Proxy::start(to.clone()).unwrap();
    let Some(kafka) = Kafka::start_behind(proxy.port()) else { return };
    *to.lock().unwrap() = Some(kafka.behind());
    let dir = tempfile::tempdir().unwrap();
    let deployment = deployment(&kafka, dir.path());
    let (context, names) = (&deployment.context, &deployment.context.plan.names);
    let place = place_behind(&proxy, dir.path());
    let mut processes = ["validator", "featurizer"].map(|name| place.start(name, &[], None));
    let cases =
        [(0, &names.entity_logs[0]), (0, &names.journal_log), (1, &names.entity_logs[1]), (1, &names.features_log)];
    for (day, (writer, log)) in (0..).zip(cases) {
        let (before, lost) = (others(context, log), proxy.held());
        proxy.lose(log, LOST);
        publish(&deployment, &transactions(day..day + 1));
        let [validator, featurizer] = &mut processes;
        wait(&mut [validator, featurizer], "a failure", || {
            proxy.held() >= lost + LOST_REQUESTS && others(context, log) > before
        });
        if is_deep() {
            let process = &processes[writer];
            let since = Instant::now();
            while !process.said().contains("starting over from") {
                assert!(since.elapsed() < PATIENCE, "it gives up in the end: {}", process.tail());
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }
        processes[writer].kill();
        proxy.pass();
        processes[writer] = place.start(&processes[writer].name.clone(), &[], None);
        check(&deployment, 0..day + 1);
    }
}

#[test]
fn a_record_that_is_too_large_stops_its_writer_and_makes_no_gap() {
    let Some(kafka) = Kafka::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let deployment = deployment(&kafka, dir.path());
    let arguments = ARGUMENTS.map(str::to_owned).to_vec();
    let place = Place { dir: dir.path().to_owned(), brokers: Some(kafka.brokers().to_owned()), arguments };
    let validator = deployment.start_validator(IDLE);
    let mut featurizer = place.start("featurizer", &["--kafka", RECORD_BYTES], None);
    let rows = transactions(0..DAYS);
    // A few events by themselves pass, then many at once do not.
    for row in 0..3 {
        let one = [(row, row as i32 % 4)];
        deployment.publish(rows.events(&deployment.context, &one));
        let features = deployment.features(row + 1, &validator);
        assert_eq!(features.len(), row + 1, "{}", featurizer.tail());
    }
    assert_eq!(validator.stop(), Vec::<String>::new());
    let rest: Vec<_> = order(&rows).split_off(3);
    deployment.publish(rows.events(&deployment.context, &rest));
    let validator = deployment.start_validator(IDLE);
    let since = Instant::now();
    let ended = loop {
        match featurizer.state() {
            State::Runs => assert!(since.elapsed() < PATIENCE, "{}", featurizer.tail()),
            state => break state,
        }
        std::thread::park_timeout(Duration::from_millis(50));
    };
    assert!(matches!(ended, State::Ended(status) if !status.success()), "{ended:?}");
    assert!(featurizer.said().contains("Message size too large"), "{}", featurizer.tail());
    let _featurizer = place.start("featurizer", &[], None);
    check(&deployment, 0..DAYS);
    assert_eq!(validator.stop(), Vec::<String>::new());
}
