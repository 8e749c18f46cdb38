//! Drift: whether events and scores still look like what the model in force was trained on.
//!
//! The monitor works in two steps. In the first, one task per partition folds items into sketches, one per window of
//! event time and model, and emits them when the window is complete: [`Inputs`] over the features log, [`Scores`] over
//! the predictions in the journal. In the second, [`JudgeTask`] merges the sketches of all partitions, computes the
//! population stability index of each watched input and of the score, and keeps the incident that follows from it.
//!
//! A window is complete when every partition of both logs has closed it. A window in which the model changed is reported
//! once per model and moves no incident: neither part of it is a full window.

mod fold;
pub mod handover;
mod incident;
mod inputs;
mod judge;
mod reference;
mod report;
mod saved;
mod scores;
mod sketch;
mod statistic;
mod task;

pub use fold::Setup;
pub use incident::{Incident, Incidents};
pub use inputs::Inputs;
pub use judge::{Judge, Judging, Verdict};
pub use reference::Profiles;
pub use report::{DriftReport, Level, RetrainingRequest, Statistic};
pub use scores::Scores;
pub use sketch::{ColumnSketch, Sketch, Sketches, Source};
pub use statistic::two_sample_psi;
pub use task::{JudgeTask, Topics};

#[cfg(test)]
mod tests;
