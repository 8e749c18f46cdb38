//! How features are read off a key's state.

use super::extreme::Pick;
use super::fade::Weighed;
use super::plan::{EVENTS, LABELS, Plan};
use super::present::SECOND_US;
use crate::spec::{Aggregate, Decayed, Function, Source, Statistic};

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
/// among all of a key's sums and squares, the window included.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Events { window: usize },
    TimeSinceLast,
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
        let Aggregate { function, per_second, ratio, default, .. } = *aggregate;
        let seconds = |window: usize| self.windows_us[window] as f64 / SECOND_US;
        match ratio {
            Some((above, below)) => {
                let lengths = if per_second { seconds(below) / seconds(above) } else { 1.0 };
                let finish = Finish::Over(self.value(function, below), lengths);
                Output { value: self.value(function, above), finish, default }
            }
            None => {
                let finish = if per_second { Finish::PerSecond(seconds(window)) } else { Finish::Plain };
                Output { value: self.value(function, window), finish, default }
            }
        }
    }

    fn value(&self, function: Function, window: usize) -> Value {
        let (statistic, series, input) = match function {
            Function::Count => return Value::Events { window },
            Function::TimeSinceLast => return Value::TimeSinceLast,
            Function::DecayedCount { half_life_us } => {
                let fade = self.series[EVENTS].fade(Weighed::Events, half_life_us);
                return Value::Fade { series: EVENTS, fade };
            }
            Function::Of(statistic, Source::Column(input)) => (statistic, EVENTS, input),
            Function::Of(statistic, Source::Label) => (statistic, LABELS, 0),
        };
        let layout = &self.series[series];
        let column = layout.columns.iter().position(|column| column.input == input).unwrap_or(0);
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
            Value::Last { series, .. }
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
        matches!(self, Value::TimeSinceLast | Value::Last { .. })
    }
}
