//! The engine's meaning in the plainest words: keep every row, look at all of them for every feature.

use std::collections::BTreeMap;

use crate::spec::{Function, Group, Source, Statistic};

#[derive(Default, Clone)]
struct State {
    now_us: Option<i64>,
    events: Vec<(i64, Vec<Option<f64>>)>,
    labels: Vec<(i64, Option<f64>)>,
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

    pub fn event(&mut self, key: &(u64, String), time_us: i64, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let clock_us = self.clocks_us.entry(key.0 >> 56).or_insert(i64::MIN);
        *clock_us = time_us.max(*clock_us);
        let (group, keep_us) = (self.group.clone(), self.keep_us);
        let state = self.state(key);
        let before = state.clone();
        let at = state.events.partition_point(|(other_us, _)| *other_us <= time_us);
        state.events.insert(at, (time_us, values.to_vec()));
        let features = group
            .outputs()
            .iter()
            .map(|output| {
                let aggregate = &group.aggregates()[output.aggregate];
                let length_us = match output.window {
                    Some(window) => group.windows()[window].length_us,
                    None => group.windows().iter().map(|window| window.length_us).max().unwrap(),
                };
                let upper_us = time_us - group.delay_us();
                let inside = |other_us: i64| other_us > upper_us - length_us && other_us <= upper_us;
                let value = match aggregate.function {
                    Function::Count => {
                        Some(state.events.iter().filter(|(other_us, _)| inside(*other_us)).count() as f64)
                    }
                    Function::TimeSinceLast => {
                        let mut times =
                            before.events.iter().map(|(other_us, _)| *other_us).filter(|other_us| inside(*other_us));
                        times.next_back().map(|last_us| (time_us - last_us) as f64 / 1e6)
                    }
                    Function::Of(statistic, source) => {
                        let events = if statistic == Statistic::Last { &before.events } else { &state.events };
                        let values: Vec<f64> = match source {
                            Source::Column(column) => {
                                let events = events.iter().filter(|(other_us, _)| inside(*other_us));
                                events.filter_map(|(_, values)| values[column]).collect()
                            }
                            Source::Label => {
                                let labels = state.labels.iter().filter(|(other_us, _)| inside(*other_us));
                                labels.filter_map(|(_, value)| *value).collect()
                            }
                        };
                        statistic_of(statistic, &values)
                    }
                };
                value.or(aggregate.default)
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
    fn forget(&mut self, now_us: i64, keep_us: i64) {
        self.now_us = Some(now_us);
        self.events.retain(|(time_us, _)| *time_us > now_us - keep_us);
        self.labels.retain(|(time_us, _)| *time_us > now_us - keep_us);
    }
}

pub fn statistic_of(statistic: Statistic, values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let nan = values.iter().any(|value| value.is_nan());
    match statistic {
        Statistic::Count => Some(n),
        Statistic::Last => values.last().copied(),
        _ if values.is_empty() => None,
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
