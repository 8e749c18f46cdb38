//! Labels with classes: the place of a class travels, whatever else is a dead letter.

use flow::processor::InRecord;
use schemas::reject::Code;
use serde_json::{Value, json};

use super::fixture::*;
use crate::dry::DryRun;
use crate::ingest::Ingest;
use crate::{RuleSet, Source};

const CLASSES: &str = "[bus, tram, train]";

/// The schema of labels whose target has this type.
fn label(target: &Value) -> String {
    json!({"type": "record", "name": "Mark", "namespace": "t", "fields": [
        {"name": "id", "type": "string"}, {"name": "bad", "type": target},
        {"name": "known", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": null}]})
    .to_string()
}

fn text() -> String {
    label(&json!(["null", "string"]))
}

/// Labels of events named after their offset.
fn labels(values: &[Value], schema: Option<&str>) -> Vec<InRecord> {
    let value = |(at, value): (usize, &Value)| json!({"id": format!("e{at}"), "bad": value, "known": null});
    let bytes = |object: Value| match schema {
        Some(schema) => framed(schema, LABEL_ID, &object),
        None => object.to_string().into_bytes(),
    };
    values.iter().enumerate().map(|one| record(one.0 as i64, bytes(value(one)))).collect()
}

/// What becomes of labels: the numbers that travel, and codes of dead letters with their details.
fn judged((schema, classes, format): (&str, &str, &str), values: &[Value], batch: usize) -> Vec<(i64, String)> {
    let world = World::of(pipeline_with_classes(schema, classes, format));
    world.schemas.add(LABEL_ID, schema);
    let written = (format == "avro").then_some(schema);
    let written = run(&world, &mut world.labels(0), &labels(values, written), batch);
    let good = written.items.values().flatten().map(|item| (item.origin.2, item.label.unwrap().0.to_string()));
    let detail = |letter| format!("{} {}", reason(letter), header(letter, "tidemill.dlq.detail").unwrap());
    let bad = written.beside().into_iter().zip(&written.others).map(|((_, at, _), letter)| (at, detail(letter)));
    let mut all: Vec<_> = good.chain(bad).collect();
    all.sort();
    all
}

fn reason(letter: &flow::processor::OutRecord) -> String {
    header(letter, "tidemill.dlq.reason").unwrap()
}

#[test]
fn a_class_travels_as_its_place_and_a_stranger_is_a_dead_letter() {
    let schema = text();
    let values = [json!("train"), json!("bus"), json!("ferry"), json!("Tram"), Value::Null, json!("tram")];
    let expected = [
        "2",
        "0",
        "LABEL_UNKNOWN_CLASS bad is \"ferry\", which is none of the 3 classes; they are \"bus\", \"tram\", \"train\"",
        "LABEL_UNKNOWN_CLASS bad is \"Tram\", which is none of the 3 classes; did you mean \"tram\"?",
        "LABEL_INVALID bad is null",
        "1",
    ];
    for format in ["avro", "json"] {
        for batch in [1, 4, 6] {
            let found = judged((&schema, CLASSES, format), &values, batch);
            let said: Vec<&str> = found.iter().map(|(_, said)| said.as_str()).collect();
            assert_eq!(said, expected, "{format} in batches of {batch}");
        }
    }
    let long = "x".repeat(1_000);
    let (_, said) = judged((&schema, CLASSES, "avro"), &[json!(long)], 1).remove(0);
    assert!(said.len() < 200 && said.contains('…'), "{said}");
}

#[test]
fn numbers_enums_and_booleans_may_be_classes() {
    let whole = label(&json!("long"));
    let found = judged((&whole, "[30, 10, 20]", "avro"), &[json!(10), json!(30), json!(0)], 3);
    assert_eq!(
        (&*found[0].1, &*found[1].1, found[2].1.starts_with("LABEL_UNKNOWN_CLASS bad is \"0\"")),
        ("1", "0", true)
    );
    let symbols = label(&json!({"type": "enum", "name": "Way", "symbols": ["walk", "bus", "tram", "train"]}));
    let found = judged((&symbols, CLASSES, "avro"), &[json!("train"), json!("walk")], 2);
    assert_eq!((&*found[0].1, found[1].1.starts_with("LABEL_UNKNOWN_CLASS")), ("2", true));
    let flags = label(&json!("boolean"));
    let found = judged((&flags, "[true, false]", "json"), &[json!(true), json!(false)], 2);
    assert_eq!(found.into_iter().map(|(_, place)| place).collect::<Vec<_>>(), ["0", "1"]);
}

#[test]
fn the_front_door_and_dry_runs_say_the_same() {
    let schema = text();
    let pipeline = pipeline_with_classes(&schema, CLASSES, "avro");
    let (source, rules) = (Source::labels(&pipeline).unwrap().unwrap(), RuleSet::of_labels(&pipeline));
    let mut door = Ingest::new(&source, &rules, LABEL_ID).unwrap();
    let one = |class: &str| json!({"id": "e1", "bad": class, "known": null});
    assert_eq!(door.json(&one("tram"), TEN_MS).unwrap().id, "e1");
    let refused = door.json(&one("ferry"), TEN_MS).unwrap_err();
    assert_eq!(refused.iter().map(|reject| reject.code).collect::<Vec<_>>(), [Code::LabelUnknownClass]);
    let world = World::of(pipeline);
    world.schemas.add(LABEL_ID, &schema);
    let mut dry = DryRun::new(source, &rules, world.schemas.clone(), world.decisions.clone()).unwrap();
    let failed = dry.records(&labels(&[json!("bus"), json!("ferry")], Some(&schema))).unwrap();
    let failed: Vec<_> = failed.iter().map(|failure| (failure.index, failure.code)).collect();
    assert_eq!(failed, [(1, Some(Code::LabelUnknownClass))]);
}

#[test]
fn other_classes_make_another_task() {
    let schema = text();
    let signature = |classes: &str| {
        let pipeline = pipeline_with_classes(&schema, classes, "avro");
        Source::labels(&pipeline).unwrap().unwrap().signature()
    };
    assert_eq!(signature(CLASSES), signature(CLASSES));
    assert_ne!(signature(CLASSES), signature("[tram, bus, train]"));
    let plain = Source::labels(&pipeline()).unwrap().unwrap().signature();
    assert!(!plain.contains("classes"), "what was worked without classes is known again: {plain}");
}
