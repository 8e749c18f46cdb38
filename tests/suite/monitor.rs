//! Drift seen from outside: amounts shift for two days, the monitor reports every window, opens one incident, asks once
//! for a new model, and resolves the incident when the amounts come back; a restart on the way changes nothing.

#![allow(clippy::unwrap_used)]

use expect_test::expect;
use registry::store::Store;
use runtime::embedded::Embedded;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::models;
use tests::pipeline::{Deployment, Running, fraud};

/// 2018-06-18, 00:00 UTC.
const FIRST_DAY_MS: i64 = 1_529_280_000_000;
const DAYS: i64 = 8;
/// Days on which amounts are [`SHIFT`] higher; the incident begins with the first.
const SHIFTED: std::ops::Range<i64> = 3..5;
const SHIFT: f64 = 300.0;
const EVENTS_PER_DAY: i64 = 200;
pub(crate) const SOURCE_PARTITIONS: i32 = 4;
/// Never: events and labels of all partitions move time on by themselves.
pub(crate) const IDLE: Duration = Duration::from_secs(3_600);

/// The amount of a day's n-th event: the same ones every day.
fn amount(n: i64) -> f64 {
    10.0 + (n * 37 % EVENTS_PER_DAY) as f64
}

/// The events of some days, in order.
pub(crate) fn transactions(days: std::ops::Range<i64>) -> Transactions {
    let transaction = |(day, n)| Transaction {
        id: day * EVENTS_PER_DAY + n,
        time_ms: FIRST_DAY_MS + day * DAY_MS + n * (DAY_MS / EVENTS_PER_DAY),
        customer: (n % 17) as i32,
        terminal: (n % 11) as i32,
        amount: amount(n) + if SHIFTED.contains(&day) { SHIFT } else { 0.0 },
        fraud: n % 50 == 0,
    };
    days.flat_map(|day| (0..EVENTS_PER_DAY).map(move |n| (day, n))).map(transaction).collect()
}

/// All rows in order, each with a source partition.
pub(crate) fn order(rows: &Transactions) -> Vec<(usize, i32)> {
    rows.spread(SOURCE_PARTITIONS)
}

fn publish(deployment: &Deployment, days: std::ops::Range<i64>) {
    let rows = transactions(days);
    deployment.publish(rows.events(&deployment.context, &order(&rows)));
    deployment.publish(rows.labels(&deployment.context, &order(&rows)));
}

/// Makes a model the champion whose reference is a day as [`amount`] gives it.
pub(crate) fn promote(deployment: &Deployment, store: &Store) {
    let amounts: Vec<f32> = (0..EVENTS_PER_DAY).map(|n| amount(n) as f32).collect();
    let model = models::of_amount(&deployment.context.pipeline.features.digest, 0.0, &amounts);
    let model = models::publish(store, &model);
    // The scorer is started later.
    let (context, decisions) = (&deployment.context, deployment.decisions());
    scorer::promote_with(context, decisions, model, None, scorer::Readiness::Skipped).unwrap();
}

fn day(time: &Value) -> String {
    time.as_str().unwrap()[..10].to_owned()
}

