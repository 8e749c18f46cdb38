//! Tests of the table module, on real files in temporary directories.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;

use super::{Error, Table, read, read_columns, write};
use crate::layout::ROW_GROUP_ROWS_MAX;

fn sample(rows: usize) -> RecordBatch {
    let n = i64::try_from(rows).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    let amounts: ArrayRef = Arc::new(Float64Array::from_iter((0..n).map(|i| (i % 7 != 0).then_some(i as f64 / 4.0))));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("terminal {}", i % 100))));
    RecordBatch::try_from_iter_with_nullable(vec![("id", ids, false), ("amount", amounts, true), ("name", names, true)])
        .unwrap()
}

fn whole(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&batches[0].schema(), batches).unwrap()
}

#[test]
fn rows_come_back_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let batch = sample(20_000);
    write(&path, batch.schema(), std::slice::from_ref(&batch)).unwrap();
    assert_eq!(whole(&read(&path).unwrap()), batch);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_empty_table_keeps_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let schema = sample(0).schema();
    write(&path, schema.clone(), &[]).unwrap();
    let table = Table::open(&path).unwrap();
    assert_eq!((table.schema(), table.rows()), (schema, 0));
    assert!(table.batches().unwrap().is_empty());
}

#[test]
fn batch_boundaries_do_not_change_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let batch = sample(10_000);
    let mut bytes = Vec::new();
    for step in [10_000, 3_333, 512, 7] {
        let path = dir.path().join(format!("{step}.parquet"));
        let cut: Vec<_> =
            (0..batch.num_rows()).step_by(step).map(|at| batch.slice(at, step.min(batch.num_rows() - at))).collect();
        write(&path, batch.schema(), &cut).unwrap();
        bytes.push(std::fs::read(&path).unwrap());
    }
    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn columns_come_in_the_order_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let batch = sample(100);
    write(&path, batch.schema(), std::slice::from_ref(&batch)).unwrap();
    let got = whole(&read_columns(&path, &["name", "id"]).unwrap());
    assert_eq!(got, batch.project(&[2, 0]).unwrap());
    let table = Table::open(&path).unwrap().select(&["name", "id"]).unwrap();
    assert_eq!(table.schema(), got.schema());
}

#[test]
fn a_scan_visits_every_row_group_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let batch = sample(ROW_GROUP_ROWS_MAX + 10);
    write(&path, batch.schema(), std::slice::from_ref(&batch)).unwrap();
    let table = Table::open(&path).unwrap();
    assert_eq!(table.row_groups(), 2);
    let second: Vec<_> = table.row_group(1).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(whole(&second), batch.slice(ROW_GROUP_ROWS_MAX, 10));
    let scanned: Vec<_> = table.scan().collect::<Result<_, _>>().unwrap();
    assert_eq!(whole(&scanned), batch);
}

#[track_caller]
fn check_error(error: &Error, expected: &[&str]) {
    let text = error.to_string();
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn unreadable_files_are_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nope.parquet");
    check_error(&read(&missing).unwrap_err(), &["no such file", "nope.parquet"]);
    check_error(&read(dir.path()).unwrap_err(), &["directory", "Parquet"]);

    let csv = dir.path().join("rows.csv");
    std::fs::write(&csv, "id,amount\n1,2.5\n2,3.5\n").unwrap();
    check_error(&read(&csv).unwrap_err(), &["rows.csv", "not a complete Parquet", "convert"]);
    let empty = dir.path().join("empty.parquet");
    std::fs::write(&empty, "").unwrap();
    check_error(&read(&empty).unwrap_err(), &["only 0 bytes"]);

    let good = dir.path().join("good.parquet");
    write(&good, sample(0).schema(), &[sample(500)]).unwrap();
    let bytes = std::fs::read(&good).unwrap();
    let cut = dir.path().join("cut.parquet");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    check_error(&read(&cut).unwrap_err(), &["its end is missing"]);
    check_error(&read_columns(&good, &["colour"]).unwrap_err(), &["`colour`", "id, amount, name"]);
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let batch = sample(10);
    write(&path, batch.schema(), std::slice::from_ref(&batch)).unwrap();
    let other = batch.project(&[0]).unwrap();
    assert!(write(&path, batch.schema(), &[other]).is_err());
    assert_eq!(whole(&read(&path).unwrap()), batch);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
