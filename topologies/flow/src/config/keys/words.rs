//! What can be chosen, as it is written in the file.

use schemas::compatibility::Compatibility;
use schemas::json::{TimeUnit, Unknown};

use crate::config::types::{
    Calibration, ClassWeight, Delivery, LabelPolicy, Late, Objective, OnFail, OnNull, Ordering, Promote, Trigger,
};

/// Something that is chosen by a word.
pub(in crate::config) trait Word: Copy + 'static {
    /// All words with what they mean.
    fn all() -> Vec<(&'static str, Self)>;
}

/// The words of a choice.
pub(in crate::config) fn spelled<T: Word>() -> Vec<&'static str> {
    T::all().into_iter().map(|(word, _)| word).collect()
}

/// The word of a choice.
pub(in crate::config) fn word<T: Word + PartialEq>(chosen: T) -> &'static str {
    T::all().into_iter().find(|(_, value)| *value == chosen).map_or("", |(word, _)| word)
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Encoding {
    Avro,
    Json,
}

/// What a condition that is neither true nor false does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum OnUnknown {
    Fail,
    Pass,
}

impl Word for Encoding {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("avro", Self::Avro), ("json", Self::Json)]
    }
}

impl Word for OnUnknown {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("fail", Self::Fail), ("pass", Self::Pass)]
    }
}

impl Word for Delivery {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("low_latency", Self::LowLatency), ("exactly_once", Self::ExactlyOnce)]
    }
}

impl Word for Ordering {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("arrival", Self::Arrival), ("event_time", Self::EventTime)]
    }
}

impl Word for Compatibility {
    fn all() -> Vec<(&'static str, Self)> {
        Self::ALL.into_iter().map(|mode| (mode.name(), mode)).collect()
    }
}

impl Word for Unknown {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("ignore", Self::Ignore), ("reject", Self::Reject)]
    }
}

impl Word for TimeUnit {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("seconds", Self::Seconds),
            ("milliseconds", Self::Milliseconds),
            ("microseconds", Self::Microseconds),
            ("nanoseconds", Self::Nanoseconds),
        ]
    }
}

impl Word for LabelPolicy {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("first", Self::First), ("last", Self::Last)]
    }
}

impl Word for OnFail {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("reject", Self::Reject), ("flag", Self::Flag), ("impute", Self::Impute)]
    }
}

impl Word for OnNull {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("keep", Self::Keep), ("reject", Self::Reject), ("impute", Self::Impute)]
    }
}

impl Word for Late {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("apply", Self::Apply), ("skip", Self::Skip)]
    }
}

impl Word for Objective {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("binary", Self::Binary), ("multiclass", Self::Multiclass), ("regression", Self::Regression)]
    }
}

impl Word for Calibration {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("none", Self::None),
            ("platt", Self::Platt),
            ("temperature", Self::Temperature),
            ("isotonic", Self::Isotonic),
        ]
    }
}

/// The words of `class_weight`, beside which a number may stand.
impl Word for ClassWeight {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("none", Self::None), ("balanced", Self::Balanced)]
    }
}

impl Word for Trigger {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("drift", Self::Drift)]
    }
}

impl Word for Promote {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("if_better", Self::IfBetter), ("manual", Self::Manual)]
    }
}
