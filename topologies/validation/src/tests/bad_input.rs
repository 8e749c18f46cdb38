//! Every kind of bad record gives its code, keeps its bytes, and leaves its neighbours alone.

use bytes::Bytes;
use flow::processor::{InRecord, Task};
use schemas::framing::prefix;
use serde_json::{Value, json};

use super::fixture::*;

fn good() -> Value {
    event("ok", Some("7"), 0)
}

fn with(name: &str, value: Value) -> Vec<u8> {
    let mut object = good();
    object[name] = value;
    framed(EVENT, EVENT_ID, &object)
}

/// A body with a double that JSON cannot hold in place of `amount`, which is 1.5.
fn with_amount(amount: f64) -> Vec<u8> {
    let mut value = with("amount", json!(1.5));
    let at = value.windows(8).position(|bytes| bytes == 1.5_f64.to_le_bytes()).unwrap();
    value[at..at + 8].copy_from_slice(&amount.to_le_bytes());
    value
}

fn truncated() -> Vec<u8> {
    let value = framed(EVENT, EVENT_ID, &good());
    value[..value.len() - 12].to_vec()
}

#[track_caller]
fn check(bad: impl Into<Option<Vec<u8>>>, code: &str, detail: &str) {
    check_record(record(6, bad), code, detail);
}

#[track_caller]
fn check_record(bad: InRecord, code: &str, detail: &str) {
    let world = World::new();
    let mut task = world.events(1);
    let records =
        [event_record(5, &good()), InRecord { offset: 6, ..bad.clone() }, event_record(7, &event("next", None, 1))];
    let written = run(&world, &mut task, &records, 3);
    let letter = &written.others[0];
    assert_eq!(header(letter, "tidemill.dlq.reason").unwrap(), code, "{letter:?}");
    let said = header(letter, "tidemill.dlq.detail").unwrap();
    assert!(said.contains(detail), "{said}");
    assert_eq!(&*letter.topic, "t.pay.events.v1.validator.dlq");
    assert_eq!(letter.partition, Some(1));
    assert_eq!(header(letter, "tidemill.dlq.identity").unwrap(), "t.pay.events.v1/1/6/validator");
    assert_eq!(header(letter, "tidemill.dlq.append_time_ms").unwrap(), bad.append_time_ms.to_string());
    let whole: Vec<u8> = written.others.iter().flat_map(|part| part.value.clone().unwrap_or_default()).collect();
    assert_eq!(whole, bad.value.clone().unwrap_or_default());
    assert_eq!(letter.value.is_none(), bad.value.is_none());
    assert_eq!(letter.key, bad.key);
    assert!(bad.headers.iter().all(|header| letter.headers.contains(header)));
    assert_eq!(written.items.values().map(Vec::len).sum::<usize>(), 4, "both neighbours in both logs");
    assert_eq!(fates(&mut task), [2, 0, 1]);
}

#[test]
fn unreadable_records_are_dead_lettered_alone() {
    let body = || framed(EVENT, EVENT_ID, &good());
    check(None, "NULL_VALUE", "null");
    check(vec![], "NULL_VALUE", "empty");
    check(vec![0, 0, 0], "FRAME_TOO_SHORT", "3 bytes");
    check(b"{\"id\": 1}".to_vec(), "FRAME_MAGIC", "0x7b");
    check([&prefix(4_000)[..], &body()[5..]].concat(), "SCHEMA_UNKNOWN", "4000");
    check(truncated(), "AVRO_TRUNCATED", "");
    check(prefix(EVENT_ID).to_vec(), "AVRO_TRUNCATED", "");
    check([&body()[..], b"!"].concat(), "AVRO_TRAILING_BYTES", "");
    check([&prefix(EVENT_ID)[..], &[0x63; 40]].concat(), "AVRO_DECODE", "");
}

