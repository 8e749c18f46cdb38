#![allow(clippy::unwrap_used)]

use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use arrow::array::Int64Array;
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};

use super::*;
use crate::codec::{Decoder, Encoder, arrow_schema, parse_schema};
use crate::framing::split;
use crate::json::JsonWriter;

fn event() -> Value {
    json!({"type": "record", "name": "Transaction", "namespace": "fraud", "fields": [
        {"name": "transaction_id", "type": "long"},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": "double"}]})
}

fn full() -> String {
    let features = ["row_is_night".to_owned(), "customer_tx_count_7d".to_owned()];
    log_schema("CustomerLog", "fraud.internal", Some(&event()), &features, true, Some(Decision::Always)).to_string()
}

fn item(n: i64) -> Value {
    let mut item = json!({
        "parent": n % 2, "trigger_offset": n, "trigger_item": 0, "index": 0, "origin_source": 0, "origin_partition": 1,
        "origin_offset": 100 + n, "time": 1_000_000 * n, "id": n.to_string(), "key": if n == 3 { "" } else { "7" },
    });
    match n % 4 {
        0 => item["event"] = json!({"transaction_id": n, "event_time": n, "amount": n}),
        1 => item["label"] = json!({"value": 1, "event_time": n}),
        2 => {
            item["prediction"] = json!({"score": 0.5, "threshold": 0.25, "decision": true, "model": "m/1",
                "model_digest": "d", "feature_set": "f", "schema_id": 4, "route": "champion", "profile": "f32-fma"});
        }
        _ => {
            item["event"] = json!({"transaction_id": n, "event_time": n, "amount": 0.5});
            item["features"] = json!({"row_is_night": n});
        }
    }
    item
}

fn batch(items: std::ops::Range<i64>, fence: Value) -> Value {
    json!({
        "sources": ["fraud.transactions.events.v1"],
        "parents": [{"log": "fraud.transactions.events.v1", "generation": 0, "partition": 0, "first": 4},
            {"log": "fraud.journal.log.g1", "generation": 1, "partition": 2, "first": 9}],
        "items": items.map(item).collect::<Vec<_>>(),
        "marks": [{"log": "fraud.transactions.events.v1", "partition": 0, "time": 5}],
        "fence": fence,
    })
}

/// Batches of 5, 0, 7 and 1 items, the last with a fence, as framed values.
fn values(schema: &str) -> Vec<Vec<u8>> {
    let writer = JsonWriter::new(schema).unwrap();
    let fence = json!({"number": 5, "state": "{}", "signature": "\u{0}\u{ff}"});
    let batches = [batch(0..5, Value::Null), batch(5..5, Value::Null), batch(5..12, Value::Null), batch(12..13, fence)];
    batches.iter().map(|batch| writer.framed(3, batch).unwrap()).collect()
}

fn decoded(schema: &str, values: &[Vec<u8>]) -> RecordBatch {
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(3, schema).unwrap();
    let framed: Vec<_> = values.iter().map(|value| split(Some(value), []).unwrap()).collect();
    let decoded = decoder.decode(&framed);
    assert_eq!(decoded.rejected, []);
    decoded.batch
}

#[test]
fn log_batches_round_trip() {
    let schema = full();
    let values = values(&schema);
    let batch = decoded(&schema, &values);
    let encoded = Encoder::new(&arrow_schema(&schema).unwrap(), 3).unwrap().encode(&batch).unwrap();
    let encoded: Vec<Vec<u8>> = encoded.iter().map(|row| row.to_vec()).collect();
    assert_eq!(encoded, values);
}

#[test]
fn items_of_all_records_are_one_contiguous_batch() {
    let schema = full();
    let batch = decoded(&schema, &values(&schema));
    let (offsets, items) = items(&batch).unwrap();
    assert_eq!((&offsets[..], items.num_rows()), (&[0, 5, 5, 12, 13][..], 13));
    let triggers = items.column_by_name("trigger_offset").unwrap().as_primitive::<Int64Type>();
    assert_eq!(triggers.values().to_vec(), (0..13).collect::<Vec<i64>>());
    let times = items.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.value(12), 12_000_000);
    let features = items.column_by_name("features").unwrap().as_struct();
    assert!(features.is_null(0) && features.is_valid(3));
    let night = features.column_by_name("row_is_night").unwrap().as_primitive::<Float64Type>();
    assert_eq!(night.value(3), 3.0);
}

#[test]
fn items_of_a_slice_are_those_of_its_records() {
    let schema = full();
    let batch = decoded(&schema, &values(&schema)).slice(2, 2);
    let (offsets, items) = items(&batch).unwrap();
    assert_eq!((&offsets[..], items.num_rows()), (&[0, 7, 8][..], 8));
    assert_eq!(items.column_by_name("trigger_offset").unwrap().as_primitive::<Int64Type>().value(0), 5);
}

#[test]
fn a_batch_without_items_has_none() {
    let batch = RecordBatch::try_from_iter([("items", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
    assert!(items(&batch).is_none());
}

#[test]
fn parts_left_out_have_no_field() {
    let names = |schema: &Value| -> Vec<String> {
        let schema = arrow_schema(&schema.to_string()).unwrap();
        let DataType::List(item) = schema.field_with_name(ITEMS).unwrap().data_type().clone() else { panic!() };
        let DataType::Struct(fields) = item.data_type() else { panic!() };
        fields.iter().map(|field| field.name().clone()).skip(10).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(names(&log_schema("A", "n", None, &[], false, None)), none);
    assert_eq!(names(&log_schema("A", "n", Some(&event()), &[], true, None)), ["event", "label"]);
    let features = ["f".to_owned()];
    assert_eq!(
        names(&log_schema("A", "n", None, &features, false, Some(Decision::Always))),
        ["features", "prediction"]
    );
}

#[test]
fn every_field_is_documented() {
    let schemas = [
        serde_json::from_str(&full()).unwrap(),
        prediction_schema("Fraud", "fraud", Decision::Always),
        outcome_schema("Fraud", "fraud", Decision::Always, false),
        prediction_schema("Way", "way", Decision::DeclaredOrClass),
        outcome_schema("Way", "way", Decision::DeclaredOrClass, true),
    ];
    for mut schema in schemas {
        // The event's own schema is not ours to document here.
        let text = schema.to_string();
        if text.contains("CustomerLog") {
            schema = log_schema("L", "n", None, &["f".to_owned()], true, Some(Decision::Always));
        }
        assert_eq!(crate::contracts::undocumented(&schema), Vec::<String>::new());
    }
}

#[test]
fn a_new_feature_is_a_compatible_change_both_ways() {
    let schema = |features: &[&str]| {
        let features: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
        parse_schema(&log_schema("L", "n", Some(&event()), &features, false, None).to_string()).unwrap()
    };
    let verdict = SchemaCompatibility::mutual_read(&schema(&["a"]).avro, &schema(&["a", "b"]).avro);
    assert_eq!(verdict.unwrap(), Compatibility::Full);
}

#[test]
fn public_records_round_trip() {
    let scores = json!({"score": 0.25, "threshold": 0.5, "decision": false, "model": "fraud/3", "model_digest": "ab",
        "feature_set": "cd", "schema_id": 4, "route": "champion", "profile": "f32-fma"});
    let mut prediction = scores.clone();
    prediction["event_id"] = json!("17");
    prediction["event_time"] = json!("2018-06-18T10:00:00.000001Z");
    prediction["key"] = json!("596");
    prediction["challengers"] = json!([{"model": "fraud/4", "model_digest": "ef", "score": 0.75, "decision": true}]);
    let outcome = |prediction: Value| {
        json!({"event_id": "17", "event_time": 1, "key": "596", "label": 1, "known_time": 2, "repeated": false,
            "prediction": prediction})
    };
    let mut undecided = prediction.clone();
    (undecided["threshold"], undecided["decision"]) = (Value::Null, Value::Null);
    let (mut number, declared) = (scores.clone(), Decision::Declared);
    number.as_object_mut().unwrap().retain(|name, _| !["threshold", "decision"].contains(&name.as_str()));
    let classed = Decision::DeclaredOrClass;
    let mut named = undecided.clone();
    (named["class"], named["probabilities"]) = (json!("tram"), json!([0.25, 0.5, 0.25]));
    let mut labelled = outcome(number.clone());
    (labelled["label_class"], labelled["prediction"]["class"]) = (json!("bus"), json!("tram"));
    let cases = [
        (prediction_schema("Shop", "shop", declared), vec![prediction.clone(), undecided]),
        (outcome_schema("Shop", "shop", declared, false), vec![outcome(scores.clone()), outcome(number)]),
        (prediction_schema("Way", "way", classed), vec![named, prediction.clone()]),
        (outcome_schema("Way", "way", classed, true), vec![labelled, outcome(Value::Null)]),
        (prediction_schema("Fraud", "fraud", Decision::Always), vec![prediction]),
        (outcome_schema("Fraud", "fraud", Decision::Always, false), vec![outcome(scores), outcome(Value::Null)]),
    ];
    for (schema, rows) in cases {
        let schema = schema.to_string();
        let writer = JsonWriter::new(&schema).unwrap();
        let values: Vec<Vec<u8>> = rows.iter().map(|row| writer.framed(3, row).unwrap()).collect();
        let batch = decoded(&schema, &values);
        let encoded = Encoder::new(&batch.schema(), 3).unwrap().encode(&batch).unwrap();
        assert_eq!(encoded.iter().map(|row| row.to_vec()).collect::<Vec<_>>(), values);
    }
}

#[test]
fn classes_may_come_and_go_without_breaking_readers() {
    use crate::compatibility::Compatibility as Mode;
    let pairs = [
        (prediction_schema("A", "a", Decision::Declared), prediction_schema("A", "a", Decision::DeclaredOrClass)),
        (
            outcome_schema("A", "a", Decision::Declared, false),
            outcome_schema("A", "a", Decision::DeclaredOrClass, true),
        ),
        (outcome_schema("A", "a", Decision::Always, false), outcome_schema("A", "a", Decision::Always, true)),
        (refusal_schema(false).unwrap(), refusal_schema(true).unwrap()),
    ];
    for (without, with) in pairs {
        assert_ne!(without, with);
        let (without, with) = (without.to_string(), with.to_string());
        let [without, with] = [without, with].map(|text| parse_schema(&text).unwrap());
        for (earlier, new) in [(&without, &with), (&with, &without)] {
            assert_eq!(Mode::FullTransitive.breach(&earlier.avro, &new.avro), None);
        }
    }
}
