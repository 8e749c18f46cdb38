//! A source gains partitions, under load on real Kafka and between two runs on the embedded log: they wait until
//! `tidemill apply` has named them to the logs, and features are those of the same events in four partitions.

#![allow(clippy::unwrap_used)]

use crate::monitor::transactions;
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::Log;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, Features, Running, fraud, fraud_text};
use tests::service::{Place, Process};

const SERVICES: &str = "validator featurizer";
/// Quiet soon where a run is to end by itself; where partitions wait for their parents to be named, time stands still.
const IDLE: [&str; 2] = ["--idle-timeout", "3s"];
const ARGUMENTS: [&str; 4] = ["--idle-timeout", "30s", "--kafka", "topic.metadata.refresh.interval.ms=500"];
const ORDERING: (&str, &str) = ("ordering: arrival", "ordering: event_time");
const DAYS: i64 = 6;
const EVENTS: usize = DAYS as usize * 200;
const GROWN: i32 = 6;
/// Days whose partitions were named before they came.
const NAMED: i64 = 4;
const WAITS: &str = "a new partition of a source waits for `tidemill apply`";

/// Sources with six partitions, which the file of the first half does not know.
const LARGER: [(&str, &str); 3] = [
    ORDERING,
    ("topic: fraud.transactions.events.v1", "topic: fraud.transactions.events.v1\n    partitions: 6"),
    ("topic: fraud.labels.events.v1", "topic: fraud.labels.events.v1\n    partitions: 6"),
];

fn place(dir: &Path, kafka: Option<&Kafka>) -> Place {
    let arguments = if kafka.is_some() { &ARGUMENTS[..] } else { &IDLE[..] };
    Place {
        dir: dir.to_owned(),
        brokers: kafka.map(|kafka| kafka.brokers().to_owned()),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
    }
}

fn deployment(dir: &Path, log: Arc<dyn Log>, replaced: &[(&str, &str)]) -> Deployment {
    Deployment::new(log, Store::local(&dir.join("store")).unwrap(), fraud(replaced))
}

fn embedded(dir: &Path) -> Arc<dyn Log> {
    Arc::new(Embedded::open(dir.join("log")).unwrap())
}

/// Publishes some days' events and labels over so many partitions.
fn publish(deployment: &Deployment, days: Range<i64>, labels: Range<i64>, partitions: i32) {
    let (events, labels) = (transactions(days), transactions(labels));
    deployment.publish(events.events(&deployment.context, &events.spread(partitions)));
    deployment.publish(labels.labels(&deployment.context, &labels.spread(partitions)));
}

/// The features where nothing grows.
fn calm() -> Features {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&[ORDERING])).unwrap();
    publish(&deployment(dir.path(), embedded(dir.path()), &[ORDERING]), 0..DAYS, 0..DAYS, 4);
    place(dir.path(), None).start(SERVICES, &["--drain"], None).ended_well();
    deployment(dir.path(), embedded(dir.path()), &[ORDERING]).features(EVENTS, &Running::default())
}

/// Features of the first so many events are those of the run in which nothing grew, and all others are there.
#[track_caller]
fn compare(ours: &Features, first: usize) {
    let calm = calm();
    assert!(ours.keys().eq(calm.keys()));
    let compared = calm.iter().filter(|(id, _)| id.parse::<usize>().unwrap() < first);
    let differ: Vec<_> = compared.filter(|(id, features)| ours.get(*id) != Some(features)).collect();
    let shown: Vec<_> = differ.iter().take(3).map(|(id, features)| (id, features, ours.get(*id))).collect();
    assert!(differ.is_empty(), "{} of {} events differ: {shown:?}", differ.len(), calm.len());
}

#[test]
fn a_source_that_its_file_makes_larger_is_read_from_the_next_start_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("pipeline.yaml"), fraud_text(&[ORDERING])).unwrap();
    publish(&deployment(path, embedded(path), &[ORDERING]), 0..3, 0..0, 4);
    place(path, None).start(SERVICES, &["--drain"], None).ended_well();

    std::fs::write(path.join("pipeline.yaml"), fraud_text(&LARGER)).unwrap();
    let said = ["fraud.transactions.events.v1 has 6 partitions now", "fraud.journal.log.g1 knows the new partitions"];
    place(path, None).call(&["apply"], 0, &said);
    publish(&deployment(path, embedded(path), &LARGER), 3..DAYS, 0..DAYS, GROWN);
    place(path, None).start(SERVICES, &["--drain"], None).ended_well();
    place(path, None).call(&["ledger", "verify", "--recount"], 0, &["nothing differs, logs counted"]);
    compare(&deployment(path, embedded(path), &LARGER).features(EVENTS, &Running::default()), EVENTS);
}

#[test]
fn a_source_that_gains_partitions_under_load_loses_nothing_on_kafka() {
    let Some(kafka) = Kafka::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("pipeline.yaml"), fraud_text(&[ORDERING])).unwrap();
    let deployment = deployment(path, kafka.log(), &[ORDERING]);
    let place = place(path, Some(&kafka));
    let services: Vec<Process> =
        ["validator", "validator", "featurizer"].into_iter().map(|service| place.start(service, &[], None)).collect();
    let running = Running::default();
    let grow = |partitions: i32, before_it_is_named: &dyn Fn()| {
        for source in deployment.context.plan.names.sources() {
            deployment.context.log.add_partitions(source, partitions).unwrap();
        }
        before_it_is_named();
        let waits = |validator: &Process| {
            validator.said().lines().any(|line| line.contains(WAITS) && line.contains(&format!("/{}", partitions - 1)))
        };
        deployment.wait(&[&running], || services[..2].iter().any(waits));
        place.call(&["apply"], 0, &["fraud.customer.log.f1.g1 knows the new partitions"]);
        place.call(&["apply"], 0, &["0 of them new"]);
    };
    publish(&deployment, 0..2, 0..0, 4);
    grow(GROWN, &|| ());
    publish(&deployment, 2..NAMED, 0..0, GROWN);
    // What is there before its partition is named comes behind the others, and comes.
    grow(GROWN + 2, &|| publish(&deployment, NAMED..DAYS, 0..0, GROWN + 2));
    publish(&deployment, 0..0, 0..DAYS, GROWN + 2);
    let features = deployment.features(EVENTS, &running);
    let mut services = services;
    services.iter().for_each(Process::ask_to_stop);
    services.iter_mut().for_each(Process::ended_well);
    place.call(&["ledger", "verify", "--recount"], 0, &["nothing differs, logs counted"]);
    compare(&features, NAMED as usize * 200);
}
