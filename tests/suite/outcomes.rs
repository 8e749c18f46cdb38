//! An outcome says of its prediction everything that the prediction itself said.

#![allow(clippy::unwrap_used)]

use crate::monitor::{IDLE, order, promote, transactions};
use registry::store::Store;
use runtime::embedded::Embedded;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tests::pipeline::{Deployment, fraud};

/// What a prediction says beside its event.
const SCORE_FIELDS: [&str; 9] =
    ["score", "threshold", "decision", "model", "model_digest", "feature_set", "schema_id", "route", "profile"];

fn by_event(rows: Vec<Value>) -> BTreeMap<String, Value> {
    rows.into_iter().map(|row| (row["event_id"].as_str().unwrap().to_owned(), row)).collect()
}

#[test]
fn outcomes_repeat_their_predictions() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path().join("log")).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(Arc::new(log), store.clone(), fraud(&[]));
    let names = &deployment.context.plan.names;
    promote(&deployment, &store);
    let mut running = deployment.start(Duration::ZERO, IDLE);
    deployment.start_scorer(Duration::ZERO, &mut running);
    let rows = transactions(0..1);
    deployment.publish(rows.events(&deployment.context, &order(&rows)));
    // A label that overtakes the prediction gives an outcome without one.
    deployment.wait(&[&running], || deployment.rows(&names.predictions).len() == rows.len());
    deployment.publish(rows.labels(&deployment.context, &order(&rows)));
    deployment.wait(&[&running], || deployment.rows(&names.outcomes).len() == rows.len());
    assert_eq!(running.stop(), Vec::<String>::new());
    let predictions = by_event(deployment.rows(&names.predictions));
    for (id, outcome) in by_event(deployment.rows(&names.outcomes)) {
        for field in SCORE_FIELDS {
            assert!(!predictions[&id][field].is_null(), "{field} of {id}");
            assert_eq!(outcome["prediction"][field], predictions[&id][field], "{field} of {id}");
        }
    }
}
