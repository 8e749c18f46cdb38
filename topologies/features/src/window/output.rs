//! How features are read off a key's state.

use super::extreme::Pick;
use super::fade::Weighed;
use super::plan::{EVENTS, Plan};
use super::present::SECOND_US;
use super::reads::{Reads, reads};
use crate::spec::{Aggregate, Decayed, Function, Statistic};

/// A feature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub value: Value,
    pub finish: Finish,
    pub default: Option<f64>,
}

/// What becomes of the value that is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finish {
    /// Nothing.
    Plain,
    /// It is divided by the seconds of its window.
    PerSecond(f64),
    /// It is divided by another one; the last is what remains of both windows' seconds.
    Over(Value, f64),
}

/// How a feature is read off the state. Windows are numbers of [`Plan::windows_us`]; `sum` and `square` are places
/// among all of a key's sums and squares, the window included. `SinceLast` is the time since the newest value of a column,
/// `TimeSinceLast` since the newest event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Events { window: usize },
    TimeSinceLast,
    SinceLast { series: usize, column: usize },
    Last { series: usize, column: usize },
    Count { series: usize, sum: usize },
    Sum { series: usize, sum: usize },
    Avg { series: usize, sum: usize },
    Stddev { series: usize, sum: usize, square: usize },
    Extreme { series: usize, column: usize, chain: usize, window: usize },
    Distinct { series: usize, column: usize, tally: usize, window: usize },
    MostFrequent { series: usize, column: usize, tally: usize, window: usize },
    Quantile { series: usize, column: usize, sketch: usize, pointer: usize, window: usize },
    Fade { series: usize, fade: usize },
    FadeAvg { series: usize, sum: usize, count: usize },
}

impl Plan {
    /// How a feature is read.
    pub fn output(&self, aggregate: &Aggregate, window: usize) -> Output {
        let Aggregate { per_second, ratio, default, .. } = *aggregate;
        let seconds = |window: usize| self.windows_us[window] as f64 / SECOND_US;
        match ratio {
            Some((above, below)) => {
                let lengths = if per_second { seconds(below) / seconds(above) } else { 1.0 };
                let finish = Finish::Over(self.value(aggregate, below), lengths);
                Output { value: self.value(aggregate, above), finish, default }
            }
            None => {
                let finish = if per_second { Finish::PerSecond(seconds(window)) } else { Finish::Plain };
                Output { value: self.value(aggregate, window), finish, default }
            }
        }
    }

    fn value(&self, aggregate: &Aggregate, window: usize) -> Value {
        let is_time = aggregate.function == Function::TimeSinceLast;
        let (statistic, series, stored) = match reads(aggregate, self.skips_late) {
            Reads::Entries if is_time => return Value::TimeSinceLast,
            Reads::Entries => return Value::Events { window },
            Reads::Faded(half_life_us) => {
                let fade = self.series[EVENTS].fade(Weighed::Events, half_life_us);
                return Value::Fade { series: EVENTS, fade };
            }
            Reads::Column { statistic, series, stored } => (statistic, series, stored),
        };
        let layout = &self.series[series];
        let column = layout.columns.iter().position(|column| column.stored == stored).unwrap_or(0);
        if is_time {
            return Value::SinceLast { series, column };
        }
        let stored = &layout.columns[column];
        let sum = layout.sums_at + stored.sums.unwrap_or(0) + window;
        let extreme = |pick| {
            let chain = stored.chains.iter().position(|chain| chain.pick == pick).unwrap_or(0);
            Value::Extreme { series, column, chain, window }
        };
        let fade = |what, half_life_us| layout.fade(what, half_life_us);
        let tally = layout.tallied.iter().position(|tallied| tallied.word == 1 + column).unwrap_or(0);
        match statistic {
            Statistic::Last => Value::Last { series, column },
            Statistic::Count => Value::Count { series, sum },
            Statistic::Sum => Value::Sum { series, sum },
            Statistic::Avg => Value::Avg { series, sum },
            Statistic::Stddev => {
                Value::Stddev { series, sum, square: layout.squares_at + stored.squares.unwrap_or(0) + window }
            }
            Statistic::Min => extreme(Pick::Min),
            Statistic::Max => extreme(Pick::Max),
            Statistic::First => extreme(Pick::First),
            Statistic::Distinct => Value::Distinct { series, column, tally, window },
            Statistic::MostFrequent => Value::MostFrequent { series, column, tally, window },
            Statistic::Quantile(millionths) => {
                let sketch = layout.sketched.iter().position(|sketched| sketched.word == 1 + column).unwrap_or(0);
                let quantiles = &layout.sketched[sketch].millionths;
                let pointer = quantiles.iter().position(|other| *other == millionths).unwrap_or(0);
                Value::Quantile { series, column, sketch, pointer, window }
            }
            Statistic::Decayed(Decayed::Count, half_life_us) => {
                Value::Fade { series, fade: fade(Weighed::Present(1 + column), half_life_us) }
            }
            Statistic::Decayed(Decayed::Sum, half_life_us) => {
                Value::Fade { series, fade: fade(Weighed::Values(1 + column), half_life_us) }
            }
            Statistic::Decayed(Decayed::Avg, half_life_us) => Value::FadeAvg {
                series,
                sum: fade(Weighed::Values(1 + column), half_life_us),
                count: fade(Weighed::Present(1 + column), half_life_us),
            },
        }
    }
}

impl Value {
    /// The series it is read from.
    pub fn series(self) -> usize {
        match self {
            Value::Events { .. } | Value::TimeSinceLast => EVENTS,
            Value::SinceLast { series, .. }
            | Value::Last { series, .. }
            | Value::Count { series, .. }
            | Value::Sum { series, .. }
            | Value::Avg { series, .. }
            | Value::Stddev { series, .. }
            | Value::Extreme { series, .. }
            | Value::Distinct { series, .. }
            | Value::MostFrequent { series, .. }
            | Value::Quantile { series, .. }
            | Value::Fade { series, .. }
            | Value::FadeAvg { series, .. } => series,
        }
    }

    /// Whether it must not see the current event.
    pub fn windowless(self) -> bool {
        matches!(self, Value::TimeSinceLast | Value::SinceLast { .. } | Value::Last { .. })
    }
}