/// Everything the monitor published, as lines: reports, then states of incidents, then requests.
fn found(deployment: &Deployment) -> String {
    let names = &deployment.context.plan.names;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut lines = Vec::new();
    for row in deployment.rows(&names.drift) {
        let statistics = row["statistics"].as_array().unwrap().iter();
        let levels = statistics.map(|one| format!(" {} {}", text(&one["subject"]), text(&one["level"])));
        let (model, events) = (text(&row["model"]), &row["events"]);
        lines.push(format!("{} {model} {events}:{}", day(&row["window_start"]), levels.collect::<String>()));
    }
    for row in deployment.rows(&names.alerts) {
        let (state, revision, severity) = (text(&row["state"]), &row["revision"], text(&row["severity"]));
        lines.push(format!("{state} {revision} {severity} {}: {}", day(&row["updated_time"]), text(&row["cause"])));
    }
    for row in deployment.rows(&names.retraining) {
        let (from, to) = (day(&row["data_from"]), day(&row["data_to"]));
        lines.push(format!("{} {} on {from}..{to}", text(&row["state"]), text(&row["model"])));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Waits until the last incident's state is the given one and all windows before `days` are reported.
fn wait(deployment: &Deployment, running: &[&Running], state: &str, days: usize) {
    let names = &deployment.context.plan.names;
    deployment.wait(running, || {
        let alerts = deployment.rows(&names.alerts);
        let reports = deployment.rows(&names.drift).len();
        reports >= days && alerts.last().is_some_and(|alert| alert["state"] == state)
    });
}

/// A pipeline that watches amounts, with a champion.
fn watching(dir: &Path) -> Deployment {
    let log = Embedded::open(dir.join("log")).unwrap();
    let store = Store::local(&dir.join("store")).unwrap();
    let mut pipeline = fraud(&[]);
    for watched in &mut pipeline.monitors {
        watched.psi.features = vec!["amount".to_owned()];
        watched.min_events = EVENTS_PER_DAY as u64;
    }
    let deployment = Deployment::new(Arc::new(log), store.clone(), pipeline);
    promote(&deployment, &store);
    deployment
}

/// Such a pipeline that has judged all days; nothing of it runs any more.
pub(crate) fn watched(dir: &Path) -> Deployment {
    let deployment = watching(dir);
    let mut running = deployment.start(Duration::ZERO, IDLE);
    deployment.start_scorer(Duration::ZERO, &mut running);
    deployment.start_monitor(Duration::ZERO, &mut running);
    publish(&deployment, 0..DAYS);
    wait(&deployment, &[&running], "RESOLVED", DAYS as usize - 1);
    assert_eq!(running.stop(), Vec::<String>::new());
    deployment
}

/// What the monitor found; it stops and starts again once the windows before each of the given days are judged.
fn run(restarts: &[i64]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let deployment = watching(dir.path());
    let mut running = deployment.start(Duration::ZERO, IDLE);
    deployment.start_scorer(Duration::ZERO, &mut running);
    let mut monitor = Running::default();
    deployment.start_monitor(Duration::ZERO, &mut monitor);
    let mut published = 0;
    for end in restarts {
        publish(&deployment, published..*end);
        published = *end;
        // A window is complete with an event of the next day, so the incident's second day is not judged yet.
        wait(&deployment, &[&running, &monitor], "OPEN", *end as usize - 1);
        assert_eq!(monitor.stop(), Vec::<String>::new());
        monitor = Running::default();
        deployment.start_monitor(Duration::ZERO, &mut monitor);
    }
    publish(&deployment, published..DAYS);
    wait(&deployment, &[&running, &monitor], "RESOLVED", DAYS as usize - 1);
    assert_eq!(running.stop(), Vec::<String>::new());
    assert_eq!(monitor.stop(), Vec::<String>::new());
    found(&deployment)
}

#[test]
fn a_shift_opens_one_incident_asks_for_one_model_and_is_resolved_when_it_is_over() {
    expect![[r#"
        2018-06-18 fraud@1 200: amount NONE score NONE
        2018-06-19 fraud@1 200: amount NONE score NONE
        2018-06-20 fraud@1 200: amount NONE score NONE
        2018-06-21 fraud@1 200: amount ALARM score ALARM
        2018-06-22 fraud@1 200: amount ALARM score ALARM
        2018-06-23 fraud@1 200: amount NONE score NONE
        2018-06-24 fraud@1 200: amount NONE score NONE
        OPEN 1 CRITICAL 2018-06-22: 1 of 1 watched inputs moved away from what fraud@1 was trained on; so did the scores
        UPDATED 2 CRITICAL 2018-06-23: 1 of 1 watched inputs moved away from what fraud@1 was trained on; so did the scores
        RESOLVED 3 INFO 2018-06-24: 0 of 1 watched inputs moved away from what fraud@1 was trained on; the scores did not
        REQUESTED fraud on 2018-06-07..2018-06-14
    "#]]
    .assert_eq(&run(&[]));
}

#[test]
fn a_monitor_that_restarts_during_an_incident_says_the_same() {
    assert_eq!(run(&[SHIFTED.end]), run(&[]));
}
