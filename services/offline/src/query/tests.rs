//! What a query fetches, and that files of several schemas are one table.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use registry::store::Store;

use super::Archived;
use crate::archive::{Archive, Outcome, Record, SchemaNote, positioned};

const TOPIC: &str = "t.events.v1";

/// Writes a file of rows from an offset on; with another schema where there are names.
fn file(archive: &Archive, partition: i32, start: i64, amounts: &[f64], names: Option<&[&str]>) {
    let amounts_column: ArrayRef = Arc::new(Float64Array::from(amounts.to_vec()));
    let mut columns = vec![("amount", amounts_column, true)];
    if let Some(names) = names {
        columns.push(("name", Arc::new(StringArray::from(names.to_vec())) as ArrayRef, true));
    }
    let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let offsets = Int64Array::from_iter_values(start..start + amounts.len() as i64);
    let items = Int32Array::new_null(amounts.len());
    let rows = positioned(&rows, offsets, items, amounts.iter().map(|_| 1_000)).unwrap();
    let mut writer = archive.writer(TOPIC, partition, start).unwrap();
    let id = if names.is_some() { 8 } else { 7 };
    let schema = SchemaNote { id: Some(id), digest: format!("s{id}") };
    let next_offset = start + amounts.len() as i64;
    let record = Record { rows: &rows, next_offset, input_bytes: 9, numbers: "", schema: &schema };
    assert_eq!(writer.append(record).unwrap(), Outcome::Kept);
    assert_eq!(writer.flush().unwrap(), Outcome::Kept);
}

/// Two partitions, the first of which has files of two schemas.
fn archive() -> Archive {
    let archive = Archive::new(Store::memory());
    file(&archive, 0, 0, &[1.5, 2.5], None);
    file(&archive, 0, 2, &[3.5], Some(&["a"]));
    file(&archive, 1, 5, &[4.5], Some(&["b"]));
    archive
}

/// What a query gives, a line per row.
fn rows(archive: &Archive, sql: &str) -> Result<Vec<String>, String> {
    let table = Archived::open(archive, TOPIC).unwrap().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let answer = runtime.block_on(async {
        let engine = SessionContext::new();
        engine.register_table("t", Arc::new(table))?;
        engine.sql(sql).await?.collect().await
    });
    let batches = answer.map_err(|error| error.to_string())?;
    let options = FormatOptions::default().with_null("null");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        lines.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" ")),
        );
    }
    Ok(lines)
}

#[track_caller]
fn check(archive: &Archive, sql: &str, expected: &[&str]) {
    assert_eq!(rows(archive, sql).unwrap(), expected, "{sql}");
}

#[test]
fn files_of_all_schemas_are_one_table() {
    let archive = archive();
    check(&archive, "select count(*) from t", &["4"]);
    let all = ["0 0 1.5 null", "0 1 2.5 null", "0 2 3.5 a", "1 5 4.5 b"];
    check(&archive, "select _partition, _offset, amount, name from t order by 1, 2", &all);
    check(&archive, "select _partition, sum(amount) from t group by 1 order by 1", &["0 7.5", "1 4.5"]);
    check(&archive, "select name from t where _offset between 2 and 5 order by 1", &["a", "b"]);
    let table = Archived::open(&archive, TOPIC).unwrap().unwrap();
    assert_eq!((table.rows(), table.files()), (4, 3));
    assert!(Archived::open(&archive, "t.other.v1").unwrap().is_none());
}

/// Overwrites the first column's values, which are the offsets, in the file that begins there.
fn damage(archive: &Archive, partition: i32, start: i64) {
    let key = format!("archive/topic={TOPIC}/partition={partition}/{start:020}.parquet");
    let mut bytes = archive.store().get(&key).unwrap().to_vec();
    bytes[4..24].fill(0xff);
    archive.store().put(&key, &bytes).unwrap();
}

#[test]
fn a_query_fetches_only_its_columns_of_files_that_may_have_its_rows() {
    let archive = archive();
    damage(&archive, 1, 5);
    assert!(rows(&archive, "select _offset from t").is_err(), "what is needed is read");
    check(&archive, "select amount from t where _partition = 1", &["4.5"]);
    check(&archive, "select max(_offset) from t where _partition = 0", &["2"]);
    check(&archive, "select count(_offset) from t where _offset < 5", &["3"]);
    check(&archive, "select count(*) from t", &["4"]);
}