#[test]
fn wrong_values_are_dead_lettered_with_the_field() {
    check(with("id", Value::Null), "ID_MISSING", "null or empty");
    check(with("id", json!("")), "ID_MISSING", "null or empty");
    check(with("id", json!("i".repeat(1_025))), "KEY_INVALID", "1025 bytes");
    check(with("customer", json!("c".repeat(1_025))), "KEY_INVALID", "customer");
    check(with_amount(f64::NAN), "FIELD_NAN", "amount is NaN");
    check(with_amount(f64::NEG_INFINITY), "FIELD_NAN", "amount is -inf");
    check(with("terminal", json!(-1)), "FIELD_RANGE", "terminal is -1, below the minimum 0");
    check(with("terminal", json!(1_001)), "FIELD_RANGE", "above the maximum 1000");
    check(with("kind", json!("gold")), "FIELD_ENUM", "\"gold\"");
    check(with("at", json!(TEN_MS + 60_000 + 3_600_001)), "TIME_FUTURE", "at is");
    check(with("at", json!(i64::MIN)), "TIME_INVALID", "at does not fit");
    check(with("at", json!(-3_000_000_000_000_i64)), "TIME_INVALID", "years 1900");
    check(with("amount", json!(1_000)), "RULE_FAILED", "rule `amount` is false");
    check(with("terminal", json!(0)), "RULE_ERROR", "rule `share` cannot be computed");
}

#[test]
fn all_reasons_of_a_record_are_told_and_the_first_gives_the_code() {
    let mut object = good();
    object["terminal"] = json!(-1);
    object["kind"] = json!("gold");
    object["amount"] = json!(5_000);
    let value = framed(EVENT, EVENT_ID, &object);
    check(value.clone(), "FIELD_RANGE", "FIELD_ENUM: kind");
    check(value, "FIELD_RANGE", "RULE_FAILED: rule `amount`");
}

#[test]
fn key_headers_and_large_values_survive() {
    let headers = vec![("trace".into(), Some(Bytes::from_static(b"1"))), ("trace".into(), None)];
    let bad = InRecord { key: Some(Bytes::from_static(b"k")), headers, ..record(6, truncated()) };
    check_record(bad.clone(), "AVRO_TRUNCATED", "");
    let large =
        framed(EVENT, EVENT_ID, &json!({"id": "x", "at": TEN_MS, "terminal": 3, "note": "n".repeat(10_000_000)}));
    check_record(InRecord { value: Some(large.into()), ..bad }, "RECORD_TOO_LARGE", "10000");
}

#[test]
fn a_dead_letter_in_parts_fits_the_topic_and_numbers_its_parts() {
    let world = World::new();
    let mut task = world.events(0);
    let written = run(&world, &mut task, &[record(0, vec![0; 2_500_000])], 1);
    let parts: Vec<String> = written.others.iter().map(|part| header(part, "tidemill.dlq.part").unwrap()).collect();
    assert_eq!(parts, ["1/3", "2/3", "3/3"]);
    assert!(written.others.iter().all(|part| part.value.as_ref().unwrap().len() < 1_000_000));
}

#[test]
fn labels_are_judged_too() {
    let world = World::new();
    let mut task = world.labels(0);
    let records = [
        label_record(0, "a", Some(true), Some(5)),
        label_record(1, "b", None, Some(5)),
        label_record(2, "", Some(true), Some(5)),
        label_record(3, "c", Some(false), Some(9_000)),
        label_record(4, "d", Some(false), None),
        // Never late, however old.
        label_record(5, "e", Some(false), Some(-5_000_000)),
    ];
    let written = run(&world, &mut task, &records, 6);
    let reasons: Vec<_> = written.beside().into_iter().map(|(_, offset, reason)| (offset, reason)).collect();
    let expected = [(1, "LABEL_INVALID"), (2, "ID_MISSING"), (3, "TIME_FUTURE")];
    assert_eq!(reasons, expected.map(|(offset, reason)| (offset, reason.to_owned())));
    let mut items: Vec<_> = written
        .items
        .values()
        .flatten()
        .map(|item| (item.id.as_str(), item.label.unwrap(), item.key.as_str()))
        .collect();
    items.sort_by(|a, b| a.0.cmp(b.0));
    let at = |seconds: i64| (TEN_MS + seconds * 1_000) * 1_000;
    assert_eq!(items, [("a", (1.0, at(5)), "a"), ("d", (0.0, at(60)), "d"), ("e", (0.0, at(-5_000_000)), "e")]);
    assert!(written.items.keys().all(|(log, _)| log.contains("journal")));
}

#[test]
fn a_task_that_rejects_everything_stops_with_nothing_written() {
    let world = World::new();
    let mut task = world.events(0);
    let records: Vec<InRecord> = (0..20_000).map(|offset| record(offset, vec![1])).collect();
    let mut out = Vec::new();
    let stop = task.handle(&records, false, &mut out).unwrap_err();
    assert!(stop.to_string().contains("more than 10000 records in a row were rejected"), "{stop}");
    assert!(out.is_empty());
}
