//! The engine's meaning in the plainest words: keep every row, look at all of them for every feature.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::spec::{Decayed, Function, Group, Source, Statistic};

#[derive(Default, Clone)]
struct State {
    now_us: Option<i64>,
    events: Vec<Event>,
    labels: Vec<(i64, Option<f64>)>,
}

#[derive(Clone)]
struct Event {
    time_us: i64,
    values: Vec<Option<f64>>,
    /// Whether it came behind another one of its key.
    is_late: bool,
}

/// What a feature should be.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    pub value: Option<f64>,
    /// Whether all values in its windows are finite: if they are, what is not finite left the range on the way.
    pub of_finite: bool,
}

pub struct Model {
    group: Group,
    keep_us: i64,
    clocks_us: BTreeMap<u64, i64>,
    states: BTreeMap<(u64, String), State>,
}

impl Model {
    pub fn new(group: &Group, retention_us: i64) -> Model {
        let keep_us = group.span_us() + retention_us;
        Model { group: group.clone(), keep_us, clocks_us: BTreeMap::new(), states: BTreeMap::new() }
    }

    /// State of a key that has not expired.
    fn state(&mut self, key: &(u64, String)) -> &mut State {
        let clock_us = self.clocks_us.get(&(key.0 >> 56));
        let state = self.states.entry(key.clone()).or_default();
        if let (Some(now_us), Some(clock_us)) = (state.now_us, clock_us)
            && now_us <= clock_us - self.keep_us
        {
            *state = State::default();
        }
        state
    }

    pub fn event(&mut self, key: &(u64, String), time_us: i64, values: &[Option<f64>]) -> Vec<Expected> {
        let clock_us = self.clocks_us.entry(key.0 >> 56).or_insert(i64::MIN);
        *clock_us = time_us.max(*clock_us);
        let (group, keep_us) = (self.group.clone(), self.keep_us);
        let state = self.state(key);
        let before = state.clone();
        let is_late = state.now_us.is_some_and(|now_us| time_us < now_us);
        let at = state.events.partition_point(|event| event.time_us <= time_us);
        state.events.insert(at, Event { time_us, values: values.to_vec(), is_late });
        // What an aggregate sees that skips late events.
        let punctual = [before.punctual(), state.punctual()];
        let features = group
            .outputs()
            .iter()
            .map(|output| {
                let aggregate = &group.aggregates()[output.aggregate];
                let seen = if aggregate.skips_late { (&punctual[0], &punctual[1]) } else { (&before, &*state) };
                let longest_us = group.windows().iter().map(|window| window.length_us).max().unwrap();
                let length_of = |window: usize| group.windows()[window].length_us;
                let upper_us = time_us - group.delay_us();
                let of_finite = Cell::new(true);
                let of = |length_us: i64| {
                    let inside = |other_us: i64| other_us > upper_us - length_us && other_us <= upper_us;
                    if let Function::Of(_, source) = aggregate.function {
                        let rows = rows_of(source, &seen.1.events, &seen.1.labels, inside);
                        of_finite.set(of_finite.get() && rows.iter().all(|(_, value)| value.is_finite()));
                    }
                    let value = value_of(aggregate.function, seen, time_us, upper_us, inside);
                    if aggregate.per_second { value.map(|value| value / (length_us as f64 / 1e6)) } else { value }
                };
                let value = match aggregate.ratio {
                    Some((above, below)) => match (of(length_of(above)), of(length_of(below))) {
                        (Some(above), Some(below)) if below != 0.0 => Some(above / below),
                        _ => None,
                    },
                    None => of(output.window.map_or(longest_us, length_of)),
                };
                Expected { value: value.or(aggregate.default), of_finite: of_finite.get() }
            })
            .collect();
        let now_us = state.now_us.map_or(time_us, |now_us| now_us.max(time_us));
        state.forget(now_us, keep_us);
        features
    }

    pub fn label(&mut self, key: &(u64, String), time_us: i64, value: f64) {
        if !self.group.reads_label() {
            return;
        }
        let keep_us = self.keep_us;
        let state = self.state(key);
        let at = state.labels.partition_point(|(other_us, _)| *other_us <= time_us);
        state.labels.insert(at, (time_us, Some(value)));
        let now_us = state.now_us.map_or(time_us, |now_us| now_us.max(time_us));
        state.forget(now_us, keep_us);
    }
}

impl State {
    fn punctual(&self) -> State {
        let events = self.events.iter().filter(|event| !event.is_late).cloned().collect();
        State { events, ..self.clone() }
    }

    fn forget(&mut self, now_us: i64, keep_us: i64) {
        self.now_us = Some(now_us);
        self.events.retain(|event| event.time_us > now_us - keep_us);
        self.labels.retain(|(time_us, _)| *time_us > now_us - keep_us);
    }
}

