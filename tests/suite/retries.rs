//! Dead letters retried on real Kafka: a rule is corrected, two people retry everything at once, and validators are killed
//! meanwhile. Each event comes out once, and the ledger agrees.

#![allow(clippy::unwrap_used)]

use crate::monitor::{order, transactions};
use flow::plan::Service;
use flow::state::{TaskState, split_pointer};
use registry::store::Store;
use runtime::log::{Committed, Log, TopicPartition};
use serde_json::Value;
use std::collections::BTreeMap;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, Running, fraud, fraud_text};
use tests::service::{Place, Process};

/// About half of all amounts are above.
const WRONG: (&str, &str) = ("amount < 100000", "amount < 50");
const DAYS: i64 = 3;
const KILLS: usize = 3;

/// How many records the partitions of a topic have had.
fn records(deployment: &Deployment, topic: &str) -> i64 {
    deployment.context.bounds(topic).unwrap().iter().map(|(.., end)| end).sum()
}

#[test]
fn dead_letters_retried_by_two_under_kills_come_out_once() {
    let Some(kafka) = Kafka::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("pipeline.yaml"), fraud_text(&[WRONG])).unwrap();
    let store = Store::local(&path.join("store")).unwrap();
    let deployment = Deployment::new(kafka.log(), store, fraud(&[WRONG]));
    let rows = transactions(0..DAYS);
    deployment.publish(rows.events(&deployment.context, &order(&rows)));
    deployment.publish(rows.labels(&deployment.context, &order(&rows)));
    let rejected = rows.amount.iter().filter(|amount| **amount >= 50.0).count();
    assert!(rejected > 100 && rejected < rows.len() - 100, "{rejected} of {}", rows.len());

    let arguments = ["--idle-timeout", "1s", "--kafka", "session.timeout.ms=3000"].map(str::to_owned).to_vec();
    let place = Place { dir: path.to_owned(), brokers: Some(kafka.brokers().to_owned()), arguments };
    let (running, events) = (Running::default(), deployment.context.plan.names.events.clone());
    let (dead, retries) = (flow::plan::Names::dead_letters(&events), flow::plan::Names::retries(&events));
    place.start("validator", &["--drain"], None).ended_well();
    assert_eq!(records(&deployment, &dead), rejected as i64);

    std::fs::write(path.join("pipeline.yaml"), fraud_text(&[])).unwrap();
    let start = || place.start("validator", &[], None);
    let mut validators: Vec<Process> = vec![start(), start()];
    let mut featurizer = place.start("featurizer", &[], None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| place.call(&["dlq", "retry", "--all"], 0, &[]));
        }
        for kill in 0..KILLS {
            deployment.wait(&[&running], || records(&deployment, &retries) > (kill * rejected / 4) as i64);
            validators.remove(0).kill();
            validators.push(start());
        }
    });
    assert!(records(&deployment, &retries) >= rejected as i64);
    let features = deployment.features(rows.len(), &running);
    assert!(rows.id.iter().all(|id| features.contains_key(&id.to_string())));
    let text = place.call(&["dlq", "retry", "--all"], 0, &[]);
    assert!(text.contains(&format!("no dead letter to retry; {rejected} were retried before")), "{text}");
    place.call(&["ledger", "verify", "--recount", "--wait", "1s"], 0, &[]);
    validators.iter().for_each(Process::ask_to_stop);
    featurizer.ask_to_stop();
    validators.iter_mut().for_each(Process::ended_well);
    featurizer.ended_well();
    let text = place.call(&["ledger", "verify", "--recount", "--wait", "1s", "--output", "json"], 0, &[]);
    let told: Value = serde_json::from_str(&text).unwrap();
    let standings = told["standings"].as_array().unwrap().iter();
    // Nobody scores and watches here.
    let runs = |one: &&Value| one["reader"].as_str().is_none_or(|reader| reader.contains("featurizer"));
    let is_good = |one: &Value| ["agrees", "open"].iter().any(|state| one["state"] == *state);
    let wrong: Vec<&Value> = standings.filter(runs).filter(|one| !is_good(one)).collect();
    assert_eq!((&told["faults"], &wrong[..]), (&Value::from(0), &[][..]));
    repaired(&deployment, &kafka, &place, &retries);
}

/// What validators lost of their retries comes back from the logs and the ledger.
fn repaired(deployment: &Deployment, kafka: &Kafka, place: &Place, retries: &str) {
    let log = runtime::kafka::Kafka::connect(kafka.brokers(), &BTreeMap::new()).unwrap();
    let group = deployment.context.plan.group(Service::Validator);
    let tps: Vec<TopicPartition> = deployment.context.bounds(retries).unwrap().into_iter().map(|(tp, ..)| tp).collect();
    let states = || {
        let committed = log.committed(&group, &tps).unwrap().into_iter().flatten();
        let state = |committed: Committed| {
            let mut state: TaskState = serde_json::from_str(&split_pointer(&committed.metadata).0).unwrap();
            state.schemas.clear();
            (committed.offset, state)
        };
        committed.map(state).collect::<Vec<_>>()
    };
    let before = states();
    assert!(before.iter().any(|(_, state)| !state.sums.is_empty()));
    deployment.wait(&[], || log.members(&group).unwrap().is_empty());
    log.delete_groups(&[&group]).unwrap();
    place.call(&["repair"], 0, &[]);
    assert_eq!(states(), before);
}
