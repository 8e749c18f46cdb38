//! The end of a transaction reaches its broker long after its producer gave up on it, in the midst of a later one. Our
//! client's protocol cannot tell the two apart, so whoever had such trouble goes on under a new epoch.

use super::gap::{place_behind, wait};
use super::{IDLE, subscriber};
use crate::monitor::{order, promote, transactions};
use registry::store::Store;
use std::sync::{Arc, Mutex};
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, fraud, fraud_text};
use tests::proxy::Proxy;

/// How often an end is held back.
const HELD: i64 = 3;

#[test]
fn an_end_that_comes_too_late_ends_nothing() {
    let to = Arc::new(Mutex::new(None));
    let proxy = Proxy::start(to.clone()).unwrap();
    let Some(kafka) = Kafka::start_behind(proxy.port()) else { return };
    *to.lock().unwrap() = Some(kafka.behind());
    let dir = tempfile::tempdir().unwrap();
    let replaced = [("delivery: low_latency", "delivery: exactly_once")];
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&replaced)).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(kafka.log(), store.clone(), fraud(&replaced));
    promote(&deployment, &store);
    let predictions = &deployment.context.plan.names.predictions;
    let mut running = deployment.start_validator(IDLE);
    deployment.start_featurizer(super::COMMIT, &mut running);
    let mut scorer = place_behind(&proxy, dir.path()).start("scorer", &[], None);
    let publish = |day: i64| {
        let rows = transactions(day..day + 1);
        deployment.publish(rows.events(&deployment.context, &order(&rows)));
        rows.len()
    };
    let count = || subscriber::all(&deployment.context, predictions, false).ids.len();
    let mut published = 0;
    for day in (0..HELD).map(|held| held * 3) {
        let held = proxy.held();
        proxy.hold_end();
        published += publish(day);
        wait(&mut [&mut scorer], "an end to hold back", || proxy.held() > held);
        wait(&mut [&mut scorer], "the same work done nevertheless", || count() >= published);
        // While later transactions are under way the old one's end arrives.
        let ended = proxy.ended();
        published += publish(day + 1);
        wait(&mut [&mut scorer], "a later transaction", || proxy.ended() > ended);
        assert_eq!(proxy.release(), 1);
        published += publish(day + 2);
        wait(&mut [&mut scorer], "all predictions", || count() >= published);
    }
    let seen = subscriber::all(&deployment.context, predictions, false);
    assert_eq!(seen.twice(), Vec::<&String>::new());
    assert_eq!(seen.ids.len(), published);
    assert_eq!(running.stop(), Vec::<String>::new());
}