/// A function of the rows of a window, before and with the current event, at `time_us`.
fn value_of(
    function: Function,
    (before, state): (&State, &State),
    time_us: i64,
    upper_us: i64,
    inside: impl Fn(i64) -> bool,
) -> Option<f64> {
    let (statistic, source) = match function {
        Function::Count => return Some(state.events.iter().filter(|event| inside(event.time_us)).count() as f64),
        Function::TimeSinceLast => {
            let mut times = before.events.iter().map(|event| event.time_us).filter(|other_us| inside(*other_us));
            return times.next_back().map(|last_us| (time_us - last_us) as f64 / 1e6);
        }
        Function::DecayedCount { half_life_us } => {
            let times = state.events.iter().map(|event| event.time_us).filter(|other_us| inside(*other_us));
            let rows: Vec<(i64, f64)> = times.map(|other_us| (other_us, 1.0)).collect();
            return decayed(Decayed::Count, half_life_us, upper_us, &rows);
        }
        Function::Of(statistic, source) => (statistic, source),
    };
    let events = if statistic == Statistic::Last { &before.events } else { &state.events };
    let rows = rows_of(source, events, &state.labels, inside);
    if let Statistic::Decayed(statistic, half_life_us) = statistic {
        return decayed(statistic, half_life_us, upper_us, &rows);
    }
    statistic_of(statistic, &rows.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

/// Times and values of a window.
fn rows_of(
    source: Source,
    events: &[Event],
    labels: &[(i64, Option<f64>)],
    inside: impl Fn(i64) -> bool,
) -> Vec<(i64, f64)> {
    let rows: Vec<(i64, f64)> = match source {
        Source::Column(column) => {
            events.iter().filter_map(|event| Some((event.time_us, event.values[column]?))).collect()
        }
        Source::Label => labels.iter().filter_map(|(other_us, value)| Some((*other_us, (*value)?))).collect(),
    };
    rows.into_iter().filter(|(other_us, _)| inside(*other_us)).collect()
}

/// Weights as the definition has them: half after each half-life, for 32 of them.
fn decayed(statistic: Decayed, half_life_us: i64, upper_us: i64, rows: &[(i64, f64)]) -> Option<f64> {
    let near = rows.iter().filter(|(time_us, _)| *time_us > upper_us - 32 * half_life_us);
    let weighed: Vec<(f64, f64)> = near
        .map(|(time_us, value)| (2_f64.powf((time_us - upper_us) as f64 / half_life_us as f64), *value))
        .map(|(weight, value)| (weight, weight * value))
        .collect();
    let count = exact_sum(&weighed.iter().map(|(weight, _)| *weight).collect::<Vec<_>>());
    let sum = exact_sum(&weighed.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    match statistic {
        Decayed::Count => Some(count),
        _ if weighed.is_empty() => None,
        Decayed::Sum => Some(sum),
        Decayed::Avg => Some(sum / count),
    }
}

pub fn statistic_of(statistic: Statistic, values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let nan = values.iter().any(|value| value.is_nan());
    match statistic {
        Statistic::Count => Some(n),
        Statistic::Last => values.last().copied(),
        Statistic::First => values.first().copied(),
        Statistic::Distinct => Some(frequencies(values).len() as f64),
        Statistic::Decayed(..) => unreachable!(),
        _ if values.is_empty() => None,
        Statistic::MostFrequent => {
            let found = frequencies(values);
            let most = found.iter().map(|(_, count)| *count).max()?;
            found.iter().find(|(_, count)| *count == most).map(|(value, _)| *value)
        }
        Statistic::Quantile(_) if nan => Some(f64::NAN),
        Statistic::Quantile(millionths) => {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = u128::from(millionths) * (sorted.len().max(1) as u128 - 1) / 1_000_000;
            sorted.get(rank as usize).copied()
        }
        Statistic::Stddev if values.len() < 2 => None,
        Statistic::Stddev if values.iter().any(|value| !value.is_finite()) => Some(f64::NAN),
        _ if nan => Some(f64::NAN),
        Statistic::Min => values.iter().copied().min_by(f64::total_cmp),
        Statistic::Max => values.iter().copied().max_by(f64::total_cmp),
        Statistic::Sum => Some(exact_sum(values)),
        Statistic::Avg => Some(exact_sum(values) / n),
        Statistic::Stddev => {
            let mean = exact_sum(values) / n;
            let squares: Vec<f64> = values.iter().map(|value| (value - mean) * (value - mean)).collect();
            Some((exact_sum(&squares) / (n - 1.0)).sqrt())
        }
    }
}

/// Each value with how often it is there, ascending; zeros have no sign.
fn frequencies(values: &[f64]) -> Vec<(f64, usize)> {
    let mut found: Vec<(f64, usize)> = Vec::new();
    for value in values.iter().map(|value| if *value == 0.0 { 0.0 } else { *value }) {
        match found.iter_mut().find(|(other, _)| other.to_bits() == value.to_bits()) {
            Some((_, count)) => *count += 1,
            None => found.push((value, 1)),
        }
    }
    found.sort_by(|left, right| left.0.total_cmp(&right.0));
    found
}

/// Shewchuk's exact summation as in Python's `math.fsum`: another road to the correctly rounded sum than ours.
pub fn exact_sum(values: &[f64]) -> f64 {
    if values.iter().any(|value| !value.is_finite()) {
        return values.iter().filter(|value| !value.is_finite()).sum();
    }
    let mut partials: Vec<f64> = Vec::new();
    for &value in values {
        let mut x = value;
        let mut kept = 0;
        for index in 0..partials.len() {
            let mut y = partials[index];
            if x.abs() < y.abs() {
                (x, y) = (y, x);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                partials[kept] = low;
                kept += 1;
            }
            x = high;
        }
        partials.truncate(kept);
        partials.push(x);
    }
    let Some(mut high) = partials.pop() else { return 0.0 };
    while let Some(y) = partials.pop() {
        let x = high;
        high = x + y;
        let low = y - (high - x);
        if low == 0.0 {
            continue;
        }
        // Half-way cases are decided by the sign of what lies further below.
        if let Some(next) = partials.last()
            && ((low < 0.0 && *next < 0.0) || (low > 0.0 && *next > 0.0))
        {
            let doubled = low * 2.0;
            let candidate = high + doubled;
            if doubled == candidate - high {
                high = candidate;
            }
        }
        break;
    }
    high + 0.0
}
