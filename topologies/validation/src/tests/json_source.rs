//! A source in JSON: the same items as from Avro, and every kind of bad text its code.

use flow::processor::{InRecord, OutRecord, Task};
use serde_json::{Value, json};

use super::fixture::*;
use crate::ingest::Ingest;
use crate::retry::letter::again;
use crate::{RuleSet, Source};
use flow::config::Pipeline;
use schemas::reject::Code;

const TOPIC: &str = "    topic: t.pay.events.v1\n";

/// The pipeline with its events in JSON, and perhaps more of its source.
fn in_json(more: &str) -> Pipeline {
    pipeline_with(TOPIC, &format!("{TOPIC}    format: json\n{more}"))
}

fn text(offset: i64, text: &str) -> InRecord {
    record(offset, text.as_bytes().to_vec())
}

fn handled(task: &mut impl Task, records: &[InRecord]) -> Vec<OutRecord> {
    let mut out = Vec::new();
    task.handle(records, false, &mut out).unwrap();
    out
}

#[test]
fn what_is_behind_the_validator_is_the_same_to_the_byte() {
    let mut events: Vec<Value> = (0..40)
        .map(|n| {
            let customer = format!("c{}", n % 5);
            let mut event = event(&format!("e{n}"), (n % 7 > 0).then_some(customer.as_str()), n % 9 - 4);
            event["amount"] = if n % 3 == 0 { Value::Null } else { json!(n as f64 / 3.0) };
            event["terminal"] = json!(n - 2);
            event
        })
        .collect();
    events.push(json!({"id": "bare", "at": TEN_MS, "terminal": 3}));
    let (avro, json) = (World::new(), World::of(in_json("")));
    let of_avro: Vec<InRecord> = events.iter().zip(0..).map(|(event, at)| event_record(at, event)).collect();
    let of_json: Vec<InRecord> = events.iter().zip(0..).map(|(event, at)| text(at, &event.to_string())).collect();
    let (mut one, mut other) = (avro.events(0), json.events(0));
    let (from_avro, from_json) = (handled(&mut one, &of_avro), handled(&mut other, &of_json));
    let to_logs = |out: &[OutRecord]| {
        let logs = out.iter().filter(|record| record.topic.contains(".log."));
        logs.map(|record| (record.topic.clone(), record.partition, record.value.clone())).collect::<Vec<_>>()
    };
    assert!(to_logs(&from_avro).len() > 2);
    assert_eq!(to_logs(&from_avro), to_logs(&from_json));
    assert_eq!(fates(&mut one), fates(&mut other));
    assert!(fates(&mut json.events(0)) == [0; 3] && from_avro.len() == from_json.len());
    // However the records are cut.
    for batch in [1, 7] {
        let (world, mut task) = (World::of(in_json("")), json.events(0));
        let written = run(&world, &mut task, &of_json, batch);
        let items = |written: &Written| written.items.clone();
        assert_eq!(items(&written), items(&avro.read(&from_avro)));
    }
}

#[track_caller]
fn check(bad: impl Into<Vec<u8>>, code: &str, detail: &str) {
    let bad: Vec<u8> = bad.into();
    let world = World::of(in_json(""));
    let mut task = world.events(1);
    let good = |offset, id: &str| text(offset, &event(id, Some("7"), 0).to_string());
    let written = run(&world, &mut task, &[good(5, "a"), record(6, bad.clone()), good(7, "b")], 3);
    let letter = &written.others[0];
    assert_eq!(header(letter, "tidemill.dlq.reason").unwrap(), code, "{letter:?}");
    let said = header(letter, "tidemill.dlq.detail").unwrap();
    assert!(said.contains(detail), "{said}");
    let whole: Vec<u8> = written.others.iter().flat_map(|part| part.value.clone().unwrap_or_default()).collect();
    assert_eq!(whole, bad, "bytes are untouched");
    assert_eq!(written.items.values().map(Vec::len).sum::<usize>(), 4, "both neighbours in both logs");
    assert_eq!(fates(&mut task), [2, 0, 1]);
}

fn with(name: &str, value: Value) -> String {
    let mut object = event("bad", Some("7"), 0);
    object[name] = value;
    object.to_string()
}

