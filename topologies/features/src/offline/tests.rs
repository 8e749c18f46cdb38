#![allow(clippy::unwrap_used)]

//! Order of rows, labels, chains, and what is refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};

use proptest::prelude::*;

use super::{Error, Labels, Table, compute};
use crate::Key;
use crate::spec::{Declaration, Group, Scope};
use crate::window::Engine;

fn group(name: &str, delay: &str, aggregates: &[(&str, &str)]) -> Group {
    let declaration =
        Declaration { name, key: "k", windows: vec!["10us"], delay: Some(delay), aggregates: aggregates.to_vec() };
    let scope = Scope { numeric: vec!["a", "one_n_10us"], texts: vec!["c"], other: vec![], target: Some("y") };
    Group::parse(&declaration, &scope).unwrap()
}

fn keys(keys: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(keys.to_vec()))
}

fn numbers(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn values(table: &Table<'_>, groups: &[Group]) -> Vec<Vec<Option<f64>>> {
    compute(groups, table).unwrap().iter().map(|feature| feature.values.iter().collect()).collect()
}

#[test]
fn rows_come_in_any_order_and_ties_go_by_id() {
    let table = Table {
        ids: Some(Arc::new(Int64Array::from(vec![30, 9, 10, 20]))),
        times_us: &[9, 5, 5, 1],
        keys: vec![keys(&[1, 1, 1, 1])],
        ..Table::default()
    };
    // At time 5 the shorter "9" is before "10", as where the stream holds events (`flow::hold::id_order`).
    assert_eq!(values(&table, &[group("one", "0s", &[("n", "count()")])]), [[4.0, 2.0, 3.0, 1.0].map(Some)]);
}

#[test]
fn copies_of_an_id_go_by_origin() {
    let table = Table {
        ids: Some(Arc::new(StringArray::from(vec!["x", "x", "x"]))),
        times_us: &[5, 5, 5],
        origins: Some(&[(1, 0), (0, 9), (0, 3)]),
        keys: vec![keys(&[1, 1, 1])],
        ..Table::default()
    };
    assert_eq!(values(&table, &[group("one", "0s", &[("n", "count()")])]), [[3.0, 2.0, 1.0].map(Some)]);
}

#[test]
fn label_is_seen_by_an_event_at_the_time_it_became_known() {
    let table = Table {
        times_us: &[0, 4, 5, 6],
        keys: vec![keys(&[1, 1, 1, 1])],
        labels: Some(Labels { values: vec![Some(1.0), None, Some(0.0), Some(1.0)].into(), known_us: &[5, 0, 6, 3] }),
        ..Table::default()
    };
    let found = values(&table, &[group("one", "0s", &[("risk", "avg(y)"), ("n", "count(y)")])]);
    // The last label was known before its event: it applies at the event's time.
    assert_eq!(found, [[None, None, Some(1.0), Some(2.0 / 3.0)], [0.0, 0.0, 1.0, 3.0].map(Some)]);
}

#[test]
fn later_groups_read_the_features_of_earlier_ones() {
    let table = Table {
        times_us: &[0, 1, 2],
        keys: vec![keys(&[1, 1, 2]), keys(&[7, 7, 7])],
        columns: vec![("a".into(), numbers(&[Some(2.0), None, Some(3.0)]))],
        ..Table::default()
    };
    let chain =
        [group("one", "0s", &[("n", "count()")]), group("two", "0s", &[("s", "sum(one_n_10us)"), ("a", "sum(a)")])];
    assert_eq!(values(&table, &chain), [[1.0, 2.0, 1.0], [1.0, 3.0, 4.0], [2.0, 2.0, 5.0]].map(|row| row.map(Some)));
}

#[test]
fn null_keys_give_null_features() {
    let nulls: ArrayRef = Arc::new(StringArray::from(vec![Some("k"), None, Some("k")]));
    let table = Table { times_us: &[0, 1, 2], keys: vec![nulls], ..Table::default() };
    let found = values(&table, &[group("one", "0s", &[("n", "coalesce(count(), 7)")])]);
    assert_eq!(found, [[Some(1.0), None, Some(2.0)]]);
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let groups = [group("one", "0s", &[("s", "sum(a)")])];
    let good = Table {
        times_us: &[0, 1],
        keys: vec![keys(&[1, 1])],
        columns: vec![("a".into(), numbers(&[Some(1.0), Some(2.0)]))],
        ..Table::default()
    };
    assert!(compute(&groups, &good).is_ok());
    let refused = |table: Table<'_>| compute(&groups, &table).unwrap_err().to_string();
    let missing = Table { columns: vec![("A".into(), numbers(&[Some(1.0), Some(2.0)]))], ..good.clone() };
    assert_eq!(refused(missing), "group one reads column `a`, which the table does not have; did you mean `A`?");
    let short = Table { columns: vec![("a".into(), numbers(&[Some(1.0)]))], ..good.clone() };
    assert_eq!(refused(short), "column `a` has 1 rows, the table has 2");
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    let floating = Table { keys: vec![float], ..good.clone() };
    assert_eq!(refused(floating), "key column `k` is of type Float64; ids and keys are integers, strings or booleans");
    assert_eq!(refused(Table { keys: vec![], ..good.clone() }), "0 key columns for 1 groups; give one for each");
    let nameless: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    assert_eq!(compute(&groups, &Table { ids: Some(nameless), ..good }), Err(Error::NoId(1)));
}

#[test]
fn conditions_are_sql_over_the_columns() {
    let table = Table {
        times_us: &[0, 1, 2, 3],
        keys: vec![keys(&[1, 1, 1, 1])],
        columns: vec![
            ("a".into(), numbers(&[Some(2.0), Some(9.0), None, Some(4.0)])),
            ("c".into(), Arc::new(StringArray::from(vec![Some("x"), Some("y"), Some("x"), None]))),
        ],
        ..Table::default()
    };
    let aggregates = [
        ("x", "count(where c = 'x')"),
        ("s", "sum(a where c in ('x', 'y') and a > 3)"),
        ("r", "rate(where c is null)"),
        ("l", "last(a where (c = 'x'))"),
    ];
    let found = values(&table, &[group("one", "0s", &aggregates)]);
    assert_eq!(found[0], [1.0, 1.0, 2.0, 2.0].map(Some));
    assert_eq!(found[1], [None, Some(9.0), Some(9.0), Some(9.0)]);
    assert_eq!(found[2], [0.0, 0.0, 0.0, 1.0 / 1e-5].map(Some));
    assert_eq!(found[3], [None, Some(2.0), Some(2.0), Some(2.0)]);
    let aggregates = [("d", "distinct(c)"), ("e", "distinct(c where a > 1)")];
    let found = values(&table, &[group("one", "0s", &aggregates)]);
    assert_eq!(found, [[1.0, 2.0, 2.0, 2.0].map(Some), [1.0, 2.0, 2.0, 2.0].map(Some)], "texts, and null is none");
    let refused = |text: &str| compute(&[group("one", "0s", &[("x", text)])], &table).unwrap_err().to_string();
    assert_eq!(refused("count(where a + 1)"), "group one: aggregates.x: `a + 1`: is neither true nor false");
    assert!(refused("count(where d > 1)").contains("No field named d"), "{}", refused("count(where d > 1)"));
    assert!(refused("count(where random() > 1)").contains("not the same at every run"));
}

/// Aggregates of one entity, each of them once seeing late events and once not.
fn both_policies() -> Group {
    const AGGREGATES: [&str; 9] = [
        "count()",
        "sum(a)",
        "stddev(a)",
        "min(a)",
        "last(a)",
        "time_since_last()",
        "decayed_count(3us)",
        "most_frequent(a)",
        "quantile(a, 0.5)",
    ];
    let names: Vec<String> = (0..2 * AGGREGATES.len()).map(|number| format!("f{number}")).collect();
    let twice = names.iter().zip(AGGREGATES.into_iter().flat_map(|aggregate| [aggregate; 2]));
    let named: Vec<(&str, &str)> = twice.map(|(name, aggregate)| (name.as_str(), aggregate)).collect();
    group("one", "0s", &named).skipping_late([false, true].into_iter().cycle())
}

/// An event: its key, time and value.
type Event = (i32, i64, Option<f64>);

/// The features of a table of these events, one row per event, as bits.
fn of_table(group: &Group, events: &[Event]) -> Vec<Vec<Option<u64>>> {
    let times_us: Vec<i64> = events.iter().map(|event| event.1).collect();
    let of_key: Vec<i32> = events.iter().map(|event| event.0).collect();
    let table = Table {
        // Ties go as they came.
        ids: Some(Arc::new(Int64Array::from_iter_values(0..events.len() as i64))),
        times_us: &times_us,
        keys: vec![keys(&of_key)],
        columns: vec![("a".into(), numbers(&events.iter().map(|event| event.2).collect::<Vec<_>>()))],
        ..Table::default()
    };
    let features = values(&table, std::slice::from_ref(group));
    let row = |row: usize| features.iter().map(|feature| feature[row].map(f64::to_bits)).collect();
    (0..events.len()).map(row).collect()
}

proptest! {
    /// What a stream gives in the order of arrival, against tables, which have no late rows.
    #[test]
    fn who_skips_late_events_has_the_bits_of_a_table_without_them(
        steps in prop::collection::vec((0..3_i32, -9..5_i64, prop::option::weighted(0.8, -3..4_i32)), 1..60),
    ) {
        let group = both_policies();
        let mut engine = Engine::new(&group, 1_000);
        let (mut newest_us, mut of_keys) = (0, [i64::MIN; 3]);
        let (mut all, mut punctual, mut streamed): (Vec<Event>, Vec<Event>, Vec<Vec<Option<u64>>>) = Default::default();
        for (key, step, value) in steps {
            let event = (key, newest_us + step, value.map(f64::from));
            newest_us = newest_us.max(event.1);
            let text = key.to_string();
            let mut out = vec![None; engine.width()];
            engine.event(Some(Key::new(&text)), event.1, &[event.2], &mut out);
            all.push(event);
            let of_key = &mut of_keys[key as usize];
            if event.1 >= *of_key {
                *of_key = event.1;
                punctual.push(event);
                streamed.push(out.iter().map(|value| value.map(f64::to_bits)).collect());
            }
        }
        let skipping = |rows: &[Vec<Option<u64>>]| -> Vec<Vec<Option<u64>>> {
            rows.iter().map(|row| row.iter().skip(1).step_by(2).copied().collect()).collect()
        };
        prop_assert_eq!(skipping(&streamed), skipping(&of_table(&group, &punctual)));
        // The others have, in the end, what a table with all events has.
        for key in 0..3 {
            let last = (key, newest_us, Some(1.0));
            let mut out = vec![None; engine.width()];
            engine.event(Some(Key::new(&key.to_string())), last.1, &[last.2], &mut out);
            all.push(last);
            let table = of_table(&group, &all);
            let found: Vec<Option<u64>> = out.iter().step_by(2).map(|value| value.map(f64::to_bits)).collect();
            prop_assert_eq!(Some(found), table.last().map(|row| row.iter().step_by(2).copied().collect()));
        }
    }
}
