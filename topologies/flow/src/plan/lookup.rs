//! What a task asks of its plan when it is set up: numbers and schemas of topics that must be there.

use arrow::datatypes::SchemaRef;

use super::{Plan, Topic};
use crate::names::Names;

/// Why a task cannot be set up from a plan.
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

impl Plan {
    /// The topic called `name`, which must be planned.
    pub fn planned(&self, name: &str) -> Result<&Topic, Error> {
        self.topic(name).ok_or_else(|| Error::Unplanned(name.to_owned()))
    }

    /// The Arrow form of the schema of a topic that has one of ours.
    pub fn arrow_schema(&self, topic: &str) -> Result<SchemaRef, Error> {
        let schema = self.planned(topic)?.schema.as_ref().ok_or_else(|| Error::Unplanned(topic.to_owned()))?;
        schemas::arrow_schema(&schema.to_string())
            .map_err(|error| Error::Schema { topic: topic.to_owned(), detail: error.to_string() })
    }
}

/// The number of a topic that must have one.
pub fn number(names: &Names, topic: &str) -> Result<u16, Error> {
    names.number(topic).ok_or_else(|| Error::Unnumbered(topic.to_owned()))
}
