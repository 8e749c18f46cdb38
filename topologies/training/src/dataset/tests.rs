//! From tables to rows.
#![allow(clippy::unwrap_used)]

use super::*;
use arrow::array::{Float64Array, Int8Array, Int32Array, Int64Array, StringArray, TimestampMillisecondArray};
use std::sync::Arc;

fn columns() -> Columns {
    let name = |n: &str| n.to_owned();
    Columns {
        inputs: vec![name("x"), name("n")],
        categories: Vec::new(),
        label: name("y"),
        time: name("t"),
        id: name("id"),
        entity: name("e"),
    }
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

#[test]
fn categories_of_any_type_become_the_slots_of_their_texts() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("7"), None]));
    let with_texts = RecordBatch::try_from_iter(batch(vec![Some(1), Some(0)]).schema().fields().iter().map(|field| {
        let column = if field.name() == "n" {
            texts.clone()
        } else {
            batch(vec![Some(1), Some(0)])[field.name().as_str()].clone()
        };
        (field.name().clone(), column)
    }))
    .unwrap();
    let columns = Columns { categories: vec!["n".into()], ..columns() };
    let data = Dataset::from_batches(&[batch(vec![Some(1), Some(0)]), with_texts], &columns).unwrap();
    let category = &data.categories[0];
    let found: Vec<_> = (0..category.len()).map(|row| category.text(row)).collect();
    assert_eq!((category.input, found), (1, vec![Some("7"), Some("-1"), Some("7"), None]));
    let words = Vocabulary::new("n", vec!["7".into()]).unwrap();
    let cells = data.cells(&[words]).unwrap();
    assert_eq!([cells[1], cells[3], cells[5]], [2.0, 1.0, 2.0]);
    assert!(cells[7].is_nan() && (cells[0], cells[4]) == (0.1, 0.1));
    let other = data.cells(&[Vocabulary::new("x", Vec::new()).unwrap()]).unwrap_err().to_string();
    assert_eq!(other, "the categories of the dataset are n, expected x; build it again");
    let none: [Vocabulary; 0] = [];
    assert!(data.cells(&none).unwrap_err().to_string().contains("are n, expected none"));
    let picked = data.select(&[3, 0]);
    assert_eq!([0, 1].map(|row| picked.categories[0].text(row)), [None, Some("7")]);
    let mut changed = data.clone();
    changed.categories[0] = Category::new(1, [Some("7"), Some("-1"), Some("7"), Some("")]);
    assert_ne!(changed.digest(), data.digest(), "null and an empty text differ");
    let of_time = Columns { inputs: vec!["t".into()], categories: vec!["t".into()], ..columns };
    let error = Dataset::from_batches(&[batch(vec![Some(1), Some(0)])], &of_time).unwrap_err().to_string();
    assert!(error.starts_with("column t is Timestamp") && error.contains("cannot be a category"), "{error}");
}
