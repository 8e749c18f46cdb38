//! Rules: CPU time per event of ten rules over decoded batches, alone and with all that is checked besides.
//!
//! `cargo bench -p tests --bench rules`. Target: at most 300 ns an event for the ten rules, in batches. Times are of the
//! process's CPU, the fastest of several rounds over the same events, for other work on the machine only slows.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::compute::cast;
use tests::clock::cpu_ns;
use tests::pipeline::fraud;
use validation::checks::Checks;
use validation::{RuleSet, Source};

const EVENTS: usize = 65_536;
const ROUNDS: usize = 9;
/// 2018-06-22T16:14:18Z.
const TIME_MS: i64 = 1_529_684_058_000;

/// Ten conditions as people write them: bounds, several columns, times, and arithmetic.
const RULES: [&str; 10] = [
    "amount >= 0 and amount < 100000",
    "customer_id >= 0",
    "terminal_id >= 0",
    "transaction_id > 0",
    "amount * 100 = round(amount * 100)",
    "event_time >= timestamp '2018-01-01'",
    "extract(hour from event_time) between 0 and 23",
    "customer_id <> terminal_id or amount < 1000",
    "amount is not null and amount <> 13.37",
    "abs(amount) < 1e9 and customer_id % 7 < 7",
];

fn batch(source: &Source, first: usize, rows: usize) -> RecordBatch {
    let ids = || (first..first + rows).map(|n| n as i64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids().map(|id| id + 1))),
        Arc::new(TimestampMillisecondArray::from_iter_values(ids().map(|id| TIME_MS + id * 9_000))),
        Arc::new(Int32Array::from_iter_values(ids().map(|id| (id % 4_984) as i32))),
        Arc::new(Int32Array::from_iter_values(ids().map(|id| (id * 7 % 10_000) as i32 + 5_000))),
        Arc::new(Float64Array::from_iter_values(ids().map(|id| (id % 13) as f64 / 4.0))),
    ];
    let fields = source.schema().fields().iter();
    let columns = columns.iter().zip(fields).map(|(column, field)| cast(column, field.data_type()).unwrap());
    RecordBatch::try_new(source.schema().clone(), columns.collect()).unwrap()
}

/// CPU time per event of the fastest round.
fn measure(source: &Source, rules: &[&str], policy: &str, rows: usize) -> f64 {
    let declared: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(at, check)| format!("      r{at}: {{ check: \"{check}\"{policy} }}\n"))
        .collect();
    let rule = "      amount_in_range: { check: amount >= 0 and amount < 100000, on_fail: reject }\n";
    let pipeline = match declared.is_empty() {
        true => fraud(&[("    rules:                         # SQL", "#"), (rule, "")]),
        false => fraud(&[(rule, &declared.concat())]),
    };
    let checks = Checks::compile(source, &RuleSet::of_events(&pipeline)).unwrap();
    let batches: Vec<RecordBatch> = (0..EVENTS).step_by(rows).map(|first| batch(source, first, rows)).collect();
    let appended = vec![TIME_MS + 10 * EVENTS as i64 * 1_000; rows];
    let round = || {
        let start = cpu_ns();
        for batch in &batches {
            let judged = checks.judge(batch, &appended);
            assert!(judged.faults.is_empty(), "{:?}", judged.faults.into_reasons().first());
            black_box(judged.findings.is_empty());
        }
        (cpu_ns() - start) as f64 / EVENTS as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn main() {
    let source = Source::events(&fraud(&[])).unwrap();
    println!("{EVENTS} events of the fraud pipeline, fastest of {ROUNDS} rounds, ns of CPU an event");
    println!("{:>6} {:>12} {:>12} {:>12} {:>18}", "batch", "no rules", "ten rules", "the ten", "ten, on_fail: flag");
    for rows in [1, 16, 256, 1_024, 4_096] {
        let [none, ten] = [&[][..], &RULES[..]].map(|rules| measure(&source, rules, "", rows));
        let flagged = measure(&source, &RULES, ", on_fail: flag", rows);
        println!("{rows:>6} {none:>12.1} {ten:>12.1} {:>12.1} {flagged:>18.1}", ten - none);
    }
}
