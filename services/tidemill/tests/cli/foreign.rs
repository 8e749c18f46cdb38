//! A pipeline over topics of others on a real Kafka: they stay as they are, and what they have is used as it is.

use std::path::Path;

use bytes::Bytes;
use runtime::log::{Log, Publish, SessionOptions, TopicSpec};

use super::{check, folder, lines};

/// Neither the pipeline's number nor the default.
const PARTITIONS: i32 = 3;
const PARCELS: usize = 1_200;

const PARCEL: &str = r#"{"type": "record", "name": "Parcel", "fields": [
  {"name": "parcel", "type": "string"},
  {"name": "picked_up", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "service", "type": {"type": "enum", "name": "Service", "symbols": ["STANDARD", "EXPRESS"]}},
  {"name": "depot", "type": {"type": "record", "name": "Depot", "fields": [{"name": "code", "type": "string"}]}},
  {"name": "km", "type": "double"}
]}"#;
const DELIVERY: &str = r#"{"type": "record", "name": "Delivery", "fields": [
  {"name": "parcel", "type": "string"},
  {"name": "hours", "type": "double"},
  {"name": "delivered_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
]}"#;
const PIPELINE: &str = "pipeline: foreign
ordering: event_time
lateness: 1m
idle_timeout: 1s
sources:
  parcels: { topic: acme.parcels, schema: Parcel.avsc, format: json, id: parcel, event_time: picked_up }
  deliveries:
    topic: acme.deliveries
    schema: Delivery.avsc
    format: json
    labels: parcels
    target: hours
    known_time: delivered_at
features:
  row: { from_hamburg: \"depot['code'] = 'HAM'\" }
  entities:
    service: { key: service, windows: [1d], aggregates: { parcels: count() } }
models:
  eta:
    target: hours
    objective: regression
    inputs: [service, km, row.*]
    network: linear
    training: { l2: 0.001, window: 30d, delay: 1h }
";

/// What others have made and written: an express parcel takes 6 hours, another one 18, and each hundred kilometres two.
fn publish(log: &dyn Log) {
    let topic = |name: &str| TopicSpec { public: true, ..TopicSpec::new(name, PARTITIONS) };
    log.create_topics(&[topic("acme.parcels"), topic("acme.deliveries")]).expect("topics");
    let mut session = log.session(SessionOptions::publisher("acme.producer")).expect("a session");
    for at in 0..PARCELS {
        let (service, base) = if at % 3 == 0 { ("EXPRESS", 6) } else { ("STANDARD", 18) };
        let (day, minute, km) = (1 + at / 60, at % 60, at * 7 % 100 * 10);
        let parcel = format!(
            r#"{{"parcel": "p{at}", "picked_up": "2026-03-{day:02}T08:{minute:02}:00Z", "service": "{service}",
                "depot": {{"code": "HAM"}}, "km": {km}, "of_no_interest": [1]}}"#
        );
        let delivery = format!(
            r#"{{"parcel": "p{at}", "hours": {}, "delivered_at": "2026-03-{day:02}T23:00:00Z"}}"#,
            base + km / 50
        );
        for (topic, value) in [("acme.parcels", parcel), ("acme.deliveries", delivery)] {
            session
                .publish(Publish::keyed(topic.into(), Bytes::from(format!("p{at}")), value.into()))
                .expect("published");
        }
    }
    session.flush().expect("durable");
    session.close().expect("closed");
}

fn write(path: &Path, pipeline: &str) {
    for (name, text) in [("Parcel.avsc", PARCEL), ("Delivery.avsc", DELIVERY), ("pipeline.yaml", pipeline)] {
        std::fs::write(path.join(name), text).expect("a file");
    }
}

