//! From tables to rows.
#![allow(clippy::unwrap_used)]

use super::*;
use arrow::array::{Float64Array, Int8Array, Int32Array, Int64Array, StringArray, TimestampMillisecondArray};
use std::sync::Arc;

fn columns() -> Columns {
    let name = |n: &str| n.to_owned();
    Columns { inputs: vec![name("x"), name("n")], label: name("y"), time: name("t"), id: name("id"), entity: name("e") }
}

fn batch(label: Vec<Option<i8>>) -> RecordBatch {
    let parts: [(&str, ArrayRef); 6] = [
        ("y", Arc::new(Int8Array::from(label))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("n", Arc::new(Int32Array::from(vec![7, -1]))),
        ("t", Arc::new(TimestampMillisecondArray::from(vec![1, 2]))),
        ("id", Arc::new(Int64Array::from(vec![10, 11]))),
        ("e", Arc::new(StringArray::from(vec!["a", "b"]))),
    ];
    RecordBatch::try_from_iter(parts).unwrap()
}

#[test]
fn columns_of_many_types_become_rows() {
    let data = Dataset::from_batches(&[batch(vec![Some(1), Some(0)])], &columns()).unwrap();
    assert_eq!((data.row(0), &data.row(1)[1..]), (&[0.1_f32, 7.0][..], &[-1.0_f32][..]));
    assert!(data.row(1)[0].is_nan());
    assert_eq!((&data.label, &data.time_us), (&vec![1.0, 0.0], &vec![1000, 2000]));
    assert_eq!((data.id.join(" "), data.entity.join(" ")), ("10 11".into(), "a b".into()));
}

#[test]
fn unusable_tables_are_refused() {
    let error = |columns: Columns, label| Dataset::from_batches(&[batch(label)], &columns).unwrap_err().to_string();
    let good = vec![Some(1), Some(0)];
    assert_eq!(error(columns(), vec![Some(1), None]), "column y has 1 nulls, none are allowed");
    assert_eq!(
        error(Columns { time: "x".into(), ..columns() }, good.clone()),
        "column x has 1 nulls, none are allowed"
    );
    assert_eq!(error(Columns { id: "gone".into(), ..columns() }, good.clone()), "column gone is missing");
    assert_eq!(error(Columns { label: "e".into(), ..columns() }, good), "column e has 2 nulls, none are allowed");
}
