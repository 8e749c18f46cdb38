//! Features of a key at its present, read off the running aggregates.

use super::output::{Finish, Output, Value};
use super::plan::{EVENTS, Plan};
use super::states::States;

/// Microseconds of a second.
pub(super) const SECOND_US: f64 = 1e6;

/// Writes the features that must not see the current event. Called before it enters the windows.
pub(super) fn read_windowless(plan: &Plan, states: &mut States, id: u32, time_us: i64, out: &mut [Option<f64>]) {
    for (output, place) in plan.outputs.iter().zip(out) {
        let value = match output.value {
            Value::TimeSinceLast => {
                let newest_us = states.view(plan, id, EVENTS).newest_us();
                newest_us.map(|newest_us| seconds_between(newest_us, time_us))
            }
            Value::SinceLast { series, column } => {
                let newest_us = states.view(plan, id, series).last_us(column);
                newest_us.map(|newest_us| seconds_between(newest_us, time_us))
            }
            Value::Last { series, column } => states.view(plan, id, series).last(column),
            _ => continue,
        };
        *place = value.or(output.default);
    }
}

/// Writes all other features.
#[inline]
pub(super) fn read_windowed(plan: &Plan, states: &States, id: u32, out: &mut [Option<f64>]) {
    let id = id as usize;
    let cursors = &states.cursors[id * plan.cursors..(id + 1) * plan.cursors];
    let sums = &states.sums[id * plan.sums..(id + 1) * plan.sums];
    let tally_of =
        |series: usize, tally: usize| &states.tallies[id * plan.tallies + plan.series[series].tallies_at + tally];
    let read = |value: Value| match value {
        Value::TimeSinceLast | Value::SinceLast { .. } | Value::Last { .. } => None,
        // The events' cursors are the key's first.
        Value::Events { window } => Some(f64::from(cursors[0].wrapping_sub(cursors[1 + window]))),
        Value::Count { sum, .. } => Some(f64::from(sums[sum].count)),
        Value::Sum { sum, .. } => sums[sum].sum(&states.wides),
        Value::Avg { sum, .. } => sums[sum].avg(&states.wides),
        Value::Stddev { sum, square, .. } => {
            sums[sum].stddev(&states.squares[id * plan.squares + square], &states.wides)
        }
        Value::Extreme { series, column, chain, window } => {
            let (layout, ring) = (&plan.series[series], &states.keys.heads[id].rings[series]);
            let cursors = &cursors[layout.cursors_at..];
            layout.columns[column].chains[chain].get(ring, layout.stride, cursors, window, cursors[1 + window])
        }
        Value::Distinct { series, tally, window, .. } => Some(f64::from(tally_of(series, tally).distinct(window))),
        Value::MostFrequent { series, tally, window, .. } => tally_of(series, tally).mode(window),
        Value::Quantile { series, sketch, pointer, window, .. } => {
            states.sketches[id * plan.sketches + plan.series[series].sketches_at + sketch].get(window, pointer)
        }
        Value::Fade { series, fade } => faded(plan, states, id, series, fade),
        Value::FadeAvg { series, sum, count } => {
            quotient(faded(plan, states, id, series, sum), faded(plan, states, id, series, count))
        }
    };
    for (output, place) in plan.outputs.iter().zip(out) {
        if !output.value.windowless() {
            *place = output.finish(read);
        }
    }
}

/// A sum with weights at the key's present.
fn faded(plan: &Plan, states: &States, id: usize, series: usize, fade: usize) -> Option<f64> {
    let layout = &plan.series[series];
    let upper_us = states.keys.heads[id].now_us.saturating_sub(plan.delay_us);
    let fade = &layout.fades[fade];
    let from = id * plan.sums + layout.sums_at + fade.sums;
    fade.value(&states.sums[from..], upper_us, &states.wides)
}

impl Output {
    /// The feature, of values that `read` gives.
    #[inline]
    pub(super) fn finish(&self, mut read: impl FnMut(Value) -> Option<f64>) -> Option<f64> {
        let value = read(self.value);
        let value = match self.finish {
            Finish::Plain => value,
            Finish::PerSecond(seconds) => value.map(|value| value / seconds),
            Finish::Over(below, lengths) => quotient(value, read(below)).map(|ratio| ratio * lengths),
        };
        value.or(self.default)
    }
}

/// One value over another: null where one is missing, or where it would be divided by zero.
pub(super) fn quotient(above: Option<f64>, below: Option<f64>) -> Option<f64> {
    let below = below.filter(|below| *below != 0.0)?;
    Some(above? / below)
}

/// Whole distance between two times as seconds.
pub(super) fn seconds_between(earlier_us: i64, later_us: i64) -> f64 {
    (i128::from(later_us) - i128::from(earlier_us)) as f64 / SECOND_US
}
