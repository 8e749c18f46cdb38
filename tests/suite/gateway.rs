//! The gateway over real HTTP and a real embedded log: what is acknowledged is durable, what is refused is told in full,
//! and what other processes need of the log they get.

use std::time::Duration;

use gateway::Listener;
use registry::models::Models;
use serde_json::{Value, json};
use tests::models;
use tests::pipeline::{Running, fraud};

use crate::served::{EVENTS, Served, ids, transaction};

/// Never: nothing here waits for quiet partitions.
const IDLE: Duration = Duration::from_secs(3_600);
/// 2018-06-22T16:14:18Z.
const TIME_US: i64 = 1_529_684_058_000_000;

#[test]
fn a_source_in_json_gets_json_and_shows_it() {
    let topic = "    topic: fraud.transactions.events.v1\n";
    let dir = tempfile::tempdir().unwrap();
    let served = Served::of(dir.path(), fraud(&[(topic, &format!("{topic}    format: json\n"))]));
    let mut event = transaction(1);
    event["shop"] = json!("a field that nobody declared");
    assert_eq!(served.post_json(EVENTS, &event).0, 202);
    let (status, answer) = served.post_json(EVENTS, &json!([transaction(2), { "transaction_id": "x" }]));
    assert_eq!((status, &answer["rejected"][0]["reasons"][0]["code"]), (422, &json!("FIELD_TYPE")));
    let shown = served.tap("fraud.transactions.events.v1", "from=start&follow=false&raw=true").next().unwrap();
    assert_eq!(shown["value"], event);
    served.stop();
}

#[test]
fn acknowledged_events_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    assert_eq!(served.post_json(EVENTS, &transaction(1)), (202, json!({ "accepted": 1, "rejected": [] })));
    let (status, answer) = served.post_json(EVENTS, &json!([transaction(2), transaction(3)]));
    assert_eq!((status, &answer["accepted"]), (202, &json!(2)));
    let lines = format!("{}\n\n{}\n", transaction(4), transaction(5));
    let by_topic = "/v1/sources/fraud.transactions.events.v1/events";
    assert_eq!(served.post(by_topic, "application/x-ndjson; charset=utf-8", &lines).0, 202);
    let label = json!({ "transaction_id": 1, "is_fraud": true, "known_time": "2018-06-29T16:14:18Z" });
    assert_eq!(served.post_json("/v1/sources/chargebacks/events", &label).0, 202);
    served.stop();

    let served = Served::start(dir.path());
    let names = served.deployment.context.plan.names.clone();
    assert_eq!(ids(&served.deployment.rows(&names.events)), [1, 2, 3, 4, 5]);
    assert_eq!(served.deployment.rows(names.labels.as_ref().unwrap())[0]["is_fraud"], true);
    served.stop();
}

#[test]
fn every_fault_of_every_event_is_told_and_nothing_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let mut dear = transaction(2);
    dear["amount"] = json!(100_000);
    dear["customer_id"] = json!(-1);
    let mut odd = transaction(3);
    odd["amount"] = json!("much");
    odd["colour"] = json!("red");
    odd.as_object_mut().unwrap().remove("terminal_id");
    let (status, answer) = served.post_json(EVENTS, &json!([transaction(1), dear, odd, 4]));
    assert_eq!((status, &answer["accepted"]), (422, &json!(0)));
    let codes = |at: usize| -> Vec<&str> {
        let reasons = answer["rejected"][at]["reasons"].as_array().unwrap();
        let mut codes: Vec<&str> = reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        codes
    };
    assert_eq!(codes(0), ["FIELD_RANGE", "RULE_FAILED"], "{answer}");
    assert_eq!(codes(1), ["FIELD_NULL", "FIELD_TYPE", "FIELD_UNKNOWN"], "{answer}");
    assert_eq!(codes(2), ["FIELD_TYPE"], "{answer}");
    let places: Vec<_> = answer["rejected"].as_array().unwrap().iter().map(|one| one["index"].as_i64()).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3)]);
    assert!(served.deployment.rows(&served.deployment.context.plan.names.events).is_empty());
    served.stop();
}

