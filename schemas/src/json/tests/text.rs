//! Texts as sources in JSON have them.

use super::*;
use crate::codec::{Decoder, Encoder, Framed};

const SHOP: &str = r#"{"type":"record","name":"Order","fields":[
    {"name":"id","type":"long"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}],"default":null},
    {"name":"fee","type":{"type":"fixed","name":"Fee","size":3,"logicalType":"decimal","precision":6,"scale":2},"default":"\u0000\u0000\u0007"},
    {"name":"day","type":{"type":"int","logicalType":"date"},"default":1},
    {"name":"ratio","type":"float","default":0.5},
    {"name":"any","type":["null","boolean","long","string"],"default":null},
    {"name":"tags","type":{"type":"map","values":"int"},"default":{}},
    {"name":"who","type":["null",{"type":"record","name":"Who","fields":[
        {"name":"name","type":"string"},{"name":"age","type":"int","default":-1}]}],"default":null},
    {"name":"lines","type":{"type":"array","items":"double"},"default":[]}]}"#;

fn read(text: &str, unknown: Unknown) -> Result<Vec<u8>, Vec<Reject>> {
    let writer = JsonWriter::new(SHOP).unwrap();
    let mut bodies = writer.bodies(unknown);
    bodies.text(text.as_bytes()).map(|()| bodies.finish())
}

/// The first reason for which a text is refused.
#[track_caller]
fn refused(text: &str, code: Code, detail: &str) {
    let reasons = read(text, Unknown::Ignore).unwrap_err();
    assert_eq!(reasons[0].code, code, "{reasons:?}");
    assert!(reasons[0].detail.contains(detail), "{reasons:?}");
}

