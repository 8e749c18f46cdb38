//! Tensors as columns.
#![allow(clippy::unwrap_used)]

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use serde_json::{Value, json};

use super::tensor::{ROWS_MAX, columns};

fn inputs() -> Vec<String> {
    vec!["amount".to_owned(), "count".to_owned()]
}

fn read(tensors: Value) -> Result<arrow::array::RecordBatch, String> {
    columns(serde_json::from_value(tensors).unwrap(), &inputs())
}

#[test]
fn tensors_by_name_and_a_matrix_are_the_same_rows() {
    let amount = json!({ "name": "amount", "datatype": "FP64", "shape": [2, 1], "data": [[0.5], [2]] });
    let count = json!({ "name": "count", "datatype": "FP32", "shape": [2], "data": [1, null] });
    let named = read(json!([count, amount])).unwrap();
    let flat = json!({ "name": "rows", "datatype": "FP64", "shape": [2, 2], "data": [0.5, 1, 2, null] });
    let nested = json!({ "name": "rows", "datatype": "FP64", "shape": [2, 2], "data": [[0.5, 1], [2, null]] });
    assert_eq!(read(json!([flat])).unwrap(), named);
    assert_eq!(read(json!([nested])).unwrap(), named);
    assert_eq!(named.column(0).as_primitive::<Float64Type>().values(), &[0.5, 2.0]);
    assert!(named.column(1).is_null(1), "null is a value that is missing");
}

#[track_caller]
fn check(tensors: Value, said: &str) {
    let error = read(tensors).unwrap_err();
    assert!(error.contains(said), "{error}");
}

#[test]
fn tensors_that_do_not_fit_say_why() {
    let amount = json!({ "name": "amount", "datatype": "FP64", "shape": [1], "data": [0.5] });
    let with = |name: &str, datatype: &str, shape: Value, data: Value| json!([amount, { "name": name, "datatype": datatype, "shape": shape, "data": data }]);
    check(json!([amount]), "input `count` is missing");
    check(json!([amount, amount]), "input `amount` is there twice");
    check(with("cuont", "FP64", json!([1]), json!([1])), "did you mean `count`?");
    check(with("colour", "FP64", json!([1]), json!([1])), "the model reads amount, count");
    check(with("count", "FP64", json!([2]), json!([1])), "has the shape [2] and 1 values");
    check(with("count", "FP64", json!([2]), json!([1, 2])), "has 1 rows, and another one has 2");
    check(with("count", "FP64", json!([1, 2]), json!([1, 2])), "write [rows] or [rows, 1]");
    check(with("count", "INT64", json!([1]), json!([1.5])), "value 0 of tensor `count` is 1.5, no INT64");
    check(with("count", "STRING", json!([1]), json!(["a"])), "which the protocol lacks");
    check(json!([{ "name": "x", "datatype": "FP64", "shape": [0, 2], "data": [] }]), "no rows");
    check(json!([{ "name": "x", "datatype": "FP64", "shape": [usize::MAX, 2], "data": [] }]), "0 values");
    let many =
        json!({ "name": "x", "datatype": "FP64", "shape": [ROWS_MAX + 1, 2], "data": vec![0; 2 * ROWS_MAX + 2] });
    check(json!([many]), "at most 10000");
}
