//! `tidemill demo --export`: the demo's transactions as a file that anybody can publish, for those who have none.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use serde_json::json;

use super::simulate::{Simulator, Transaction};
use super::{WORLD, scripted_day};
use crate::error::Error;
use crate::output::Output;

/// Writes the days of the demo's script, counted from 1.
pub fn run(output: Output, file: &Path, days: &RangeInclusive<u32>) -> Result<(), Error> {
    let mut simulator = Simulator::new(WORLD);
    let mut rows = Vec::new();
    while simulator.day() < *days.end() {
        let day = scripted_day(&mut simulator);
        // Days before the first are simulated too: what they do to cards and terminals goes on.
        if simulator.day() >= *days.start() {
            rows.extend(day);
        }
    }
    let table = table(&rows)?;
    offline::table::write(file, table.schema(), std::slice::from_ref(&table))?;
    let frauds = rows.iter().filter(|row| row.fraud).count();
    let (first, last, count) = (days.start(), days.end(), rows.len());
    output.show(
        || format!("{count} transactions of days {first} to {last}, {frauds} of them fraud, in {}", file.display()),
        || json!({ "file": file.display().to_string(), "days": [first, last], "rows": count, "frauds": frauds }),
    )
}

/// The columns of the handbook's own data.
fn table(rows: &[Transaction]) -> Result<RecordBatch, Error> {
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.time_ms));
    let columns: [(&str, ArrayRef); 6] = [
        ("TRANSACTION_ID", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id)))),
        ("TX_DATETIME", Arc::new(times)),
        ("CUSTOMER_ID", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.customer)))),
        ("TERMINAL_ID", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.terminal)))),
        ("TX_AMOUNT", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.amount)))),
        ("TX_FRAUD", Arc::new(Int8Array::from_iter_values(rows.iter().map(|row| i8::from(row.fraud))))),
    ];
    RecordBatch::try_from_iter(columns).map_err(|error| Error::Failed(error.to_string()))
}
