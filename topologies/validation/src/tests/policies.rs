//! What happens to events that fail: rejected, flagged, or with other values; and what null means.

use flow::config::Pipeline;
use flow::processor::InRecord;
use schemas::codec::Decoder;
use schemas::framing::split;
use serde_json::{Value, json};

use super::fixture::*;
use crate::checks::Checks;
use crate::tallies::Verdict;
use crate::{RuleSet, Rulebook, Source};

const RULES: &str = "    rules:\n";
const FIELDS: &str = "    fields:\n";

fn rules(yaml: &str) -> Pipeline {
    pipeline_with(RULES, &format!("{RULES}{yaml}"))
}

fn fields(yaml: &str) -> Pipeline {
    pipeline_with(FIELDS, &format!("{FIELDS}{yaml}"))
}

/// An event with these fields changed.
fn with(changes: Value) -> Value {
    let mut object = event("e", Some("7"), 0);
    changes.as_object().unwrap().iter().for_each(|(name, value)| object[name] = value.clone());
    object
}

/// What stands in the first log for an event, columns in the order of the schema: id, at, customer, terminal, amount, kind,
/// note, and behind them the names of failed rules and imputed fields; or the code of its dead letter.
fn told(world: &World, objects: &[Value], batch: usize) -> Vec<String> {
    let records: Vec<InRecord> = objects.iter().zip(0..).map(|(object, at)| event_record(at, object)).collect();
    let written = run(world, &mut world.events(0), &records, batch);
    let of_log = written.items.iter().filter(|((log, _), _)| !log.contains("journal"));
    let items = of_log.flat_map(|(_, items)| items).map(|item| (item.origin.2, item.event.clone()));
    let dead = written.others.iter().map(|letter| {
        let offset = header(letter, "__connect.errors.offset").unwrap().parse().unwrap();
        (offset, header(letter, "__connect.errors.exception.message").unwrap())
    });
    let mut all: Vec<(i64, String)> = items.chain(dead).collect();
    all.sort();
    all.into_iter()
        .map(|(_, told)| told.split('|').skip(if told.contains('|') { 3 } else { 0 }).collect::<Vec<_>>().join("|"))
        .collect()
}

#[track_caller]
fn check(pipeline: Pipeline, changes: Value, expected: &str) {
    let world = World::of(pipeline);
    let object = with(changes);
    assert_eq!(told(&world, std::slice::from_ref(&object), 1), [expected], "{object}");
}

#[test]
fn a_flagged_event_goes_on_with_the_names_of_its_rules() {
    let pipeline = || {
        rules("      small: { check: amount < 1, on_fail: flag }\n      low: { check: terminal < 2, on_fail: flag }\n")
    };
    check(pipeline(), json!({"amount": 0.5, "terminal": 1}), "1|0.5|card|-|-|-");
    check(pipeline(), json!({"amount": 7.5, "terminal": 1}), "1|7.5|card|-|[small]|-");
    check(pipeline(), json!({}), "3|1.5|card|-|[small, low]|-");
    // One rule that rejects is enough, and tells only what rejects.
    check(pipeline(), json!({"amount": 5_000}), "RULE_FAILED: rule `amount` is false");
}

#[test]
fn imputed_values_replace_what_failed_and_later_rules_see_them() {
    let pipeline = || {
        rules(concat!(
            "      sane: { check: amount < 1000, on_fail: impute, impute: { amount: 9.5, note: 'too \"much\"' } }\n",
            "      same: { check: amount < 9, on_fail: flag }\n",
        ))
    };
    check(pipeline(), json!({"amount": 5_000}), "3|9.5|card|too \"much\"|[sane, same]|[amount, note]");
    check(pipeline(), json!({"amount": 5}), "3|5.0|card|-|-|-");
    let halved = || {
        rules("      half: { check: amount < 100, on_fail: impute, impute: { amount: { sql: amount / terminal } } }\n")
    };
    check(halved(), json!({"amount": 900, "terminal": 4}), "4|225.0|card|-|[half]|[amount]");
    check(halved(), json!({"amount": 90, "terminal": 4}), "4|90.0|card|-|-|-");
}

