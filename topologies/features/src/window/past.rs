//! Features of a key at a time behind its present, for late events.
//!
//! The windows are found by search, and their sums by mending a copy of the running ones at the edges, which costs what
//! lies between the two times rather than the window. Sums are exact and extremes depend on the values alone, so the
//! bits are those that the event would have got in order, as far as the state still reaches.

use super::extreme::dominates;
use super::fade::BLOCKS;
use super::output::Value;
use super::plan::{EVENTS, Plan};
use super::present::{quotient, seconds_between};
use super::ring::behind;
use super::series::{View, decode};
use super::sketch::{bucket, middle, rank};
use super::states::States;
use super::sum::{Square, Sum};
use super::tally::word;

/// Where the windows of one series were at a past time.
struct Reach {
    lows: Vec<u32>,
    high: u32,
    /// Where they end.
    upper_us: i64,
    /// End of what `last` and `time_since_last` may see: the current event is not in it.
    before: u32,
}

/// Writes the features of a late event at `time_us`, already inserted as entry number `current` unless the group keeps
/// no events.
pub(super) fn read(
    plan: &Plan,
    states: &mut States,
    id: u32,
    time_us: i64,
    current: Option<u32>,
    out: &mut [Option<f64>],
) {
    let upper_us = time_us.saturating_sub(plan.delay_us);
    let reaches: Vec<Option<Reach>> = (0..plan.series.len())
        .map(|series| {
            let current = current.filter(|_| series == EVENTS && plan.delay_us == 0);
            plan.keeps(series).then(|| reach(&states.view(plan, id, series), upper_us, current))
        })
        .collect();
    for (output, place) in plan.outputs.iter().zip(out) {
        let Some(reach) = &reaches[output.value.series()] else {
            continue;
        };
        let mut view = states.view(plan, id, output.value.series());
        *place = output.finish(|value| value_at(&mut view, reach, value, time_us));
    }
}

fn reach(view: &View<'_>, upper_us: i64, current: Option<u32>) -> Reach {
    let stride = view.series.stride;
    let after = |time_us| view.ring.first_after(time_us, stride);
    let lows = view.plan.windows_us.iter().map(|length_us| after(upper_us.saturating_sub(*length_us))).collect();
    let high = after(upper_us);
    Reach { lows, high, upper_us, before: current.unwrap_or(high) }
}

fn value_at(view: &mut View<'_>, reach: &Reach, value: Value, time_us: i64) -> Option<f64> {
    let oldest = reach.lows[view.plan.longest];
    match value {
        Value::Events { window } => Some(f64::from(reach.high.wrapping_sub(reach.lows[window]))),
        Value::TimeSinceLast => {
            let newest = reach.before.wrapping_sub(1);
            (!behind(newest, oldest)).then(|| seconds_between(view.time_us(newest), time_us))
        }
        Value::SinceLast { column, .. } => {
            let newest = newest_of(view, column, oldest, reach.before);
            newest.map(|newest| seconds_between(view.time_us(newest), time_us))
        }
        Value::Last { column, .. } => {
            newest_of(view, column, oldest, reach.before).and_then(|newest| stored(view, column, newest))
        }
        Value::Extreme { column, chain, window, .. } => {
            let pick = view.series.columns[column].chains[chain].pick;
            let values = sequence(reach.lows[window], reach.high).filter_map(|seq| stored(view, column, seq));
            values.reduce(|old, new| if dominates(new, old, pick) { new } else { old })
        }
        Value::Distinct { column, window, .. } => Some(frequencies(view, reach, column, window).len() as f64),
        Value::MostFrequent { column, window, .. } => {
            let found = frequencies(view, reach, column, window);
            // Of several the first one: values ascend.
            let best = found.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
            best.map(|(value, _)| value)
        }
        Value::Quantile { column, sketch, pointer, window, .. } => {
            let millionths = view.series.sketched[sketch].millionths[pointer];
            let values = sequence(reach.lows[window], reach.high).filter_map(|seq| stored(view, column, seq));
            let mut buckets: Vec<Option<i32>> = values.map(bucket).collect();
            // NaN has none and comes first.
            buckets.sort_unstable();
            if buckets.first().is_some_and(Option::is_none) {
                return Some(f64::NAN);
            }
            let rank = rank(millionths, buckets.len() as u64) as usize;
            buckets.get(rank).copied().flatten().map(middle)
        }
        Value::Fade { fade, .. } => faded(view, reach, fade),
        Value::FadeAvg { sum, count, .. } => quotient(faded(view, reach, sum), faded(view, reach, count)),
        Value::Count { sum, .. } => with_sum(view, reach, sum, |sum, _, _| Some(f64::from(sum.count))),
        Value::Sum { sum, .. } => with_sum(view, reach, sum, |sum, _, view| sum.sum(view.wides)),
        Value::Avg { sum, .. } => with_sum(view, reach, sum, |sum, _, view| sum.avg(view.wides)),
        Value::Stddev { sum, .. } => with_sum(view, reach, sum, |sum, square, view| sum.stddev(square, view.wides)),
    }
}

