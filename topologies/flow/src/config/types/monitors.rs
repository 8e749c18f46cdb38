//! Monitors and retraining as checked.

/// One monitor.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Name in the file.
    pub name: String,
    /// Model whose reference profile it compares with.
    pub model: String,
    /// Event-time window.
    pub window_us: i64,
    /// Population stability index of inputs and score.
    pub psi: Psi,
    /// Windows with fewer events are not judged.
    pub min_events: u64,
}

/// Settings of the population stability index.
#[derive(Debug, Clone, PartialEq)]
pub struct Psi {
    /// The model inputs it watches, in the model's order. The score is always watched.
    pub features: Vec<String>,
    /// From here on it is worth a look.
    pub warn: f64,
    /// From here on it is an incident.
    pub alarm: f64,
}

/// When and how models are trained again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retraining {
    /// What asks for it.
    pub on: Vec<Trigger>,
    /// Event time of the training set.
    pub train_window_us: i64,
    /// How long labels take to be complete.
    pub label_delay_us: i64,
    /// Newest labelled event time, kept out of training, on which candidate and champion are compared.
    pub holdout_us: i64,
    /// Whether a better model takes over by itself.
    pub promote: Promote,
}

/// What asks for a retraining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A drift alarm.
    Drift,
}

/// Whether a better model takes over by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promote {
    /// Yes, if it beats the champion on the holdout.
    IfBetter,
    /// No; somebody runs `tidemill model promote`.
    Manual,
}
