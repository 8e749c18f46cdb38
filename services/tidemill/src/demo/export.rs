//! `tidemill demo --export`: the demo's transactions as a file that anybody can publish, for those who have none.

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::json;

use super::simulate::Simulator;
use super::table::batch;
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
    let table = batch(&rows)?;
    offline::table::write(file, table.schema(), std::slice::from_ref(&table))?;
    let frauds = rows.iter().filter(|row| row.fraud).count();
    let (first, last, count) = (days.start(), days.end(), rows.len());
    output.show(
        || format!("{count} transactions of days {first} to {last}, {frauds} of them fraud, in {}", file.display()),
        || json!({ "file": file.display().to_string(), "days": [first, last], "rows": count, "frauds": frauds }),
    )
}
