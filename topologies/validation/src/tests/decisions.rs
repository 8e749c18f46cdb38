//! Decisions that another process took first hold here, too.

use flow::processor::{InRecord, Task};
use schemas::reject::{Code, Reject};
use serde_json::json;

use super::fixture::*;
use crate::{RuleSet, Validator, Verdict};

const OTHER_ID: u32 = 50;

fn other(offset: i64) -> InRecord {
    record(offset, framed(EVENT, OTHER_ID, &event(&format!("e{offset}"), Some("7"), 0)))
}

fn reasons(written: &Written) -> Vec<String> {
    written.beside().into_iter().map(|(_, offset, reason)| format!("{offset} {reason}")).collect()
}

#[test]
fn a_schema_unknown_at_first_keeps_its_dead_letters_and_is_accepted_later() {
    let world = World::new();
    let mut first = world.events(0);
    let written = run(&world, &mut first, &[other(0), other(1)], 2);
    assert_eq!(reasons(&written), ["0 SCHEMA_UNKNOWN", "1 SCHEMA_UNKNOWN"]);
    world.schemas.add(OTHER_ID, EVENT);
    // A successor that repeats the work knows the schema, and still must not accept what was dead-lettered.
    let mut second = world.events(0);
    let written = run(&world, &mut second, &[other(0), other(1), other(2), other(3)], 4);
    assert_eq!(reasons(&written), ["0 SCHEMA_UNKNOWN", "1 SCHEMA_UNKNOWN"]);
    assert_eq!(fates(&mut second), [2, 0, 2]);
    assert_eq!(world.decisions.verdicts.lock().unwrap().len(), 3, "once accepted nobody asks again");
}

#[test]
fn an_accepted_schema_that_cannot_be_found_stops_the_task() {
    let world = World::new();
    let key = ("t.pay.events.v1".to_owned(), 0, 0);
    world.decisions.verdicts.lock().unwrap().insert(key, Verdict::Accept);
    let mut task = world.events(0);
    let mut out = Vec::new();
    let stop = task.handle(&[other(0)], false, &mut out).unwrap_err().to_string();
    assert!(stop.contains("schema id 50 was accepted earlier and cannot be used now"), "{stop}");
    assert!(out.is_empty());
}

#[test]
fn an_incompatible_schema_is_dead_lettered_with_the_field() {
    let world = World::new();
    let text = r#"{"type":"record","name":"Event","namespace":"t","fields":[{"name":"id","type":"string"}]}"#;
    world.schemas.add(OTHER_ID, text);
    let mut task = world.events(0);
    let bad = record(0, framed(text, OTHER_ID, &json!({"id": "a"})));
    let written = run(&world, &mut task, &[bad], 1);
    assert_eq!(reasons(&written), ["0 SCHEMA_INCOMPATIBLE"]);
    let verdicts = world.decisions.verdicts.lock().unwrap();
    assert!(matches!(verdicts.values().next(), Some(Verdict::Reject(Reject { code: Code::SchemaIncompatible, .. }))));
}

#[test]
fn changed_rules_take_effect_at_the_next_unopened_bucket() {
    let world = World::new();
    let changed = pipeline_with("amount < 1000", "amount < 1");
    run(&world, &mut world.events(0), &[event_record(3, &event("a", None, 0))], 1);
    let records = [event_record(4, &event("b", None, 0)), event_record(65_536, &event("c", None, 0))];
    let stop = |task: &mut Validator, records: &[InRecord]| {
        task.handle(records, false, &mut Vec::new()).unwrap_err().to_string()
    };
    let refused = stop(&mut world.events_of(&changed, 0), &records);
    assert!(refused.contains("bucket 0 was opened with rules") && refused.contains("nobody stored them"), "{refused}");
    for rules in [RuleSet::of_events(&world.pipeline), RuleSet::of_events(&changed)] {
        world.decisions.sets.lock().unwrap().insert(rules.version(), rules.text());
    }
    let written = run(&world, &mut world.events_of(&changed, 0), &records, 2);
    assert_eq!(reasons(&written), ["65536 RULE_FAILED"]);
    // The old process meets the bucket that the new one opened, and applies the new rules.
    let written = run(&world, &mut world.events(0), &records, 2);
    assert_eq!(reasons(&written), ["65536 RULE_FAILED"]);
    world.decisions.sets.lock().unwrap().values_mut().for_each(|text| *text = text.replace("amount", "terminal"));
    assert!(stop(&mut world.events(0), &records[1..]).contains("not the same"));
}
