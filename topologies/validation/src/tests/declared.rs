//! What a pipeline declares is checked when it is compiled; the front door applies the same rules.

use schemas::reject::Code;
use serde_json::{Value, json};

use super::fixture::*;
use crate::ingest::Ingest;
use crate::{RuleSet, Rulebook, Source};

#[track_caller]
fn refused(change: impl Fn(&mut RuleSet), expected: &str) {
    let pipeline = pipeline();
    let source = Source::events(&pipeline).unwrap().into();
    let mut rules = RuleSet::of_events(&pipeline);
    change(&mut rules);
    let error = Rulebook::new(source, &rules).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn rules_that_cannot_hold_for_the_schema_are_refused() {
    refused(|rules| rules.conditions[0].check = "amuont > 1".into(), "rule `share` of topic t.pay.events.v1");
    refused(|rules| rules.conditions[0].check = "amount + 1".into(), "not true or false");
    refused(|rules| rules.fields[0].column = "nowhere".into(), "`nowhere` cannot be the bounded field");
    refused(|rules| rules.fields[1].min = Some(1.0), "only numbers have a range");
}

#[test]
fn a_rule_set_survives_as_text_and_any_change_is_a_new_version() {
    let rules = RuleSet::of_events(&pipeline());
    assert_eq!(RuleSet::parse(&rules.text()).unwrap(), rules);
    let longer = RuleSet { lateness_us: rules.lateness_us + 1, ..rules.clone() };
    assert_ne!(longer.version(), rules.version());
    assert!(RuleSet::parse("{").is_err());
}

fn door() -> Ingest {
    let pipeline = pipeline();
    Ingest::new(&Source::events(&pipeline).unwrap(), &RuleSet::of_events(&pipeline), EVENT_ID).unwrap()
}

#[track_caller]
fn check(object: Value, expected: &[Code]) {
    let reasons = door().json(&object, TEN_MS).err().unwrap_or_default();
    assert_eq!(reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(), expected, "{reasons:?}");
}

#[test]
fn the_front_door_tells_all_reasons_at_once() {
    check(event("a", None, 0), &[]);
    check(json!({"id": 1, "terminal": "x"}), &[Code::FieldType, Code::FieldNull, Code::FieldType]);
    let bad = json!({"id": "", "at": TEN_MS + 7_200_000, "terminal": -1, "kind": "gold", "amount": 2_000});
    let both_rules = [Code::RuleFailed; 2];
    let fields = [Code::IdMissing, Code::TimeFuture, Code::FieldRange, Code::FieldEnum];
    check(bad, &[&fields[..], &both_rules].concat());
}

#[test]
fn what_the_front_door_lets_in_the_validator_accepts() {
    let ready = door().json(&event("a", Some("7"), 0), TEN_MS).unwrap();
    assert_eq!(ready.id, "a");
    let world = World::new();
    let mut task = world.events(0);
    run(&world, &mut task, &[record(0, ready.value)], 1);
    assert_eq!(fates(&mut task), [1, 0, 0]);
}
