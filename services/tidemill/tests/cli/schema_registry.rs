//! A pipeline whose schemas are in a real schema registry.

use super::{check, folder, lines, shipped, transactions};
use serde_json::Value;

#[test]
fn a_pipeline_runs_with_its_schemas_in_a_real_registry() {
    let Some(registry) = tests::apicurio::Apicurio::start() else { return };
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = folder();
    let ordered = shipped().replace("ordering: arrival", "ordering: event_time");
    std::fs::write(
        dir.path().join("registered.yaml"),
        ordered.replace("fraud.", "registered.").replace("pipeline: fraud", "pipeline: registered"),
    )
    .expect("a file");
    let place = ["--pipeline", "registered.yaml", "--brokers", kafka.brokers(), "--schema-registry", registry.url()];
    let on = |args: &[&str]| check(dir.path(), &[args, &place, &["--idle-timeout", "500ms"]].concat(), 0, &[]);

    let applied: Value = lines(&on(&["apply", "--output", "json"])).remove(0);
    let registered = applied["schemas"].as_array().cloned().expect("schemas");
    assert!(registered.len() > 10, "{applied}");
    assert_eq!(lines(&on(&["apply", "--output", "json"]))[0]["schemas"], applied["schemas"], "ids stay");
    let subjects: Value = ureq::get(format!("{}/subjects", registry.url()))
        .call()
        .and_then(|mut answer| answer.body_mut().read_json())
        .expect("the registry answers");
    let names = subjects.as_array().cloned().expect("names");
    assert!(registered.iter().all(|one| names.contains(&one["subject"])), "{subjects}");
    assert!(!dir.path().join(".tidemill/store/schemas").exists(), "schemas are in the registry alone");

    let file = transactions(dir.path());
    on(&["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"]);
    on(&["run", "validator", "featurizer", "archiver", "--drain"]);
    let features = lines(&on(&["tap", "features.log"]));
    assert_eq!(features.len(), 40);
    let one = lines(&on(&["tap", "features.log", "--filter", "transaction_id=36"]));
    assert_eq!(one[0]["features"]["customer_tx_amount_avg_30d"], 18.5);
    let events = lines(&on(&["tap", "transactions.events"]));
    assert!(events.len() == 40 && events.iter().all(|event| event["value"]["amount"].is_number()));
    assert_eq!(lines(&on(&["tap", "outcomes"])).len(), 40);
}