#[test]
fn bad_texts_are_dead_lettered_alone() {
    check("", "NULL_VALUE", "empty");
    check("{", "JSON_SYNTAX", "EOF");
    check("{} {}", "JSON_SYNTAX", "trailing");
    check(framed(EVENT, EVENT_ID, &event("a", None, 0)), "JSON_SYNTAX", "framed Avro");
    check(b"{\"id\": \"\xff\"}".to_vec(), "JSON_ENCODING", "byte 8");
    check(r#"{"id": "a", "id": "b"}"#, "JSON_DUPLICATE_KEY", "id");
    check(with("more", json!(null)).replace("null", &"[".repeat(65)), "JSON_DEPTH", "64");
    check("[]", "FIELD_TYPE", "an object");
    check(with("terminal", json!("3")), "FIELD_TYPE", "terminal");
    check(with("terminal", Value::Null), "FIELD_NULL", "terminal");
    check(with("at", json!("noon")), "TIME_INVALID", "at");
    check(with("terminal", json!(u64::MAX)), "FIELD_RANGE", "terminal");
    check(with("amount", json!("NaN")), "FIELD_NAN", "amount");
    check(with("note", json!("n".repeat(600_000))), "RECORD_TOO_LARGE", "600");
    check(r#"{"amount": "x"}"#, "FIELD_NULL", "FIELD_TYPE: amount");
    // What the rules say of it is the same as for Avro.
    check(with("terminal", json!(-1)), "FIELD_RANGE", "below the minimum 0");
    check(with("amount", json!(1_000)), "RULE_FAILED", "rule `amount` is false");
    check(with("id", json!("")), "ID_MISSING", "");
}

#[test]
fn unknown_fields_go_by_the_rules_of_their_bucket() {
    let more = text(0, &with("more", json!({"a": [1]})));
    let ignoring = World::of(in_json(""));
    assert_eq!(fates_of(&ignoring, &in_json(""), &more), [1, 0, 0]);
    let rejecting = World::of(in_json("    unknown_fields: reject\n"));
    let rules = RuleSet::of_events(&rejecting.pipeline);
    assert_ne!(rules.version(), RuleSet::of_events(&ignoring.pipeline).version());
    assert_eq!(fates_of(&rejecting, &rejecting.pipeline, &more), [0, 0, 1]);
    // The bucket was opened with those that reject; whoever ignores must follow.
    rejecting.decisions.sets.lock().unwrap().insert(rules.version(), rules.text());
    assert_eq!(fates_of(&rejecting, &in_json(""), &more), [0, 0, 1]);
}

fn fates_of(world: &World, pipeline: &Pipeline, record: &InRecord) -> [u64; 3] {
    let mut task = world.events_of(pipeline, 0);
    handled(&mut task, std::slice::from_ref(record));
    fates(&mut task)
}

#[test]
fn times_that_are_numbers_have_the_declared_unit() {
    let world = World::of(in_json("    time_unit: seconds\n"));
    let record = text(0, &with("at", json!(TEN_MS as f64 / 1_000.0 + 0.25)));
    let written = run(&world, &mut world.events(0), &[record], 1);
    let times: Vec<i64> = written.items.values().flatten().map(|item| item.time_us).collect();
    assert_eq!(times, [(TEN_MS + 250) * 1_000; 2]);
}

#[test]
fn a_letter_in_json_is_retried_like_any_other() {
    let world = World::of(in_json("    unknown_fields: reject\n"));
    let dead = handled(&mut world.events(1), &[text(0, &with("more", json!(1)))]);
    let (key, value) = (dead[0].key.clone(), dead[0].value.clone());
    let retried = InRecord { offset: 0, append_time_ms: 1, key, value, headers: again(&dead[0].headers).unwrap() };
    let written = run(&world, &mut world.retries_of(&in_json(""), 1), &[retried], 1);
    assert_eq!(written.items.values().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert!(written.others.is_empty());
}

#[test]
fn a_text_that_grows_in_avro_is_measured_there() {
    let grows = EVENT.replace(
        r#"{"name":"note""#,
        r#"{"name":"many","type":{"type":"array","items":"double"},"default":[]},{"name":"note""#,
    );
    let writer = schemas::json::JsonWriter::new(&grows).unwrap();
    let long = format!(r#"{{"at": 1, "terminal": 1, "many": [{}0]}}"#, "0,".repeat(200_000));
    let mut room = Vec::new();
    let records = [text(0, &long), text(1, r#"{"at": 1, "terminal": 1}"#)];
    let split = crate::intake::json::split(&writer, &records, schemas::json::Unknown::Ignore, &mut room);
    assert_eq!(split.rejected[0].1.code, Code::RecordTooLarge);
    assert_eq!(split.indices, [1]);
}

#[test]
fn what_the_front_door_lets_in_the_validator_accepts() {
    let world = World::of(in_json(""));
    let source = Source::events(&world.pipeline).unwrap();
    let mut door = Ingest::new(&source, &RuleSet::of_events(&world.pipeline), EVENT_ID).unwrap();
    let mut object = event("a", Some("7"), 0);
    object["more"] = json!("ignored, as the validator does");
    let ready = door.json(&object, TEN_MS).unwrap();
    assert_eq!((ready.id.as_str(), ready.value.first()), ("a", Some(&b'{')));
    assert_eq!(fates_of(&world, &world.pipeline, &record(0, ready.value)), [1, 0, 0]);
    let codes = |object: Value| -> Vec<Code> {
        Ingest::json(&mut Ingest::new(&source, &RuleSet::of_events(&world.pipeline), 1).unwrap(), &object, TEN_MS)
            .unwrap_err()
            .iter()
            .map(|reason| reason.code)
            .collect()
    };
    assert_eq!(codes(json!({"id": 1})), [Code::FieldType, Code::FieldNull, Code::FieldNull]);
}

#[test]
fn the_front_door_refuses_deep_nesting_also_in_a_field_that_nobody_reads() {
    let world = World::of(in_json("    unknown_fields: ignore\n"));
    let source = Source::events(&world.pipeline).unwrap();
    let mut door = Ingest::new(&source, &RuleSet::of_events(&world.pipeline), EVENT_ID).unwrap();
    let mut at_depth = |levels: usize| {
        let mut object = event("a", Some("7"), 0);
        object["more"] = (0..levels).fold(Value::Null, |inner, _| json!([inner]));
        door.json(&object, TEN_MS).map_err(|reasons| reasons.iter().map(|reason| reason.code).collect::<Vec<_>>())
    };
    assert_eq!(at_depth(100).unwrap_err(), [Code::JsonDepth]);
    assert!(at_depth(60).is_ok());
}
