//! Which events to train on, which to compare on, and which labels count.

use crate::{Error, Inputs};
use flow::config::{Model, Pipeline};
use std::ops::Range;

/// Newest labelled events kept for the comparison, where the pipeline says nothing: a day.
const HOLDOUT_US: i64 = 86_400_000_000;

/// Events by their time, with the labels known at a cutoff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Event times, microseconds since the epoch.
    pub events_us: Range<i64>,
    /// A label counts only if it was known by then.
    pub cutoff_us: i64,
}

/// The windows of one training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// To train on.
    pub train: Window,
    /// Behind it: to compare on.
    pub holdout: Window,
}

impl Windows {
    /// Windows that end where training data ends.
    pub fn ending(pipeline: &Pipeline, train_us: Range<i64>, cutoff_us: i64) -> Self {
        let holdout_us = pipeline.retraining.as_ref().map_or(HOLDOUT_US, |retraining| retraining.holdout_us);
        let holdout = train_us.end..train_us.end.saturating_add(holdout_us);
        Windows { train: Window { events_us: train_us, cutoff_us }, holdout: Window { events_us: holdout, cutoff_us } }
    }

    /// The newest windows whose labels are all in at a cutoff, where labels come after `delay_us`.
    pub fn before(pipeline: &Pipeline, model: &Model, cutoff_us: i64, delay_us: i64) -> Self {
        let (window_us, holdout_us) = match &pipeline.retraining {
            Some(rule) => (rule.train_window_us, rule.holdout_us),
            None => (model.training.window_us, HOLDOUT_US),
        };
        let end_us = cutoff_us.saturating_sub(delay_us).saturating_sub(holdout_us);
        Self::ending(pipeline, end_us.saturating_sub(window_us)..end_us, cutoff_us)
    }
}

/// The windows that a request asks for.
pub fn requested(pipeline: &Pipeline, request: &crate::Request) -> Windows {
    Windows::ending(pipeline, request.data_from_us..request.data_to_us, request.requested_us)
}

/// The newest windows that there are labels for.
pub fn newest(pipeline: &Pipeline, model: &Model, inputs: &Inputs) -> Result<Windows, Error> {
    Ok(newest_at(pipeline, model, inputs, newest_label_us(inputs)?))
}

/// The newest windows whose labels are all in at a cutoff. Labels take as long as the pipeline says, or as the inputs say
/// where that is longer.
pub(crate) fn newest_at(pipeline: &Pipeline, model: &Model, inputs: &Inputs, cutoff_us: i64) -> Windows {
    let declared_us = pipeline.retraining.as_ref().map_or(model.training.delay_us, |rule| rule.label_delay_us);
    let delay_us = declared_us.max(inputs.label_delay_us().unwrap_or(i64::MIN));
    Windows::before(pipeline, model, cutoff_us, delay_us)
}

/// When the label known last became known.
pub(crate) fn newest_label_us(inputs: &Inputs) -> Result<i64, Error> {
    let (labels, columns) = inputs.labels();
    let newest_us = offline::dataset::newest_label_us(columns, labels)?;
    newest_us.ok_or_else(|| Error::NoLabels { place: labels.place() })
}
