//! What the services ask of a schema registry. Implementations live in `services/registry`.

use std::sync::Arc;

/// The registry did not answer. The caller waits and asks again; it never rejects a record for this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema registry unavailable: {message}")]
pub struct Unavailable {
    /// What was tried and what came back.
    pub message: String,
}

/// A schema was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The registry did not answer; nothing is known about the outcome.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The schema breaks the subject's compatibility rule.
    #[error("schema for subject {subject} is not compatible with an earlier version: {detail}")]
    Incompatible {
        /// The subject.
        subject: String,
        /// The first difference found.
        detail: String,
    },
    /// The registry refused the schema as such.
    #[error("schema for subject {subject} is not valid avro: {detail}")]
    Invalid {
        /// The subject.
        subject: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// A schema registry, seen by services. Ids are global, positive, and never change their schema.
pub trait SchemaRegistry: Send + Sync {
    /// The schema with this id; `None` when the registry answered that there is none.
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable>;
    /// The subject's newest schema and its id; `None` when the subject does not exist.
    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable>;
    /// Registers a schema under a subject, or finds the id it already has there.
    fn register(&self, subject: &str, schema: &str) -> Result<u32, RegisterError>;
}

/// The subject that holds the schemas of a topic's values.
pub fn value_subject(topic: &str) -> String {
    format!("{topic}-value")
}
