//! What of a key's entries an aggregate reads.
//!
//! An entry is stored once for all aggregates of a group. Where some see late events and others do not, the latter read
//! columns of their own, in which a late event has no value; those that count events count a column of ones then. Where none
//! sees late events, these are not stored at all.

use super::plan::{EVENTS, LABELS};
use super::series::NULL;
use crate::spec::{Aggregate, Decayed, Function, Source, Statistic};

/// What a column of entries holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Which of the engine's input columns; none stands for a one of every event.
    pub input: Option<usize>,
    /// Whether late events have no value here.
    pub punctual: bool,
}

impl Stored {
    /// The word of an event; `word` gives that of an input column.
    #[inline]
    pub fn word(self, is_late: bool, word: impl Fn(usize) -> u64) -> u64 {
        match self.input {
            _ if is_late && self.punctual => NULL,
            Some(input) => word(input),
            None => 1_f64.to_bits(),
        }
    }
}

/// What an aggregate reads.
pub(super) enum Reads {
    /// The events themselves.
    Entries,
    /// The events themselves, each weighing half after each half-life.
    Faded(i64),
    /// A column of a series.
    Column { series: usize, statistic: Statistic, stored: Stored },
}

/// What an aggregate reads; `none_late` where late events are not stored.
pub(super) fn reads(aggregate: &Aggregate, none_late: bool) -> Reads {
    let punctual = aggregate.skips_late && !none_late;
    let ones = |statistic| {
        let stored = Stored { input: None, punctual };
        Reads::Column { series: EVENTS, statistic, stored }
    };
    match aggregate.function {
        Function::Count if punctual => ones(Statistic::Count),
        // The time of the newest one is wanted, which is found as its value would be.
        Function::TimeSinceLast if punctual => ones(Statistic::Last),
        Function::DecayedCount { half_life_us } if punctual => ones(Statistic::Decayed(Decayed::Count, half_life_us)),
        Function::Count | Function::TimeSinceLast => Reads::Entries,
        Function::DecayedCount { half_life_us } => Reads::Faded(half_life_us),
        Function::Of(statistic, Source::Column(input)) => {
            let stored = Stored { input: Some(input), punctual };
            Reads::Column { series: EVENTS, statistic, stored }
        }
        Function::Of(statistic, Source::Label) => {
            let stored = Stored { input: Some(0), punctual: false };
            Reads::Column { series: LABELS, statistic, stored }
        }
    }
}
