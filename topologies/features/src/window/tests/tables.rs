//! Cases worked out by hand.

mod aggregates;
mod late;
mod state;
mod sums;
mod windows;

use super::{Engine, event, group};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Applies events (time, value of `a`) of one key and checks the one feature of each.
#[track_caller]
fn check(windows: &[&str], delay: &str, aggregate: &str, rows: &[(i64, Option<f64>, Option<f64>)]) {
    let group = group(windows, delay, &[("f", aggregate)]);
    let mut engine = Engine::new(&group, 100);
    for (number, (time_us, value, expected)) in rows.iter().enumerate() {
        let values: Vec<Option<f64>> = group.inputs().iter().map(|_| *value).collect();
        let found = event(&mut engine, 0, *time_us, &values)[0];
        let same = found.map(f64::to_bits) == expected.map(f64::to_bits);
        assert!(same, "row {number} at {time_us}: {found:?}, expected {expected:?}");
    }
}
