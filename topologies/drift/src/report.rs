//! Drift reports and retraining requests, as their topics spell them.

use flow::fence::ModelRef;
use serde::Serialize;

/// How far a statistic is from its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Close enough.
    None,
    /// Worth a look.
    Warn,
    /// An incident.
    Alarm,
}

/// One statistic of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistic {
    /// The feature's name, or `score`.
    pub subject: String,
    /// What was computed.
    pub statistic: &'static str,
    /// Its value.
    pub value: f64,
    /// From here on the level is a warning.
    pub warn: f64,
    /// From here on the level is an alarm.
    pub alarm: f64,
    /// The level of this value.
    pub level: Level,
    /// Values that went into it.
    pub events: u64,
    /// Events without a value.
    pub nulls: u64,
}

/// What a monitor found in one complete window under one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftReport {
    /// The monitor.
    pub monitor: String,
    /// The pipeline.
    pub pipeline: String,
    /// Name and version of the model.
    pub model: String,
    /// Its digest.
    pub model_digest: String,
    /// Digest of the feature set.
    pub feature_set: String,
    /// First event time of the window, microseconds since the epoch.
    pub window_start: i64,
    /// First event time behind the window.
    pub window_end: i64,
    /// Events in the window.
    pub events: u64,
    /// Whether they were enough to judge.
    pub sufficient: bool,
    /// The highest level.
    pub level: Level,
    /// The statistics, the inputs' first.
    pub statistics: Vec<Statistic>,
}

/// A wish for a new model. The trainer answers it under the same id.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrainingRequest {
    /// Its id, derived from what caused it.
    pub request: String,
    /// Always `REQUESTED`.
    pub state: &'static str,
    /// The pipeline.
    pub pipeline: String,
    /// The model's name.
    pub model: String,
    /// Why, for a person.
    pub reason: String,
    /// The incident.
    pub incident: Option<String>,
    /// First event time to train on, microseconds since the epoch.
    pub data_from: i64,
    /// First event time behind it.
    pub data_to: i64,
    /// Event time of the request.
    pub requested_time: i64,
    /// Always null: the answer is the trainer's.
    pub result: Option<()>,
}

/// Name and version of a model as predictions spell them.
pub(crate) fn label(model: &ModelRef) -> String {
    format!("{}@{}", model.name, model.version)
}
