//! Several gateways over one Kafka: an event that one of them took is scored once, and each tells its prediction.

use std::time::Duration;

use gateway::{Limits, Listener};
use registry::models::Models;
use serde_json::{Value, json};
use tests::kafka::kafka;
use tests::models;
use tests::pipeline::{Running, fraud};

use crate::served::{EVENTS, Served, transaction};

const COMMIT: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_millis(50);
const SCORE: &str = "/v1/score?timeout_ms=30000";

#[test]
fn what_one_gateway_took_another_tells_the_prediction_of() {
    let Some(kafka) = kafka() else { return };
    let dir = tempfile::tempdir().unwrap();
    let twins = || fraud(&[("pipeline: fraud\n", "pipeline: twins\n"), ("topic: fraud.", "topic: twins.")]);
    let start = || {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        Served::over(kafka.log(), dir.path(), twins(), (listener, Limits::USUAL))
    };
    let (here, there) = (start(), start());
    let feature_set = &here.deployment.context.pipeline.features.digest;
    let artefact = models::of_amount(feature_set, 0.0, &[0.0, 50.0, 100.0, 150.0]);
    Models::new(here.store.clone()).publish("fraud", artefact.files()).unwrap();
    let wanted = json!({ "model": "fraud", "version": 1, "threshold": 0.25, "without_readiness": true });
    assert_eq!(here.post_json("/v1/control/promote", &wanted).0, 200);
    let mut running: Running = here.deployment.start(COMMIT, IDLE);
    here.deployment.start_scorer(COMMIT, &mut running);

    let predicted = |answer: (u16, Value)| -> Value {
        assert_eq!(answer.0, 200, "{answer:?}");
        answer.1["predictions"][0]["prediction"].clone()
    };
    let first = predicted(here.post_json(SCORE, &transaction(1)));
    // A tap reads the topic itself, so any gateway finds any prediction that the topic keeps.
    let names = &here.deployment.context.plan.names;
    let tapped = |id: i64| -> Vec<Value> {
        let rows = there.tap(&names.predictions, &format!("from=start&follow=false&filter=event_id={id}"));
        rows.map(|row| row["value"].clone()).collect()
    };
    assert_eq!(tapped(1), [first]);

    // Sent again to a gateway that followed no predictions when this one came, the event gets none: it is a duplicate.
    let (status, answer) = there.post_json("/v1/score?timeout_ms=100", &transaction(1));
    assert_eq!((status, &answer["predictions"][0]["prediction"]), (202, &Value::Null), "{answer}");
    // Now it follows them, whoever takes the events.
    assert_eq!(here.post_json(EVENTS, &transaction(2)).0, 202);
    let second = predicted(there.post_json(SCORE, &transaction(2)));
    assert_eq!(predicted(here.post_json(SCORE, &transaction(2))), second);
    let third = predicted(here.post_json(SCORE, &transaction(3)));
    assert_eq!(predicted(there.post_json(SCORE, &transaction(3))), third);
    assert_eq!((tapped(2), tapped(3)), (vec![second], vec![third]), "each is scored once");

    assert_eq!(running.stop(), Vec::<String>::new());
    here.stop();
    there.stop();
}
