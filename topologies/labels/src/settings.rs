//! What the journal needs to know of its pipeline.

use arrow::datatypes::{DataType, SchemaRef};
use flow::config::{Ordering, Pipeline};
use flow::names::Names;
use flow::plan::Plan;

/// An entity that wants labelled events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its log, by name number.
    pub log: u16,
    /// Partitions of the log.
    pub partitions: u16,
    /// Which of [`Settings::keys`] is its key.
    pub key: usize,
}

/// Marks are forwarded in steps of a second where nothing waits for them: each one is a record in every partition.
const ARRIVAL_MARK_STEP_US: i64 = 1_000_000;

/// Settings of a journal, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Digest that a commit's metadata carries.
    pub digest: String,
    /// Whether events and labels are held until the watermark.
    pub holds: bool,
    /// Marks are forwarded rounded down to a multiple of this.
    pub mark_step_us: i64,
    /// How long an id is remembered after its event time.
    pub horizon_us: i64,
    /// Key columns of all entities in chain order, each once. Copies of an event must agree in them.
    pub keys: Vec<String>,
    /// Entities that want labelled events.
    pub targets: Vec<Target>,
    /// Topic of outcomes, by name number.
    pub outcomes: u16,
    /// Columns of an outcome.
    pub outcome_schema: SchemaRef,
}

/// Why a pipeline cannot have a journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A topic of the plan has no number.
    #[error("topic {0} has no number; number all topics of the plan")]
    Unnumbered(String),
    /// A topic of the plan is missing or has no schema of ours.
    #[error("the plan has no topic {0} with a schema; derive the plan from this pipeline")]
    Unplanned(String),
    /// The schema of outcomes is not usable.
    #[error("schema of {topic} is not usable: {detail}")]
    Schema {
        /// The topic.
        topic: String,
        /// What is wrong.
        detail: String,
    },
}

impl Settings {
    /// The settings that follow from a pipeline, its plan, and the numbers of the plan's topics.
    pub fn of(pipeline: &Pipeline, plan: &Plan, names: &Names) -> Result<Self, Error> {
        let entities = &pipeline.features.entities;
        let mut keys: Vec<String> = Vec::new();
        let mut targets = Vec::new();
        for (entity, log) in entities.iter().zip(&plan.names.entity_logs) {
            let key = keys.iter().position(|key| *key == entity.key).unwrap_or_else(|| {
                keys.push(entity.key.clone());
                keys.len() - 1
            });
            if entity.label_derived {
                let topic = plan.topic(log).ok_or_else(|| Error::Unplanned(log.clone()))?;
                targets.push(Target { log: number(names, log)?, partitions: topic.partitions as u16, key });
            }
        }
        let topic = &plan.names.outcomes;
        let schema = plan.topic(topic).and_then(|topic| topic.schema.as_ref());
        let schema = schema.ok_or_else(|| Error::Unplanned(topic.clone()))?;
        let holds = pipeline.ordering == Ordering::EventTime;
        Ok(Settings {
            digest: pipeline.features.digest.clone(),
            holds,
            mark_step_us: if holds { 1 } else { ARRIVAL_MARK_STEP_US },
            // Without labels nothing is paired; ids are then only remembered to find copies.
            horizon_us: pipeline.labels.as_ref().map_or(pipeline.events.dedupe_horizon_us, |labels| labels.horizon_us),
            keys,
            targets,
            outcomes: number(names, topic)?,
            outcome_schema: outcome_schema(topic, &schema.to_string())?,
        })
    }
}

fn number(names: &Names, topic: &str) -> Result<u16, Error> {
    names.number(topic).ok_or_else(|| Error::Unnumbered(topic.to_owned()))
}

fn outcome_schema(topic: &str, avro: &str) -> Result<SchemaRef, Error> {
    let refuse = |detail: String| Error::Schema { topic: topic.to_owned(), detail };
    let schema = schemas::arrow_schema(avro).map_err(|error| refuse(error.to_string()))?;
    match schema.field_with_name("prediction").map(|field| field.data_type()) {
        Ok(DataType::Struct(_)) => Ok(schema),
        _ => Err(refuse("it has no record called prediction".to_owned())),
    }
}

#[cfg(test)]
mod tests;