#[test]
fn topics_of_others_stay_as_they_are_and_an_enum_is_a_category() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let log = kafka.log();
    publish(&*log);
    let dir = folder();
    write(dir.path(), PIPELINE);
    let on = |args: &[&str], exit: i32, said: &[&str]| {
        check(dir.path(), &[args, &["--brokers", kafka.brokers(), "--snapshot-interval", "1s"]].concat(), exit, said)
    };
    let partitions = || ["acme.parcels", "acme.deliveries"].map(|topic| log.partitions(topic).expect("an answer"));

    let judged = on(&["rules", "check", "parcels"], 0, &["1200 records, 0 of them would be rejected"]);
    assert!(!judged.contains("rejected  "), "{judged}");
    let planned = on(&["plan"], 0, &["+ acme.parcels.late  3 partitions", "+ foreign.predictions.v1  4 partitions"]);
    assert!(!planned.contains("to grow") && !planned.contains("^ acme"), "{planned}");
    on(&["apply"], 0, &[]);
    assert_eq!(partitions(), [Some(PARTITIONS); 2], "they are their owners'");
    on(&["plan"], 0, &["nothing to do"]);
    on(&["run", "validator", "featurizer", "scorer", "archiver", "--drain"], 0, &[]);
    on(&["ledger", "verify"], 0, &["everything agrees"]);

    let trained = on(&["train", "--without-readiness", "--promote", "--output", "json"], 0, &[]);
    let rmse = lines(&trained)[0]["metrics"]["rmse"]["value"].as_f64().expect("a measure");
    assert!(rmse < 0.5, "the hours follow from the service and the way, whole hours aside: {rmse}");
    on(&["label", "--event", "p1", "--value", "40"], 0, &["published 1 label"]);
    let labels = lines(&on(&["tap", "acme.deliveries"], 0, &[]));
    let by_hand = labels.iter().find(|line| line["value"]["hours"] == 40.0).expect("the label");
    let known = by_hand["value"]["delivered_at"].as_str().unwrap_or_default();
    assert!(known > "2026-04", "a label by hand is known when it is published: {by_hand}");
}

#[test]
fn a_source_that_says_how_many_partitions_it_has_gets_them_and_a_slip_in_its_name_is_told() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let log = kafka.log();
    publish(&*log);
    let dir = folder();
    let on = |args: &[&str], exit: i32, said: &[&str]| {
        check(dir.path(), &[args, &["--brokers", kafka.brokers()]].concat(), exit, said)
    };
    write(dir.path(), &PIPELINE.replace("acme.parcels,", "acme.parcels, partitions: 5,"));
    on(&["rules", "check", "parcels"], 0, &["1200 records"]);
    on(&["plan"], 0, &["^ acme.parcels  3 -> 5 partitions"]);
    write(dir.path(), &PIPELINE.replace("acme.parcels", "acme.parcles"));
    on(&["plan"], 0, &["+ acme.parcles  4 partitions; did you mean `acme.parcels`, which is there?"]);
    on(&["rules", "check", "parcels"], 2, &["there is no topic acme.parcles", "did you mean `acme.parcels`?"]);
}

#[test]
fn a_feature_that_is_a_text_is_told_and_not_silently_null() {
    let dir = folder();
    let mut said = String::new();
    for (text, told) in [
        ("depot['code']", "row feature `from_hamburg` is a text, and features are numbers"),
        ("service", "row feature `from_hamburg` is a text, and features are numbers"),
        ("depot", "row feature `from_hamburg` is Struct"),
    ] {
        write(dir.path(), &PIPELINE.replace("depot['code'] = 'HAM'", text));
        said += &check(dir.path(), &["validate"], 2, &["TM0014", told]);
    }
    assert_eq!(said, "", "mistakes go to standard error");
    let derived = PIPELINE.replace("features:\n", "features:\n  derived: { twice: \"'a'\" }\n");
    write(dir.path(), &derived);
    check(dir.path(), &["validate"], 2, &["derived feature `twice`", "features are numbers"]);
}

#[test]
fn an_address_where_nobody_answers_is_told_in_few_lines() {
    let dir = folder();
    let output = super::tidemill(dir.path(), &["topics", "--brokers", "127.0.0.1:9"]);
    let said = super::text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("error: no Kafka broker answered at 127.0.0.1:9"), "{said}");
    assert!(said.lines().count() <= 6, "what is wrong must not drown: {said}");
}