/// A field's value among others that are good.
fn with(field: &str) -> String {
    format!(r#"{{"id": 7, "at": 1, {field}}}"#)
}

/// Both texts give the same body.
#[track_caller]
fn same(one: &str, other: &str) {
    assert_eq!(read(one, Unknown::Ignore).unwrap(), read(other, Unknown::Ignore).unwrap(), "{one} and {other}");
}

#[test]
fn order_of_fields_spaces_and_unknown_fields_change_nothing() {
    let plain = r#"{"id":7,"at":1,"price":"1.5","who":{"name":"ä","age":3},"lines":[1,2.5]}"#;
    same(
        plain,
        r#" { "lines" : [1.0, 25e-1], "who": {"age": 3, "name": "\u00e4"}, "at": 1, "price": 1.50, "id": 7 } "#,
    );
    same(plain, &plain.replace(r#""at":1"#, r#""more":{"at":[1e999,{}]},"at":1"#));
    same(r#"{"at":1,"id":7}"#, &with(r#""fee": "0.07", "day": "1970-01-02", "ratio": 0.5, "who": null, "lines": []"#));
}

#[test]
fn a_body_is_what_the_value_of_the_text_gives() {
    let writer = JsonWriter::new(SHOP).unwrap();
    let text = with(r#""any": "x", "tags": {"b": 1, "c": 2}, "who": {"name": "n"}, "fee": -1.25"#);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read(&text, Unknown::Reject).unwrap(), writer.body(&value).unwrap());
}

#[test]
fn values_have_the_forms_that_people_write() {
    same(&with(r#""at": "1970-01-01T00:00:00.001Z""#).replace(r#""at": 1, "#, ""), r#"{"id": 7, "at": 1}"#);
    same(&with(r#""price": 12"#), &with(r#""price": "12.00""#));
    same(&with(r#""price": -0.05"#), &with(r#""price": "-0.050""#));
    same(&with(r#""any": 5"#), &with(r#""any":5"#));
    // Union branch, length, two's complement: -129.
    assert!(read(&with(r#""price": -1.29"#), Unknown::Ignore).unwrap()[2..].starts_with(&[2, 4, 0xff, 0x7f]));
    assert!(read(&with(r#""price": 1.28"#), Unknown::Ignore).unwrap()[2..].starts_with(&[2, 4, 0x00, 0x80]));
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    refused("", Code::JsonSyntax, "EOF");
    refused("[1]", Code::FieldType, "record: expected an object, got an array");
    refused("7", Code::FieldType, "got 7");
    refused("null", Code::FieldNull, "record");
    refused(r#"{"id": 7, "at": "#, Code::JsonSyntax, "at: EOF while parsing");
    refused(r#"{"id": NaN, "at": 1}"#, Code::JsonSyntax, "id: expected");
    refused(r#"{"id": 7, "at": 1} {}"#, Code::JsonSyntax, "trailing characters");
    refused("\u{feff}{}", Code::JsonSyntax, "expected value");
    refused("\0\0\0\0\u{1}{}", Code::JsonSyntax, "framed Avro");
    let writer = JsonWriter::new(SHOP).unwrap();
    let reasons = writer.bodies(Unknown::Ignore).text(b"{\"id\": \"\xff\"}").unwrap_err();
    assert_eq!(reasons, [Reject::new(Code::JsonEncoding, "no UTF-8 from byte 8 on")]);
}

#[test]
fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
    refused(r#"{"id": 7, "at": 1, "id": 7}"#, Code::JsonDuplicateKey, "id");
    refused(&with(r#""who": {"name": "a", "name": "a"}"#), Code::JsonDuplicateKey, "who.name");
    refused(&with(r#""tags": {"a": 1, "a": 1}"#), Code::JsonDuplicateKey, "tags.a");
}

#[test]
fn deep_nesting_is_refused_also_where_nobody_looks() {
    let nested = |levels: usize| with(&format!(r#""more": {}{}"#, "[".repeat(levels), "]".repeat(levels)));
    assert!(read(&nested(DEPTH_MAX - 1), Unknown::Ignore).is_ok());
    refused(&nested(DEPTH_MAX), Code::JsonDepth, "deeper than 64");
    refused(&nested(200_000), Code::JsonDepth, "deeper than 64");
    let quoted = with(&format!(r#""more": "{}\"{}""#, "[".repeat(100), "{".repeat(100)));
    assert!(read(&quoted, Unknown::Ignore).is_ok(), "brackets in a text do not nest");
}

#[test]
fn values_that_do_not_fit_name_their_field() {
    refused(
        r#"{"id": 9223372036854775808, "at": 1}"#,
        Code::FieldRange,
        "id: 9223372036854775808 does not fit 64 bits",
    );
    refused(r#"{"id": 1.5, "at": 1}"#, Code::FieldType, "id: expected an integer, got 1.5");
    refused(r#"{"id": "7", "at": 1}"#, Code::FieldType, r#"id: expected an integer, got "7""#);
    refused(r#"{"id": {}, "at": 1}"#, Code::FieldType, "id: expected an integer, got an object");
    refused(r#"{"id": 7}"#, Code::FieldNull, "at: missing");
    refused(r#"{"id": 7, "at": "soon"}"#, Code::TimeInvalid, "at");
    refused(&with(r#""lines": [1, 1e400]"#), Code::FieldRange, "lines.1: number out of range");
    refused(&with(r#""lines": [1, null]"#), Code::FieldNull, "lines.1");
    refused(&with(r#""ratio": 1e39"#), Code::FieldRange, "ratio: 1e39 does not fit 32 bits");
    refused(&with(r#""day": "tomorrow""#), Code::TimeInvalid, "day");
    refused(&with(r#""price": 1.005"#), Code::FieldRange, "more decimals than the schema's 2");
    refused(&with(r#""price": 12345.67"#), Code::FieldRange, "more digits than the schema's 6");
    refused(&with(r#""price": "1e3""#), Code::FieldType, "price");
    refused(&with(r#""any": [1]"#), Code::FieldType, "any: expected a value of one of the union's types");
    refused(&with(r#""tags": {"a": 1, "b": 4294967296}"#), Code::FieldRange, "tags.b");
    let all = read(r#"{"who": {"age": "x"}, "id": null, "z": 1}"#, Unknown::Reject).unwrap_err();
    let codes: Vec<Code> = all.iter().map(|reason| reason.code).collect();
    assert_eq!(
        codes,
        [Code::FieldUnknown, Code::FieldNull, Code::FieldNull, Code::FieldNull, Code::FieldType],
        "{all:?}"
    );
}

#[track_caller]
fn at(unit: TimeUnit, time: &str, millis: i64) {
    let writer = JsonWriter::new(SHOP).unwrap().with_times(Some(unit));
    let mut bodies = writer.bodies(Unknown::Ignore);
    bodies.text(format!(r#"{{"id": 7, "at": {time}}}"#).as_bytes()).unwrap();
    assert_eq!(bodies.finish(), read(&format!(r#"{{"id": 7, "at": {millis}}}"#), Unknown::Ignore).unwrap(), "{time}");
}

#[test]
fn times_that_are_numbers_have_the_declared_unit() {
    at(TimeUnit::Seconds, "1522540831", 1_522_540_831_000);
    at(TimeUnit::Seconds, "1522540831.25", 1_522_540_831_250);
    at(TimeUnit::Milliseconds, "1522540831250", 1_522_540_831_250);
    at(TimeUnit::Microseconds, "1522540831250999", 1_522_540_831_250);
    at(TimeUnit::Nanoseconds, "-1", -1);
    at(TimeUnit::Seconds, "\"1970-01-01T00:00:01Z\"", 1_000);
    let writer = JsonWriter::new(SHOP).unwrap().with_times(Some(TimeUnit::Seconds));
    for time in ["9223372036854775807", "1e300"] {
        let text = format!(r#"{{"id": 7, "at": {time}}}"#);
        let reasons = writer.bodies(Unknown::Ignore).text(text.as_bytes()).unwrap_err();
        assert_eq!(reasons[0].code, Code::FieldRange, "{reasons:?}");
    }
}

#[test]
fn a_refused_text_leaves_its_neighbours_alone() {
    let writer = JsonWriter::new(SHOP).unwrap();
    let mut bodies = writer.bodies(Unknown::Ignore);
    let good = r#"{"at": 1, "id": 7}"#;
    for bad in ["{", r#"{"id": 7, "who": {"name": "#, r#"{"id": null}"#, "[]"] {
        bodies.text(good.as_bytes()).unwrap();
        bodies.text(bad.as_bytes()).unwrap_err();
    }
    assert_eq!(bodies.finish(), read(good, Unknown::Ignore).unwrap().repeat(4));
}

#[test]
fn rows_that_are_written_as_json_come_back_to_the_bit() {
    let writer = JsonWriter::new(SHOP).unwrap();
    let mut bodies = Vec::new();
    for n in 0..200_i64 {
        let who = if n % 3 == 0 { Value::Null } else { json!({"name": format!("\n\"{n}\u{1f600}"), "age": n}) };
        let row = json!({
            "id": i64::MAX - n, "at": -n * 86_399_999, "price": if n % 2 == 0 { Value::Null } else { json!(n as f64 / 4.0) },
            "fee": "-81.92", "day": n, "ratio": 1.0 / (n as f64 + 3.0), "who": who,
            "lines": [0.1 + 0.2, -0.0, f64::MIN_POSITIVE * n as f64, 1.0 / 3.0 * n as f64, 1e300 / (n as f64 + 7.0)],
        });
        bodies.push(writer.body(&row).unwrap());
    }
    let schema = SHOP.replace(r#"{"name":"any","type":["null","boolean","long","string"],"default":null},"#, "");
    let mut decoder = Decoder::new(&schema).unwrap();
    decoder.add_writer(1, SHOP).unwrap();
    let framed: Vec<Framed<'_>> = bodies.iter().map(|body| Framed { id: 1, body }).collect();
    let decoded = decoder.decode(&framed);
    assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
    let rows = Encoder::json(decoder.schema()).encode(&decoded.batch).unwrap();
    let writer = JsonWriter::new(&schema).unwrap();
    let mut again = writer.bodies(Unknown::Reject);
    rows.iter().for_each(|row| again.text(&row).unwrap_or_else(|reasons| panic!("{reasons:?}: {row:?}")));
    let (again, mut ends) = (again.finish(), Vec::new());
    let rows = Encoder::new(decoder.schema(), 1).unwrap().encode(&decoded.batch).unwrap();
    rows.iter().for_each(|row| ends.extend_from_slice(&row[5..]));
    assert_eq!(again, ends);
}

/// Types whose JSON Arrow would write otherwise.
const LEDGER: &str = r#"{"type":"record","name":"Entry","fields":[
    {"name":"sum","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":10}},
    {"name":"part","type":["null",{"type":"fixed","name":"Part","size":16,"logicalType":"decimal","precision":38,"scale":2}],"default":null},
    {"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
    {"name":"fine","type":["null",{"type":"long","logicalType":"time-micros"}],"default":null},
    {"name":"who","type":{"type":"string","logicalType":"uuid"}},
    {"name":"seen","type":{"type":"array","items":{"type":"string","logicalType":"uuid"}},"default":[]},
    {"name":"by","type":{"type":"map","values":["null",{"type":"string","logicalType":"uuid"}]},"default":{}},
    {"name":"key","type":{"type":"fixed","name":"Key","size":16,"logicalType":"uuid"}},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-nanos"}},
    {"name":"raw","type":{"type":"fixed","name":"Raw","size":16}}]}"#;

#[test]
fn decimals_times_of_day_and_uuids_come_back_to_the_bit() {
    let rows = [
        json!({"sum": "-9999999999999999999999999999.9999999999", "part": "0.01", "clock": 86_399_999,
            "fine": 86_399_999_999_i64, "who": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "seen": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
            "by": {"a": null, "b": "00000000-0000-4000-8000-00000000000b"}, "key": "0a0b0c0d-0000-4000-8000-0000000000ff",
            "at": i64::MIN + 1_000_000_000, "raw": "\0\u{1}\"\n\u{7f}\u{80}\u{ff}abcdefghi"}),
        json!({"sum": "0.0000000001", "part": "-999999999999999999999999999999999999.99", "clock": 0, "fine": null,
            "who": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "seen": [], "key": "F47AC10B-58CC-4372-A567-0E02B2C3D479", "at": 1, "raw": "0123456789abcdef"}),
        json!({"sum": "12345678901234567890", "part": null, "clock": 1, "fine": 0,
            "who": "00000000-0000-4000-8000-000000000001", "key": "00000000-0000-4000-8000-000000000001", "at": -1, "raw": "----------------"}),
    ];
    let writer = JsonWriter::new(LEDGER).unwrap();
    let bodies: Vec<Vec<u8>> = rows.iter().map(|row| writer.body(row).unwrap()).collect();
    let mut decoder = Decoder::new(LEDGER).unwrap();
    decoder.add_writer(1, LEDGER).unwrap();
    let framed: Vec<Framed<'_>> = bodies.iter().map(|body| Framed { id: 1, body }).collect();
    let decoded = decoder.decode(&framed);
    assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
    let written = Encoder::json(decoder.schema()).encode(&decoded.batch).unwrap();
    let first: Value = serde_json::from_slice(&written.iter().next().unwrap()).unwrap();
    for name in ["sum", "part", "clock", "fine", "who", "seen", "by", "key", "raw"] {
        assert_eq!(first[name], rows[0][name], "{name} is as it was");
    }
    let mut again = writer.bodies(Unknown::Reject);
    written.iter().for_each(|row| again.text(&row).unwrap_or_else(|reasons| panic!("{reasons:?}: {row:?}")));
    assert_eq!(again.finish(), bodies.concat());
    let rows = Encoder::new(decoder.schema(), 1).unwrap().encode(&decoded.batch).unwrap();
    let avro: Vec<Vec<u8>> = rows.iter().map(|row| row[5..].to_vec()).collect();
    assert_eq!(avro, bodies, "a UUID whose type is a string is written as text, a fixed as bytes");
}

#[test]
fn uuids_are_refused_that_are_none() {
    let writer = JsonWriter::new(LEDGER).unwrap();
    let good = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    let of = |key: &str| {
        writer.body(&json!({"sum": 1, "clock": 1, "who": good, "key": key, "at": 1, "raw": "0123456789abcdef"}))
    };
    assert!(of(good).is_ok());
    for bad in [
        "",
        "f47ac10b58cc4372a5670e02b2c3d479",
        "f47ac10b-58cc-4372-a567-0e02b2c3d47",
        "+47ac10b-58cc-4372-a567-0e02b2c3d479",
    ] {
        let reasons = of(bad).unwrap_err();
        assert_eq!(reasons[0].code, Code::FieldType, "{reasons:?}");
        assert!(reasons[0].detail.starts_with("key: expected a UUID such as"), "{reasons:?}");
    }
}
