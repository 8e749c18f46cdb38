#![allow(clippy::unwrap_used)]

use expect_test::{Expect, expect};
use runtime::log::{Header, Record, TopicPartition};
use serde_json::{Value, json};

use super::lines::raw;
use super::{Filter, Position, Start, lines};

fn record(key: Option<&'static str>) -> Record {
    let key = key.map(|key| key.as_bytes().into());
    Record { offset: 7, append_time_ms: 1_500, key, value: None, headers: vec![] }
}

#[track_caller]
fn check_lines(record: &Record, value: Value, marks: bool, expected: Expect) {
    let tp = TopicPartition::new("a", 2);
    let lines = lines(&Position { tp: &tp, record }, value, marks);
    expected.assert_eq(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
}

#[test]
fn a_public_record_is_one_line() {
    let mut record = record(Some("k"));
    record.headers = vec![Header::new("ce_id", "1"), Header::new("blob", vec![0xff_u8])];
    check_lines(
        &record,
        json!({ "amount": 1.5 }),
        true,
        expect![[r#"
            {"append_time":"1970-01-01T00:00:01.500Z","headers":{"blob":{"bytes":"ff"},"ce_id":"1"},"key":"k","offset":7,"partition":2,"value":{"amount":1.5}}
        "#]],
    );
}

fn batch() -> Value {
    let item = |id: &str| {
        json!({ "parent": 0, "trigger_offset": 5, "trigger_item": 0, "index": 1, "origin_source": 0,
            "origin_partition": 3, "origin_offset": 9, "time": "t", "id": id, "key": "k", "event": { "amount": 1 }, "label": null })
    };
    json!({
        "sources": ["s"],
        "parents": [{ "log": "p", "generation": 0, "partition": 3, "first": 4 }],
        "items": [item("a"), item("b")],
        "marks": [{ "log": "p", "partition": 3, "time": "m" }],
        "fence": { "number": 0, "state": "{\"parents\":[]}", "signature": "" },
    })
}

#[test]
fn a_batch_is_a_line_for_each_item() {
    check_lines(
        &record(None),
        batch(),
        false,
        expect![[r#"
            {"append_time":"1970-01-01T00:00:01.500Z","event":{"amount":1},"id":"a","item":0,"key":"k","number":4,"offset":7,"origin":"s/3@9","partition":2,"time":"t","trigger":"p/3@5.0.1"}
            {"append_time":"1970-01-01T00:00:01.500Z","event":{"amount":1},"id":"b","item":1,"key":"k","number":5,"offset":7,"origin":"s/3@9","partition":2,"time":"t","trigger":"p/3@5.0.1"}
        "#]],
    );
}

#[test]
fn marks_and_fences_are_lines_when_asked_for() {
    let mut value = batch();
    value["items"] = json!([]);
    check_lines(
        &record(None),
        value,
        true,
        expect![[r#"
            {"append_time":"1970-01-01T00:00:01.500Z","mark":{"log":"p","partition":3,"time":"m"},"offset":7,"partition":2}
            {"append_time":"1970-01-01T00:00:01.500Z","fence":{"number":0,"signature":"","state":{"parents":[]}},"offset":7,"partition":2}
        "#]],
    );
}

#[test]
fn foreign_bytes_are_shown_as_they_are() {
    assert_eq!(raw(None), Value::Null);
    assert_eq!(raw(Some(b"hello\n")), json!({ "text": "hello\n" }));
    assert_eq!(raw(Some(b" {\"a\": 1}")), json!({ "a": 1 }));
    assert_eq!(raw(Some(b"{\"a\": ")), json!({ "text": "{\"a\": " }));
    assert_eq!(raw(Some(&[0, 1, 255])), json!({ "bytes": "0001ff" }));
}

#[track_caller]
fn check_filter(field: &str, wanted: &str, expected: bool) {
    let line =
        json!({ "partition": 2, "value": { "amount": 100.0, "ok": true, "who": { "id": "7" } }, "event": { "n": 1 } });
    let filter = Filter::new(&[(field.to_owned(), wanted.to_owned())]);
    assert_eq!(filter.wants(&line), expected, "{field}={wanted}");
}

#[test]
fn filters_find_fields_by_path_or_by_name() {
    check_filter("partition", "2", true);
    check_filter("value.amount", "100", true);
    check_filter("amount", "1e2", true);
    check_filter("amount", "100.5", false);
    check_filter("ok", "true", true);
    check_filter("who.id", "7", true);
    check_filter("n", "1", true);
    check_filter("nothing", "1", false);
}

#[test]
fn all_conditions_must_hold() {
    let both = |partition: &str| Filter::new(&[("n".into(), "1".into()), ("partition".into(), partition.into())]);
    let line = json!({ "partition": 2, "event": { "n": 1 } });
    assert!(both("2").wants(&line));
    assert!(!both("3").wants(&line));
    assert!(Filter::default().wants(&line));
}

#[track_caller]
fn check_start(text: &str, offset: i64) {
    assert_eq!(text.parse::<Start>().unwrap().offset(10, 100), offset, "{text}");
}

#[test]
fn starts_stay_within_the_partition() {
    check_start("start", 10);
    check_start("end", 100);
    check_start("50", 50);
    check_start("5", 10);
    check_start("500", 100);
    check_start("-5", 95);
    check_start("-500", 10);
    assert!("middle".parse::<Start>().is_err());
}
