//! Which events to train on, which to compare on, and which labels count.

use crate::{Error, Surroundings};
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use flow::config::{Model, Pipeline};
use offline::archive::{Archive, Selection};
use std::ops::Range;

/// Newest labelled events kept for the comparison, where the pipeline says nothing: a day.
const HOLDOUT_US: i64 = 86_400_000_000;
/// Column of an outcome: when its label became known.
const KNOWN_TIME: &str = "known_time";

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

    /// The newest windows whose labels are all in at a cutoff.
    pub fn before(pipeline: &Pipeline, model: &Model, cutoff_us: i64) -> Self {
        let training = &model.training;
        let (window_us, delay_us, holdout_us) = match &pipeline.retraining {
            Some(rule) => (rule.train_window_us, rule.label_delay_us, rule.holdout_us),
            None => (training.window_us, training.delay_us, HOLDOUT_US),
        };
        let end_us = cutoff_us.saturating_sub(delay_us).saturating_sub(holdout_us);
        Self::ending(pipeline, end_us.saturating_sub(window_us)..end_us, cutoff_us)
    }
}

/// The windows that a request asks for.
pub fn requested(pipeline: &Pipeline, request: &crate::Request) -> Windows {
    Windows::ending(pipeline, request.data_from_us..request.data_to_us, request.requested_us)
}

/// The newest windows that the archive has labels for.
pub fn newest(surroundings: &Surroundings, model: &Model) -> Result<Windows, Error> {
    let topic = &surroundings.context.plan.names.outcomes;
    let selection = Selection { columns: Some(vec![KNOWN_TIME.to_owned()]), ..Selection::default() };
    let mut newest_us = None;
    for part in Archive::new(surroundings.store.clone()).read(topic, &selection)? {
        let rows = part?.rows;
        let Some(column) = rows.column_by_name(KNOWN_TIME) else { continue };
        let Ok(times) = cast(column, &DataType::Int64) else { continue };
        newest_us = newest_us.max(arrow::compute::max(times.as_primitive::<Int64Type>()));
    }
    let cutoff_us = newest_us.ok_or_else(|| Error::NoLabels { topic: topic.clone() })?;
    Ok(Windows::before(&surroundings.context.pipeline, model, cutoff_us))
}
