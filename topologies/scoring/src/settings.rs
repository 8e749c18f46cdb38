//! What the scorer needs to know of its pipeline.

use arrow::datatypes::{DataType, Fields, SchemaRef};
use flow::config::Pipeline;
use flow::names::Names;
use flow::plan::{Error, Plan, number};

/// Settings of a scorer, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Digest of the feature set: models must be trained on it, and a commit's metadata carries it.
    pub feature_set: String,
    /// The classes that a model must tell apart, in order; none where labels are numbers.
    pub classes: Vec<String>,
    /// Registry id of the schema that the features log is written with.
    pub schema_id: u32,
    /// Columns of events in the features log.
    pub event: Fields,
    /// Features that come with them.
    pub features: Fields,
    /// Key column of the first entity.
    pub key: Option<String>,
    /// Topic of predictions, by name number.
    pub predictions: u16,
    /// Columns of a prediction.
    pub prediction_schema: SchemaRef,
    /// Log of the journal, by name number.
    pub journal: u16,
    /// Its partitions.
    pub journal_partitions: u16,
    /// Columns of the prediction part of the journal's items.
    pub journal_prediction: Fields,
}

impl Settings {
    /// The settings that follow from a pipeline, its plan, and the numbers of the plan's topics. `schema_id` is that of
    /// the features log's schema in the registry.
    pub fn of(pipeline: &Pipeline, plan: &Plan, names: &Names, schema_id: u32) -> Result<Self, Error> {
        let (journal, predictions) = (&plan.names.journal_log, &plan.names.predictions);
        let journal_prediction = part(&plan.arrow_schema(journal)?, "prediction").ok_or_else(|| Error::Schema {
            topic: journal.clone(),
            detail: "its items have no prediction".to_owned(),
        })?;
        let features_log = plan.arrow_schema(&plan.names.features_log)?;
        Ok(Settings {
            feature_set: pipeline.features.digest.clone(),
            classes: pipeline.classes().to_vec(),
            schema_id,
            event: part(&features_log, "event").unwrap_or_default(),
            features: part(&features_log, "features").unwrap_or_default(),
            key: pipeline.features.entities.first().map(|entity| entity.key.clone()),
            predictions: number(names, predictions)?,
            prediction_schema: plan.arrow_schema(predictions)?,
            journal: number(names, journal)?,
            journal_partitions: plan.planned(journal)?.partitions as u16,
            journal_prediction,
        })
    }
}

/// The fields of a part of items, such as the event, in the schema of a log.
pub(crate) fn part(log: &SchemaRef, name: &str) -> Option<Fields> {
    let DataType::List(item) = log.field_with_name(schemas::log::ITEMS).ok()?.data_type() else { return None };
    let DataType::Struct(parts) = item.data_type() else { return None };
    match parts.find(name)?.1.data_type() {
        DataType::Struct(fields) => Some(fields.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