#[test]
fn what_cannot_be_imputed_is_rejected_alone() {
    let odd = "      odd: { check: amount < 5, on_fail: impute, impute: { amount: { sql: cast(note as double) } } }\n";
    let events = [(1, "-"), (7, "x"), (8, "2.5"), (9, "4"), (7, "y"), (7, "nan")];
    let events = events.map(|(amount, note)| with(json!({"id": format!("e{note}"), "amount": amount, "note": note})));
    let whole = told(&World::of(rules(odd)), &events, 6);
    assert_eq!(whole[0], "3|1.0|card|-|-|-");
    assert_eq!(whole[2..4], ["3|2.5|card|2.5|[odd]|[amount]", "3|4.0|card|4|[odd]|[amount]"]);
    for at in [1, 4, 5] {
        assert!(whole[at].starts_with("RULE_ERROR: the value imputed for amount cannot be used"), "{whole:?}");
    }
    assert_eq!(told(&World::of(rules(odd)), &events, 1), whole, "however the records are cut");
    let none = "      none: { check: amount < 1, on_fail: impute, impute: { kind: { sql: note } } }\n";
    check(rules(none), json!({}), "RULE_ERROR: the value imputed for kind cannot be used: it is null");
}

#[test]
fn bounds_have_the_same_policies() {
    check(fields("      amount: { max: 1, on_fail: flag }\n"), json!({}), "3|1.5|card|-|[fields.amount]|-");
    check(
        fields("      amount: { max: 1, on_fail: impute, impute: 1 }\n"),
        json!({}),
        "3|1.0|card|-|[fields.amount]|[amount]",
    );
    let kind =
        pipeline_with("kind: { enum: [card, cash] }", "kind: { enum: [card, cash], on_fail: impute, impute: other }");
    check(kind, json!({"kind": "gold"}), "3|1.5|other|-|[fields.kind]|[kind]");
}

#[test]
fn null_is_kept_rejected_or_replaced_as_the_field_says() {
    check(fields("      amount: { on_null: keep, max: 5 }\n"), json!({"amount": null}), "3|-|card|-");
    check(fields("      amount: { on_null: reject }\n"), json!({"amount": null}), "FIELD_NULL: amount is null");
    check(
        fields("      amount: { on_null: impute, impute: 2.5 }\n"),
        json!({"amount": null}),
        "3|2.5|card|-|-|[amount]",
    );
    let by_terminal = "      amount: { on_null: impute, impute: { sql: \"case when terminal > 2 then 8 end\" } }\n";
    check(fields(by_terminal), json!({"amount": null}), "3|8.0|card|-|-|[amount]");
    check(fields(by_terminal), json!({"amount": null, "terminal": 1}), "1|-|card|-|-|[amount]");
}

#[test]
fn nan_counts_as_no_value_where_null_is_imputed() {
    let world = World::of(fields("      amount: { on_null: impute, impute: 2.5 }\n"));
    let mut value = framed(EVENT, EVENT_ID, &event("e", Some("7"), 0));
    let at = value.windows(8).position(|bytes| bytes == 1.5_f64.to_le_bytes()).unwrap();
    value[at..at + 8].copy_from_slice(&f64::NAN.to_le_bytes());
    let written = run(&world, &mut world.events(0), &[record(0, value)], 1);
    let events: Vec<&str> = written.items.values().flatten().map(|item| item.event.as_str()).collect();
    assert!(events.len() == 2 && events.iter().all(|event| event.ends_with("|3|2.5|card|-|-|[amount]")), "{events:?}");
}

#[test]
fn a_rule_over_several_columns_says_what_null_means() {
    let across = |more: &str| rules(&format!("      across: {{ check: amount < terminal * 2{more} }}\n"));
    check(across(""), json!({"amount": 5}), "3|5.0|card|-");
    check(across(""), json!({"amount": 6}), "RULE_FAILED: rule `across` is false");
    check(across(""), json!({"amount": null}), "RULE_FAILED: rule `across` is null");
    check(across(", on_null: fail"), json!({"amount": null}), "RULE_FAILED: rule `across` is null");
    check(across(", on_null: pass"), json!({"amount": null}), "3|-|card|-");
    check(across(", on_null: pass, on_fail: flag"), json!({"amount": null}), "3|-|card|-|-|-");
    check(across(", on_fail: flag"), json!({"amount": null}), "3|-|card|-|[across]|-");
}

