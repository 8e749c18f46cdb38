//! What the journal needs to know of its pipeline.

use arrow::datatypes::{DataType, SchemaRef};
use flow::config::{LabelPolicy, Ordering, Pipeline};
use flow::names::Names;
pub use flow::plan::Error;
use flow::plan::{Plan, number};

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
    /// Which of several labels for one event counts.
    pub policy: LabelPolicy,
    /// The classes of labels in order; none where labels are numbers.
    pub classes: Vec<String>,
    /// Topic of labels that come to nothing, by name number, and its columns; none where there are no labels.
    pub refusals: Option<(u16, SchemaRef)>,
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
                targets.push(Target {
                    log: number(names, log)?,
                    partitions: plan.planned(log)?.partitions as u16,
                    key,
                });
            }
        }
        let topic = &plan.names.outcomes;
        let refused = pipeline.labels.as_ref().map(|_| &plan.names.refusals);
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
            outcome_schema: outcome_schema(plan, topic)?,
            policy: pipeline.labels.as_ref().map_or(LabelPolicy::First, |labels| labels.policy),
            classes: pipeline.classes().to_vec(),
            refusals: refused
                .map(|topic| Ok::<_, Error>((number(names, topic)?, plan.arrow_schema(topic)?)))
                .transpose()?,
        })
    }
}

fn outcome_schema(plan: &Plan, topic: &str) -> Result<SchemaRef, Error> {
    let schema = plan.arrow_schema(topic)?;
    match schema.field_with_name("prediction").map(|field| field.data_type()) {
        Ok(DataType::Struct(_)) => Ok(schema),
        _ => Err(Error::Schema { topic: topic.to_owned(), detail: "it has no record called prediction".to_owned() }),
    }
}

#[cfg(test)]
mod tests;
