//! What an aggregate computes, and of what.

/// One aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Name in the file.
    pub name: String,
    /// What it computes.
    pub function: Function,
    /// Whether it is divided by the seconds of its window.
    pub per_second: bool,
    /// The two windows whose values are divided, the second one below the line.
    pub ratio: Option<(usize, usize)>,
    /// What stands where the function gives null.
    pub default: Option<f64>,
    /// Whether it never sees an event that came behind the newest of its key. Labels are seen whenever they come.
    pub skips_late: bool,
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Number of events.
    Count,
    /// Seconds since the event before the current one.
    TimeSinceLast,
    /// Number of events, each weighing half after each half-life.
    DecayedCount {
        /// The half-life.
        half_life_us: i64,
    },
    /// A statistic of one column or of the label.
    Of(Statistic, Source),
}

/// A statistic over the non-null values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// How many there are.
    Count,
    /// Their sum, rounded once.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Sample standard deviation (n - 1); null below two values.
    Stddev,
    /// The first in the window.
    First,
    /// The latest before the current event.
    Last,
    /// How many different ones there are.
    Distinct,
    /// The most frequent, of several the least.
    MostFrequent,
    /// The one at this place in ascending order, in millionths of the way from the least to the greatest.
    Quantile(u32),
    /// A statistic in which a value weighs half after each half-life.
    Decayed(Decayed, i64),
}

/// Statistics with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decayed {
    /// Sum of the weights.
    Count,
    /// Sum of the values times their weights.
    Sum,
    /// The sum divided by the count.
    Avg,
}

/// Where a statistic's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Index into [`Group::inputs`](super::Group::inputs).
    Column(usize),
    /// The label: a value exists from the moment its label is applied.
    Label,
}

impl Function {
    /// False for what gives one feature and not one per window.
    pub fn windowed(self) -> bool {
        use Function::{DecayedCount, Of, TimeSinceLast};
        !matches!(self, TimeSinceLast | DecayedCount { .. } | Of(Statistic::Last | Statistic::Decayed(..), _))
    }
}

impl Aggregate {
    /// Whether it reads the label, and not events.
    pub fn reads_label(&self) -> bool {
        matches!(self.function, Function::Of(_, Source::Label))
    }

    /// Whether it gives a feature per window.
    pub fn windowed(&self) -> bool {
        self.function.windowed() && self.ratio.is_none()
    }
}