#[test]
fn init_derives_a_pipeline_from_topics_that_are_there() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let log = kafka.log();
    publish(&*log);
    let mut session = log.session(SessionOptions::publisher("acme.producer")).expect("a session");
    session.publish(Publish::keyed("acme.parcels".into(), "x".into(), "no JSON".into())).expect("published");
    session.flush().expect("durable");
    session.close().expect("closed");
    let dir = folder();
    let on = |args: &[&str], exit: i32, said: &[&str]| {
        check(dir.path(), &[args, &["--brokers", kafka.brokers()]].concat(), exit, said)
    };
    let roles = ["--id", "parcel", "--time", "picked_up", "--key", "service"];
    let init = |topic: &str, more: &[&str], exit: i32, said: &[&str]| {
        on(&[&["init", "eta", "--topic", topic], &roles[..], more].concat(), exit, said)
    };
    init("acme.parcles", &[], 2, &["there is no topic acme.parcles; did you mean `acme.parcels`?"]);
    init("acme.parcels", &["--label", "hours"], 2, &["--label-topic"]);
    init("acme.parcels", &["--label", "hour", "--label-topic", "acme.deliveries"], 2, &["did you mean `hours`?"]);
    let labels = ["--label", "hours", "--label-topic", "acme.deliveries", "--label-time", "delivered_at"];
    let notes = [
        "acme.parcels: 1 of 1201 records are no objects in JSON",
        "`depot` is an object; SQL reads its parts, as in `depot['part']`",
        "`of_no_interest` is a list, which is left out",
        "tidemill train --promote",
    ];
    init("acme.parcels", &[&labels[..], &["--label-delay", "15h"]].concat(), 0, &notes);

    let home = dir.path().join("eta");
    let on = |args: &[&str], exit: i32, said: &[&str]| {
        check(&home, &[args, &["--brokers", kafka.brokers(), "--idle-timeout", "1s"]].concat(), exit, said)
    };
    let judged = on(&["rules", "check", "events"], 2, &["1201 records, 1 of them would be rejected"]);
    assert!(judged.contains("JSON_SYNTAX"), "{judged}");
    on(&["rules", "check", "labels"], 0, &["1200 records, 0 of them would be rejected"]);
    on(&["plan"], 0, &["pipeline acme-parcels in generation 1"]);
    on(&["apply"], 0, &[]);
    on(&["run", "validator", "featurizer", "scorer", "archiver", "--drain"], 0, &[]);
    on(&["train", "--without-readiness", "--promote"], 0, &["hours_model@1 is champion", "rmse"]);
    assert_eq!(log.partitions("acme.parcels").expect("an answer"), Some(PARTITIONS));
}

#[test]
fn records_within_events_can_be_published_and_tested_from_lines() {
    let dir = folder();
    write(dir.path(), PIPELINE);
    let parcel = |id: &str, depot: &str| {
        format!("{{parcel: {id}, picked_up: 2026-03-01T08:00:00Z, service: EXPRESS, depot: {{code: {depot}}}, km: 5}}")
    };
    let cases = format!(
        "cases:
  depots:
    events: [{}, {}]
    expect: {{ features: {{ a: {{ row_from_hamburg: 1 }}, b: {{ row_from_hamburg: 0 }} }} }}
",
        parcel("a", "HAM"),
        parcel("b", "MUC")
    );
    std::fs::write(dir.path().join("pipeline.test.yaml"), cases).expect("a file");
    check(dir.path(), &["test"], 0, &["ok    depots"]);
    let line = |depot: &str| {
        format!(
            r#"{{"parcel": "p", "picked_up": "2026-03-01T08:00:00Z", "service": "EXPRESS", "depot": {depot}, "km": 5}}"#
        )
    };
    std::fs::write(dir.path().join("bad.jsonl"), line(r#"{"code": ["x"]}"#)).expect("a file");
    check(dir.path(), &["publish", "bad.jsonl"], 2, &["row 1", "`depot`", "an object or a list as the schema has it"]);
    std::fs::write(dir.path().join("good.jsonl"), line(r#"{"code": "LYO"}"#)).expect("a file");
    check(dir.path(), &["publish", "good.jsonl"], 0, &["published 1 events"]);
    let shown = lines(&check(dir.path(), &["tap", "acme.parcels"], 0, &[]));
    assert_eq!(shown.last().expect("a record")["value"]["depot"]["code"], "LYO");
}

#[test]
fn those_who_publish_may_go_on_to_a_newer_schema() {
    let dir = folder();
    let pipeline = PIPELINE.replace(", format: json", "").replace("    format: json\n", "");
    write(dir.path(), &pipeline);
    check(dir.path(), &["apply"], 0, &[]);
    let km = r#"{"name": "km", "type": "double"}"#;
    let cooled = r#"{"name": "cooled", "type": ["null", "boolean"], "default": null}"#;
    let newer = PARCEL.replace(km, &format!("{km}, {cooled}"));
    std::fs::write(dir.path().join("Newer.avsc"), newer).expect("a file");
    let other = pipeline.replace("pipeline: foreign", "pipeline: other").replace("Parcel.avsc", "Newer.avsc");
    std::fs::write(dir.path().join("other.yaml"), other).expect("a file");
    check(dir.path(), &["apply", "--pipeline", "other.yaml"], 0, &[]);
    check(dir.path(), &["plan"], 0, &["nothing to do"]);
    let line = r#"{"parcel": "p", "picked_up": "2026-03-01T08:00:00Z", "service": "EXPRESS", "depot": {"code": "HAM"}, "km": 5}"#;
    std::fs::write(dir.path().join("one.jsonl"), line).expect("a file");
    check(dir.path(), &["publish", "one.jsonl"], 0, &["published 1 events"]);
    check(dir.path(), &["up", "--drain", "--listen", "127.0.0.1:0"], 0, &["everything is committed"]);
    assert_eq!(lines(&check(dir.path(), &["tap", "features.log"], 0, &[])).len(), 1);
}
