//! Simulated transactions as columns; and as a Parquet file, for benchmarks.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray};

use super::simulate::{Simulator, Transaction, World};
use crate::error::Error;

/// Name of the column with the truth.
pub const LABEL: &str = "TX_FRAUD";
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

/// Transactions as a table with the columns of the handbook's own data.
pub fn batch(rows: &[Transaction]) -> Result<RecordBatch, Error> {
    let names = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT"];
    let frauds: ArrayRef = Arc::new(Int8Array::from_iter_values(rows.iter().map(|row| i8::from(row.fraud))));
    let columns = names.into_iter().zip(events(rows)).chain([(LABEL, frauds)]);
    RecordBatch::try_from_iter(columns).map_err(|error| Error::Failed(error.to_string()))
}

/// What a transaction's event says: id, time, customer, terminal, amount.
pub fn events(rows: &[Transaction]) -> [ArrayRef; 5] {
    [
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.time_ms))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.customer))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.terminal))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.amount))),
    ]
}
