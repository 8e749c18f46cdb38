#![allow(clippy::unwrap_used)]

//! Order of rows, labels, chains, and what is refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};

use super::{Error, Labels, Table, compute};
use crate::spec::{Declaration, Group, Scope};

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