#[test]
fn requests_that_cannot_be_read_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let check = |path: &str, body: &str, status: u16, said: &str| {
        let (found, answer) = served.post(path, "application/json", body);
        assert_eq!(found, status, "{path}: {answer}");
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        assert!(format!("{} {}", text("error"), text("help")).contains(said), "{path}: {answer}");
    };
    check(EVENTS, "{", 400, "not JSON");
    check(EVENTS, "[]", 400, "no records");
    check(EVENTS, &" ".repeat(gateway::BODY_BYTES_MAX + 1), 413, "several requests");
    check("/v1/sources/payments/events", "{}", 404, "transactions, chargebacks");
    check("/v1/nothing", "{}", 404, "GET /");
    check("/livez", "{}", 405, "does not answer POST");
    check("/v1/publish/nothing", "{}", 404, "there is no topic nothing");
    check("/v1/publish/fraud.journal.log.g1", "{}", 403, "internal log");
    check("/v1/control/promote", "{}", 400, "missing field `model`");
    check("/v1/control/promote", r#"{"model":"x","version":1}"#, 404, "its models are fraud");
    check("/v1/control/promote", r#"{"model":"fraud","version":1}"#, 404, "tidemill train");
    check("/v1/retrain", r#"{"data_to":"soon"}"#, 400, "is no time");
    let (status, answer) = served.get_json("/v1/topics/nothing/tap");
    assert_eq!((status, &answer["help"]), (404, &json!("GET /v1/topics lists them")));
    assert_eq!(served.get_json("/v1/topics/fraud.alerts.v1/tap?from=middle").0, 400);
    assert_eq!(served.get("/livez"), (200, "ok\n".to_owned()));
    served.stop();
}

#[test]
fn a_tap_shows_records_and_items_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let validator: Running = served.deployment.start_validator(IDLE);
    let names = served.deployment.context.plan.names.clone();
    let live = served.tap(&names.events, "from=end&limit=2&filter=customer_id=7");
    let items = served.tap(names.first_log(), "from=start&limit=3");
    let mut other = transaction(9);
    other["customer_id"] = json!(8);
    let (status, answer) = served.post_json(EVENTS, &json!([other, transaction(1), transaction(2)]));
    assert_eq!(status, 202, "{answer}");
    let seen: Vec<Value> = live.map(|line| line["value"].clone()).collect();
    assert_eq!(ids(&seen), [1, 2]);
    let seen: Vec<Value> = items.map(|line| line["event"].clone()).collect();
    assert_eq!(ids(&seen), [1, 2, 9], "one line for each item of a batch");
    let all: Vec<Value> =
        served.tap(&names.events, "from=start&follow=false").map(|line| line["value"].clone()).collect();
    assert_eq!(ids(&all), [1, 2, 9]);
    let last: Vec<Value> = served.tap(names.first_log(), "from=start&follow=false&marks=true").collect();
    assert!(last.iter().any(|line| line.get("fence").is_some()), "{last:?}");

    let (status, request) = served.post("/v1/retrain", "application/json", "");
    assert_eq!(status, 202, "all may be left out: {request}");
    let rule = served.deployment.context.pipeline.retraining.clone().unwrap();
    assert_eq!(request["data_to"], TIME_US - rule.label_delay_us - rule.holdout_us, "event time counts");
    assert_eq!(request["requested_time"], TIME_US, "and so it does for which labels are known");
    assert_eq!(request["reason"], "asked for through the gateway");
    assert_eq!(validator.stop(), Vec::<String>::new());
    served.stop();
}

#[test]
fn it_is_ready_once_a_model_is_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let (status, answer) = served.get_json("/readyz");
    let reason = &answer["reasons"][0]["error"];
    assert_eq!((status, &answer["ready"]), (503, &json!(false)), "{answer}");
    assert_eq!(reason, "no champion: run `tidemill train` and `tidemill model promote`");
    assert_eq!(answer["reasons"].as_array().map(Vec::len), Some(1), "all topics are there");
    assert_eq!(served.get_json("/v1/control").1["champion"], Value::Null);

    let feature_set = &served.deployment.context.pipeline.features.digest;
    let artefact = models::of_amount(feature_set, 0.0, &[0.0, 50.0, 100.0, 150.0]);
    let models = Models::new(served.store.clone());
    models.publish("fraud", artefact.files()).unwrap();
    let mut broken = artefact.files().clone();
    broken.values_mut().filter(|bytes| !bytes.is_empty()).for_each(|bytes| bytes[0] ^= 1);
    models.publish("fraud", &broken).unwrap();
    assert_eq!(served.get_json("/v1/models").1.as_array().map(Vec::len), Some(2));

    let promote = |version: Value| {
        // No scorer runs that could be asked.
        let wanted = json!({ "model": "fraud", "version": version, "threshold": 0.25, "without_readiness": true });
        served.post_json("/v1/control/promote", &wanted)
    };
    let (status, answer) = promote(json!("latest"));
    assert_eq!(status, 422, "a model that the scorer could not load is not promoted: {answer}");
    let (status, answer) = promote(json!(1));
    assert_eq!((status, &answer["number"]), (200, &json!(1)), "{answer}");
    let (_, control) = served.get_json("/v1/control");
    assert_eq!((&control["champion"]["version"], &control["threshold"]), (&json!(1), &json!(0.25)));
    assert_eq!(control["complete"], false, "no scorer runs");
    assert_eq!(control["void"], json!([]));
    let model = serde_json::from_value(control["champion"].clone()).unwrap();
    let (context, decisions) = (&served.deployment.context, served.deployment.decisions());
    let hasty = scorer::Readiness::Within(Duration::ZERO);
    scorer::promote_with(context, decisions, model, Some(0.5), hasty).unwrap_err();
    assert_eq!(served.get_json("/v1/control").1, control, "what was withdrawn is not in force");
    assert_eq!(promote(json!(1)).1["number"], 1, "promoting again changes nothing");
    assert_eq!(served.get_json("/readyz").0, 200);
    served.stop();
}

