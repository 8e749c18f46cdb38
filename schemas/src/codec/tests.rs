#![allow(clippy::unwrap_used)]

mod bad_records;
mod evolution;
mod round_trip;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value;

use super::*;
use crate::framing::{Framed, split};
use crate::json::JsonWriter;

/// Everything the pipeline's schemas use, in one record.
const RICH: &str = r#"{"type":"record","name":"Rich","namespace":"t","fields":[
    {"name":"id","type":"long"},
    {"name":"small","type":"int"},
    {"name":"flag","type":"boolean"},
    {"name":"ratio","type":"float"},
    {"name":"amount","type":"double"},
    {"name":"millis","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"maybe_millis","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},
    {"name":"name","type":"string"},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"last","type":["string","null"],"default":"x"},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["CARD","CASH","WIRE"]}},
    {"name":"maybe_kind","type":["null",{"type":"enum","name":"Mood","symbols":["UP","DOWN"]}],"default":null},
    {"name":"raw","type":"bytes"},
    {"name":"digest","type":{"type":"fixed","name":"Four","size":4}},
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"event","type":["null",{"type":"record","name":"Event","fields":[
        {"name":"customer","type":"int"},
        {"name":"score","type":["null","double"],"default":null},
        {"name":"deep","type":["null",{"type":"record","name":"Deep","fields":[
            {"name":"text","type":"string"},{"name":"mood","type":["null","Mood"]}]}]}]}],"default":null},
    {"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
        {"name":"parent","type":"int"},
        {"name":"kind","type":"Kind"},
        {"name":"features","type":["null",{"type":"record","name":"Features","fields":[
            {"name":"a","type":["null","double"],"default":null},
            {"name":"b","type":["null","double"],"default":null}]}],"default":null}]}}}]}"#;

/// A row of `RICH` whose every part depends on `n`; every optional part is absent in some rows.
fn rich(n: i64) -> Value {
    let item = |k: i64| {
        let features = serde_json::json!({"a": k as f64 / 4.0, "b": if k % 2 == 0 { Value::Null } else { k.into() }});
        serde_json::json!({
            "parent": k, "kind": (["WIRE", "CARD"][k as usize % 2]),
            "features": if k % 3 == 1 { Value::Null } else { features },
        })
    };
    let deep =
        serde_json::json!({"text": format!("t{n}"), "mood": if n % 2 == 0 { Value::Null } else { "DOWN".into() }});
    let event = serde_json::json!({
        "customer": n, "score": if n % 5 == 0 { Value::Null } else { (n as f64 * 0.5).into() },
        "deep": if n % 4 == 3 { Value::Null } else { deep },
    });
    serde_json::json!({
        "id": n * 1_000_003 - 5, "small": -n, "flag": n % 2 == 0, "ratio": n as f64 / 8.0, "amount": n as f64 / 3.0,
        "millis": 1_522_540_800_000 + n, "micros": -7 * n, "maybe_millis": if n % 3 == 0 { Value::Null } else { n.into() },
        "name": "ä".repeat(n as usize % 4), "note": if n % 2 == 1 { Value::Null } else { format!("n{n}").into() },
        "last": if n % 3 == 2 { Value::Null } else { "z".into() },
        "kind": (["CARD", "CASH", "WIRE"][n as usize % 3]),
        "maybe_kind": if n % 2 == 0 { Value::Null } else { "UP".into() },
        "raw": "\u{0}\u{ff}", "digest": "abcd",
        "tags": (0..n % 4).map(|k| format!("g{k}")).collect::<Vec<_>>(),
        "event": if n % 4 == 1 { Value::Null } else { event },
        "items": (0..n % 6).map(item).collect::<Vec<_>>(),
    })
}

fn bodies(schema: &str, rows: impl IntoIterator<Item = Value>) -> Vec<Vec<u8>> {
    let writer = JsonWriter::new(schema).unwrap();
    rows.into_iter().map(|row| writer.body(&row).unwrap()).collect()
}

fn framed(id: u32, bodies: &[Vec<u8>]) -> Vec<Framed<'_>> {
    bodies.iter().map(|body| Framed { id, body }).collect()
}

/// The bodies of a batch, written by the encoder with its frames checked and taken off.
fn encoded(batch: &arrow::record_batch::RecordBatch, schema: &arrow::datatypes::SchemaRef) -> Vec<Vec<u8>> {
    let rows = Encoder::new(schema, 77).unwrap().encode(batch).unwrap();
    let bare = |row: bytes::Bytes| {
        let framed = split(Some(&row), []).unwrap();
        assert_eq!(framed.id, 77);
        framed.body.to_vec()
    };
    rows.iter().map(bare).collect()
}

/// What apache-avro makes of a body: resolved to the reader's schema and written with it.
fn apache(writer: &str, reader: &str, body: &[u8]) -> Option<Vec<u8>> {
    let (writer, reader) = (parse_schema(writer).unwrap(), parse_schema(reader).unwrap());
    let mut left = body;
    let read = GenericDatumReader::builder(&writer.avro).reader_schema(&reader.avro).build().unwrap();
    let value = read.read_value(&mut left).ok().filter(|_| left.is_empty())?;
    Some(GenericDatumWriter::builder(&reader.avro).build().unwrap().write_value_to_vec(value).unwrap())
}
