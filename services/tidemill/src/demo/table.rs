//! Simulated transactions as a Parquet file, for benchmarks.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray,
};

use super::simulate::{Simulator, Transaction, World};
use crate::error::Error;

/// Name of the column with the truth.
pub const LABEL: &str = "is_fraud";
/// As many customers, terminals and transactions a day as in the handbook's own data.
const WORLD: World = World {
    customers: 5_000,
    terminals: 10_000,
    terminals_compromised: 2,
    cards_stolen: 3,
    first_day: 20_094,
    seed: 11,
};

/// Writes that many transactions, in time order.
pub fn write(file: &Path, count: u64) -> Result<(), Error> {
    let mut simulator = Simulator::new(WORLD);
    let (mut batches, mut left) = (Vec::new(), usize::try_from(count).unwrap_or(usize::MAX));
    while left > 0 {
        let mut day = simulator.next_day();
        day.truncate(left);
        left -= day.len();
        batches.push(batch(&day)?);
    }
    let Some(schema) = batches.first().map(RecordBatch::schema) else { return Ok(()) };
    Ok(offline::table::write(file, schema, &batches)?)
}

fn batch(rows: &[Transaction]) -> Result<RecordBatch, Error> {
    let columns: [(&str, ArrayRef); 6] = [
        ("transaction_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id)))),
        ("event_time", Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.time_ms)))),
        ("customer_id", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.customer)))),
        ("terminal_id", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.terminal)))),
        ("amount", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.amount)))),
        (LABEL, Arc::new(rows.iter().map(|row| Some(row.fraud)).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter(columns).map_err(|error| Error::Failed(error.to_string()))
}