#[test]
fn other_processes_publish_and_ask_for_models_through_it() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let names = served.deployment.context.plan.names.clone();
    // "AAEC" are the bytes 0, 1, 2; the validator will find that they are no event, the log does not care.
    let line = r#"{"key":"Nw==","value":"AAEC","headers":[["a","Yg=="]],"partition":1}"#;
    let path = format!("/v1/publish/{}", names.events);
    assert_eq!(served.post(&path, "application/x-ndjson", line), (202, json!({ "accepted": 1 })));
    let seen: Vec<Value> = served.tap(&names.events, "from=start&follow=false").collect();
    assert_eq!(
        (&seen[0]["partition"], &seen[0]["key"], &seen[0]["headers"]["a"]),
        (&json!(1), &json!("7"), &json!("b"))
    );

    let wanted = json!({ "reason": "tried", "data_from": "2018-05-01T00:00:00Z", "data_to": "2018-06-01T00:00:00Z" });
    let (status, answer) = served.post_json("/v1/retrain", &wanted);
    assert_eq!((status, &answer["model"]), (202, &json!("fraud")), "{answer}");
    let (status, answer) = served.post("/v1/retrain", "application/json", "");
    assert_eq!(status, 400, "there is no event to count back from: {answer}");
    let requests = served.deployment.rows(&names.retraining);
    let reasons: Vec<_> = requests.iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["tried"]);
    assert!(requests.iter().all(|one| one["state"] == "REQUESTED" && one["result"].is_null()));
    served.stop();
}

#[test]
fn only_this_machine_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let error = Listener::bind("0.0.0.0:0").unwrap_err().to_string();
    assert!(error.contains("--public 0.0.0.0:0 --tokens FILE"), "{error}");
    let error = Listener::bind(&served.running.address.to_string()).unwrap_err().to_string();
    assert!(error.contains("is another gateway running there?"), "{error}");
    let from_a_page = served.agent.post(served.url(EVENTS)).header("origin", "https://example.com").send("{}").unwrap();
    assert_eq!(from_a_page.status().as_u16(), 403);
    served.stop();
}