#[test]
fn flagged_and_plain_events_are_told_the_same_however_they_are_cut() {
    let pipeline = || {
        rules(
            "      small: { check: amount < 1, on_fail: flag }\n      sane: { check: amount < 2, on_fail: impute, impute: { amount: 0 } }\n",
        )
    };
    let events: Vec<Value> =
        (0..30).map(|n| with(json!({"id": format!("e{n}"), "amount": (n % 5) as f64 / 1.5}))).collect();
    let whole = told(&World::of(pipeline()), &events, 30);
    for batch in [1, 7] {
        let world = World::of(pipeline());
        assert_eq!(told(&world, &events, batch), whole);
        let mut laid = World::of(pipeline());
        laid.splices = false;
        assert_eq!(told(&laid, &events, batch), whole);
    }
    assert!(whole.contains(&"3|0.0|card|-|[small, sane]|[amount]".to_owned()), "{whole:?}");
}

#[test]
fn what_failed_is_counted_by_rule_field_and_code() {
    let world = World::of(rules(
        "      small: { check: amount < 1, on_fail: flag }\n      sane: { check: amount < 2, on_fail: impute, impute: { amount: 0 } }\n",
    ));
    let mut task = world.events(0);
    let events = [0.5, 2.0, 4.0, 5_000.0, 5.0].iter().zip(0..);
    let mut records: Vec<InRecord> =
        events.map(|(amount, at)| event_record(at, &with(json!({"id": format!("e{at}"), "amount": amount})))).collect();
    records.push(record(5, vec![1]));
    run(&world, &mut task, &records, 6);
    let counts: Vec<(Verdict, String, u64)> =
        task.take_tallies().into_iter().map(|((verdict, name), count)| (verdict, name.to_string(), count)).collect();
    let expected = [
        (Verdict::Rejected, "FRAME_MAGIC", 1),
        (Verdict::Flagged, "sane", 4),
        (Verdict::Flagged, "small", 4),
        (Verdict::Imputed, "amount", 4),
    ];
    assert_eq!(counts, expected.map(|(verdict, name, count)| (verdict, name.to_owned(), count)));
    assert!(task.take_tallies().is_empty());
}

#[test]
fn policies_are_part_of_the_rule_version_and_survive_as_text() {
    let plain = RuleSet::of_events(&pipeline());
    assert!(!plain.text().contains("on_fail") && !plain.text().contains("null_passes"), "{}", plain.text());
    let flagged = RuleSet::of_events(&rules(
        "      small: { check: amount < 1, on_fail: impute, on_null: pass, impute: { amount: 0 } }\n",
    ));
    assert_eq!(RuleSet::parse(&flagged.text()).unwrap(), flagged);
    assert_ne!(flagged.version(), plain.version());
    let source = Source::events(&pipeline()).unwrap().into();
    let mut wrong = flagged.clone();
    wrong.conditions[0].imputes[0].0 = "customer".to_owned();
    let error = Rulebook::new(source, &wrong).unwrap_err().to_string();
    assert!(error.contains("`customer` cannot be the imputed field"), "{error}");
}

#[test]
fn findings_are_of_rows_that_go_on_and_name_a_field_once() {
    let pipeline = rules(concat!(
        "      sane: { check: amount < 1000, on_fail: impute, impute: { amount: 500 } }\n",
        "      small: { check: amount < 100, on_fail: impute, impute: { amount: 50 } }\n",
        "      near: { check: terminal < 5 }\n",
    ));
    let checks = Checks::compile(&Source::events(&pipeline).unwrap(), &RuleSet::of_events(&pipeline)).unwrap();
    let events = [(5_000.0, 1), (5_000.0, 9), (5.0, 1), (300.0, 9), (300.0, 2)];
    let events = events
        .map(|(amount, terminal)| framed(EVENT, EVENT_ID, &with(json!({"amount": amount, "terminal": terminal}))));
    let mut decoder = Decoder::new(EVENT).unwrap();
    decoder.add_writer(EVENT_ID, EVENT).unwrap();
    let bodies: Vec<_> = events.iter().map(|event| split(Some(event), []).unwrap()).collect();
    let judged = checks.judge(&decoder.decode(&bodies).batch, &[TEN_MS; 5]);
    let names = |found: &[(usize, std::sync::Arc<str>)]| -> Vec<String> {
        found.iter().map(|(row, name)| format!("{row} {name}")).collect()
    };
    assert_eq!(judged.faults.rows(), [1, 3]);
    assert_eq!(names(&judged.findings.failed), ["0 sane", "0 small", "4 small"]);
    assert_eq!(names(&judged.findings.imputed), ["0 amount", "4 amount"]);
}
