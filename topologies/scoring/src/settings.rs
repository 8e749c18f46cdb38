//! What the scorer needs to know of its pipeline.

use arrow::datatypes::{DataType, Fields, SchemaRef};
use flow::config::Pipeline;
use flow::names::Names;
use flow::plan::Plan;

/// Settings of a scorer, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Digest of the feature set: models must be trained on it, and a commit's metadata carries it.
    pub feature_set: String,
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

/// Why a pipeline cannot have a scorer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A topic of the plan has no number.
    #[error("topic {0} has no number; number all topics of the plan")]
    Unnumbered(String),
    /// A topic of the plan is missing or has no schema of ours.
    #[error("the plan has no topic {0} with a schema; derive the plan from this pipeline")]
    Unplanned(String),
    /// A schema is not usable.
    #[error("schema of {topic} is not usable: {detail}")]
    Schema {
        /// The topic.
        topic: String,
        /// What is wrong.
        detail: String,
    },
}

impl Settings {
    /// The settings that follow from a pipeline, its plan, and the numbers of the plan's topics. `schema_id` is that of
    /// the features log's schema in the registry.
    pub fn of(pipeline: &Pipeline, plan: &Plan, names: &Names, schema_id: u32) -> Result<Self, Error> {
        let number = |topic: &str| names.number(topic).ok_or_else(|| Error::Unnumbered(topic.to_owned()));
        let (journal, predictions) = (&plan.names.journal_log, &plan.names.predictions);
        let topic = plan.topic(journal).ok_or_else(|| Error::Unplanned(journal.clone()))?;
        let journal_prediction = part(&arrow_schema(plan, journal)?, "prediction").ok_or_else(|| Error::Schema {
            topic: journal.clone(),
            detail: "its items have no prediction".to_owned(),
        })?;
        let features_log = arrow_schema(plan, &plan.names.features_log)?;
        Ok(Settings {
            feature_set: pipeline.features.digest.clone(),
            schema_id,
            event: part(&features_log, "event").unwrap_or_default(),
            features: part(&features_log, "features").unwrap_or_default(),
            key: pipeline.features.entities.first().map(|entity| entity.key.clone()),
            predictions: number(predictions)?,
            prediction_schema: arrow_schema(plan, predictions)?,
            journal: number(journal)?,
            journal_partitions: topic.partitions as u16,
            journal_prediction,
        })
    }
}

fn arrow_schema(plan: &Plan, topic: &str) -> Result<SchemaRef, Error> {
    let schema = plan.topic(topic).and_then(|topic| topic.schema.as_ref());
    let schema = schema.ok_or_else(|| Error::Unplanned(topic.to_owned()))?;
    schemas::arrow_schema(&schema.to_string())
        .map_err(|error| Error::Schema { topic: topic.to_owned(), detail: error.to_string() })
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
