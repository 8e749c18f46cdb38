//! A pipeline that never counts silence as the end brings everything out all the same once publishing is done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray,
};
use registry::models::Models;
use registry::store::Store;
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::log::{Log, TopicPartition};
use tests::pipeline::{Deployment, Running, fraud};

use super::options;
use crate::publish::{Options, Publisher};
use crate::remote::Remote;

/// Silence that no test sees the end of.
const NEVER: Duration = Duration::from_secs(3_600);
const MINUTE_MS: i64 = 60_000;

/// An event a minute.
fn table(minutes: std::ops::Range<i64>) -> RecordBatch {
    let ids: Vec<i64> = minutes.collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("TRANSACTION_ID", Arc::new(Int64Array::from(ids.clone()))),
        ("TX_DATETIME", Arc::new(ids.iter().map(|id| Some(id * MINUTE_MS)).collect::<TimestampMillisecondArray>())),
        ("CUSTOMER_ID", Arc::new(ids.iter().map(|id| Some((id % 5) as i32)).collect::<Int32Array>())),
        ("TERMINAL_ID", Arc::new(ids.iter().map(|id| Some((id % 3) as i32)).collect::<Int32Array>())),
        ("TX_AMOUNT", Arc::new(ids.iter().map(|id| Some(*id as f64)).collect::<Float64Array>())),
        ("TX_FRAUD", Arc::new(ids.iter().map(|id| Some(id % 7 == 0)).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn deployed(log: Arc<dyn Log>, store: &Path) -> (Deployment, Store) {
    let store = Store::local(store).unwrap();
    let pipeline = fraud(&[("ordering: arrival", "ordering: event_time")]);
    (Deployment::new(log, store.clone(), pipeline), store)
}

fn publisher(context: &Context) -> Publisher {
    // Labels are known at once, so that they move their partitions' time on as events do.
    let options = Options { label_delay_us: 0, ..options(Some("TX_FRAUD")) };
    Publisher::open(context, &table(0..1).schema(), &options, Arc::new(|| false)).unwrap()
}

/// Publishes events and labels to a running pipeline through the log of `context`, and waits for all of them.
fn check(deployment: &Deployment, context: &Context) {
    let running: Running = deployment.start(Duration::ZERO, NEVER);
    let mut publisher = publisher(context);
    for batch in [0..100, 100..101, 101..130] {
        assert!(publisher.push(&table(batch)).unwrap());
    }
    publisher.finish().unwrap();
    assert_eq!(deployment.features(130, &running).len(), 130);
    let outcomes = &deployment.context.plan.names.outcomes;
    deployment.wait(&[&running], || deployment.rows(outcomes).len() == 130);
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn on_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
    let (deployment, _) = deployed(log, &dir.path().join("store"));
    check(&deployment, &deployment.context);
}

#[test]
fn on_kafka() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (deployment, _) = deployed(kafka.log(), dir.path());
    check(&deployment, &deployment.context);
}

#[test]
fn through_the_gateway_of_whoever_has_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
    let (deployment, store) = deployed(log, &dir.path().join("store"));
    let stop = Arc::new(AtomicBool::new(false));
    let options = gateway::Options {
        limits: gateway::Limits::USUAL,
        listener: gateway::Listener::bind("127.0.0.1:0").unwrap(),
        decisions: deployment.decisions().clone(),
        models: Models::new(store),
        stats: Vec::new(),
        waiting: None,
        stop: stop.clone(),
    };
    let gateway = gateway::Gateway::start(deployment.context.clone(), options).unwrap();
    let remote: Arc<dyn Log> = Arc::new(Remote::at(&gateway.address.to_string()));
    check(&deployment, &Context { log: remote, ..deployment.context.clone() });
    stop.store(true, Ordering::Relaxed);
    gateway.wait().unwrap();
}

/// Where the topic of progress ends.
fn words(deployment: &Deployment) -> i64 {
    let topic = deployment.context.plan.names.progress.as_str();
    deployment.context.log.watermarks(&TopicPartition::new(topic, 0)).unwrap().1
}

#[test]
fn an_interrupted_or_empty_publish_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
    let (deployment, _) = deployed(log, &dir.path().join("store"));
    publisher(&deployment.context).finish().unwrap();
    let mut interrupted = publisher(&deployment.context);
    interrupted.push(&table(0..50)).unwrap();
    interrupted.end().unwrap();
    assert_eq!(words(&deployment), 0);
    let mut complete = publisher(&deployment.context);
    complete.push(&table(50..60)).unwrap();
    complete.finish().unwrap();
    assert_eq!(words(&deployment), 8, "one for each partition of events and labels");
}

#[test]
fn a_publisher_that_goes_on_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
    let (deployment, _) = deployed(log, &dir.path().join("store"));
    let running = deployment.start(Duration::ZERO, NEVER);
    let (mut one, mut other) = (publisher(&deployment.context), publisher(&deployment.context));
    other.push(&table(0..40)).unwrap();
    other.session.flush().unwrap();
    one.push(&table(1_000..1_090)).unwrap();
    one.push(&table(1_095..1_100)).unwrap();
    one.finish().unwrap();
    // What is older than the lateness comes out by itself; the rest waits for the other one's.
    let out = deployment.features(40, &running);
    assert!(out.keys().all(|id| id.parse::<i64>().unwrap() < 1_090), "{:?}", out.keys());
    other.push(&table(1_090..1_095)).unwrap();
    other.push(&table(1_100..1_140)).unwrap();
    other.finish().unwrap();
    assert_eq!(deployment.features(180, &running).len(), 180);
    assert_eq!(running.stop(), Vec::<String>::new());
}
