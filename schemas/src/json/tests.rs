#![allow(clippy::unwrap_used)]

mod text;

use serde_json::json;

use super::*;

const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"id","type":"long"},
    {"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"amount","type":"double"},
    {"name":"terminal","type":"int","default":3},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["CARD","CASH"]},"default":"CARD"},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"digest","type":["null",{"type":"fixed","name":"Two","size":2}],"default":null},
    {"name":"legs","type":{"type":"array","items":{"type":"record","name":"Leg","fields":[
        {"name":"kind","type":"Kind"},{"name":"share","type":"float"}]}},"default":[]}]}"#;

#[track_caller]
fn check(object: Value, expected: &[(Code, &str)]) {
    let writer = JsonWriter::new(SCHEMA).unwrap();
    let faults = writer.body(&object).err().unwrap_or_default();
    let found: Vec<(Code, &str)> = faults.iter().map(|f| (f.code, f.detail.split(':').next().unwrap())).collect();
    assert_eq!(found, expected, "{faults:?}");
}

fn good() -> Value {
    json!({"id": 7, "time": "1970-01-01T00:00:01Z", "amount": 2})
}

fn with(name: &str, value: Value) -> Value {
    let mut object = good();
    object[name] = value;
    object
}

#[test]
fn missing_fields_take_defaults_and_times_read_both_ways() {
    let writer = JsonWriter::new(SCHEMA).unwrap();
    let body = writer.body(&good()).unwrap();
    // Zigzag 7 is 14; 1,000 ms is 2,000; 2.0 little-endian; 3 is 6; enum 0; two nulls; an empty array.
    assert_eq!(body, [14, 0xd0, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0x40, 6, 0, 0, 0, 0]);
    assert_eq!(writer.body(&with("time", json!(1_000))).unwrap(), body);
    assert_eq!(writer.body(&with("time", json!("1970-01-01T01:00:01+01:00"))).unwrap(), body);
    assert_eq!(writer.framed(258, &good()).unwrap()[..5], [0, 0, 0, 1, 2]);
}

#[test]
fn faults_have_code_and_place() {
    check(good(), &[]);
    check(with("amount", json!("12")), &[(Code::FieldType, "amount")]);
    check(with("amount", json!("NaN")), &[(Code::FieldNan, "amount")]);
    check(with("amount", Value::Null), &[(Code::FieldNull, "amount")]);
    check(with("id", json!(1.5)), &[(Code::FieldType, "id")]);
    check(with("id", json!(u64::MAX)), &[(Code::FieldRange, "id")]);
    check(with("terminal", json!(1_i64 << 31)), &[(Code::FieldRange, "terminal")]);
    check(with("kind", json!("GOLD")), &[(Code::FieldEnum, "kind")]);
    check(with("time", json!("yesterday")), &[(Code::TimeInvalid, "time")]);
    check(with("digest", json!("abc")), &[(Code::FieldRange, "digest")]);
    check(with("note", json!(5)), &[(Code::FieldType, "note")]);
    check(with("is_fraud", json!(1)), &[(Code::FieldUnknown, "is_fraud")]);
    check(
        with("legs", json!([{"kind": "CARD", "share": 1}, {"kind": 4, "share": 1}])),
        &[(Code::FieldType, "legs.1.kind")],
    );
    check(json!([]), &[(Code::FieldType, "record")]);
}

#[test]
fn all_faults_are_reported_together() {
    let object = json!({"id": "7", "amount": null, "colour": "red"});
    let expected = [
        (Code::FieldUnknown, "colour"),
        (Code::FieldType, "id"),
        (Code::FieldNull, "time"),
        (Code::FieldNull, "amount"),
    ];
    check(object, &expected);
}