/// Hands the sum of a past window to `read`; `sum` is its place among all of the key's.
fn with_sum(
    view: &mut View<'_>,
    reach: &Reach,
    sum: usize,
    read: impl FnOnce(&Sum, &Square, &View<'_>) -> Option<f64>,
) -> Option<f64> {
    let (series, windows) = (view.series, view.plan.windows_us.len());
    let sum = sum - series.sums_at;
    let (window, at) = (sum % windows, sum - sum % windows);
    let (index, column) = series.columns.iter().enumerate().find(|(_, column)| column.sums == Some(at))?;
    let (low, high) = (reach.lows[window], reach.high);
    let (now_low, now_high) = (view.low(window), view.high());
    let difference = now_low.wrapping_sub(low).saturating_add(now_high.wrapping_sub(high));
    let squares = column.squares.map(|squares| squares + window);
    let (mut sum, mut square) = (Sum::default(), Square::default());
    let running = view.sums[at + window];
    let mend = running.wide == 0 && behind(now_low, high) && difference < high.wrapping_sub(low);
    let (added, removed) = if mend {
        (sum, square) = (running, squares.map_or(square, |squares| view.squares[squares]));
        ((low, now_low), (high, now_high))
    } else {
        ((low, high), (high, high))
    };
    for seq in sequence(added.0, added.1) {
        if let Some(value) = stored(view, index, seq) {
            sum.add(squares.map(|_| &mut square), value, view.wides);
        }
    }
    for seq in sequence(removed.0, removed.1) {
        if let Some(value) = stored(view, index, seq) {
            sum.remove(squares.map(|_| &mut square), value, view.wides);
        }
    }
    let result = read(&sum, &square, view);
    sum.clear(Some(&mut square), view.wides);
    result
}

/// The values of a past window, ascending, each with how often it is there.
fn frequencies(view: &View<'_>, reach: &Reach, column: usize, window: usize) -> Vec<(f64, u32)> {
    let values = sequence(reach.lows[window], reach.high).filter_map(|seq| stored(view, column, seq));
    let mut values: Vec<f64> = values.map(|value| f64::from_bits(word(value))).collect();
    values.sort_unstable_by(f64::total_cmp);
    let same = values.chunk_by(|left, right| left.to_bits() == right.to_bits());
    same.map(|same| (same[0], same.len() as u32)).collect()
}

/// A sum with weights at a past time.
fn faded(view: &mut View<'_>, reach: &Reach, fade: usize) -> Option<f64> {
    let (fade, stride) = (&view.series.fades[fade], view.series.stride);
    let low = view.ring.first_after(reach.upper_us.saturating_sub(fade.length_us), stride);
    let mut sums = [Sum::default(); BLOCKS];
    for seq in sequence(low, reach.high) {
        fade.add(view.ring.entry(seq, stride), &mut sums, view.wides);
    }
    let value = fade.value(&sums, reach.upper_us, view.wides);
    sums.iter_mut().for_each(|sum| sum.clear(None, view.wides));
    value
}

/// The newest entry before `end` with a value in a column.
fn newest_of(view: &View<'_>, column: usize, oldest: u32, end: u32) -> Option<u32> {
    sequence(oldest, end).rev().find(|seq| stored(view, column, *seq).is_some())
}

fn stored(view: &View<'_>, column: usize, seq: u32) -> Option<f64> {
    decode(view.ring.entry(seq, view.series.stride)[1 + column])
}

/// The numbers from `begin` to before `end`, across the wrap.
fn sequence(begin: u32, end: u32) -> impl DoubleEndedIterator<Item = u32> {
    (0..end.wrapping_sub(begin)).map(move |offset| begin.wrapping_add(offset))
}
