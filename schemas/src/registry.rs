//! What the services ask of a schema registry. Implementations live in `services/registry`.

use std::fmt;
use std::sync::Arc;

use apache_avro::Schema;
use serde_json::Value;

use crate::compatibility::{Breach, Compatibility};

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

/// A schema that its subject's rule keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: Compatibility,
    /// The earlier version, counted from 1, that it was compared with.
    pub version: usize,
    /// What is wrong.
    pub breach: Breach,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (against version {}, {})", self.breach, self.version, self.rule)
    }
}

/// A schema registry, seen by services. Ids are global, positive, and never change their schema.
pub trait SchemaRegistry: Send + Sync {
    /// The schema with this id; `None` when the registry answered that there is none.
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable>;
    /// The subject's newest schema and its id; `None` when the subject does not exist.
    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable>;
    /// Registers a schema under a subject, or finds the id it already has there.
    fn register(&self, subject: &str, schema: &str) -> Result<u32, RegisterError>;
    /// The texts of a subject's versions, oldest first; none when the subject does not exist.
    fn history(&self, subject: &str) -> Result<Vec<Arc<str>>, Unavailable>;
    /// What new schemas of a subject owe to earlier ones; `None` when the registry does not say.
    fn rule(&self, subject: &str) -> Result<Option<Compatibility>, Unavailable>;
    /// Sets what they owe, from now on and for everybody.
    fn set_rule(&self, subject: &str, rule: Compatibility) -> Result<(), Unavailable>;

    /// Why a schema would not be registered under this rule, or under the one that the subject has. Changes nothing. A
    /// schema that was registered before may come again.
    fn refusal(
        &self,
        subject: &str,
        schema: &str,
        rule: Option<Compatibility>,
    ) -> Result<Option<Refusal>, RegisterError> {
        if self.latest(subject)?.is_none_or(|(_, latest)| is_same(&latest, schema)) {
            return Ok(None);
        }
        let rule = match rule {
            None => self.rule(subject)?,
            chosen => chosen,
        };
        let history = self.history(subject)?;
        let Some(rule) = rule.filter(|_| !history.iter().any(|text| is_same(text, schema))) else { return Ok(None) };
        let parse = |text: &str| {
            let invalid = |error: apache_avro::Error| error.to_string();
            Schema::parse_str(text).map_err(invalid).map_err(|detail| {
                let subject = subject.to_owned();
                RegisterError::Invalid { subject, detail }
            })
        };
        let new = parse(schema)?;
        let compared = rule.compared(&history);
        for (version, text) in (history.len() - compared.len() + 1..).zip(compared) {
            if let Some(breach) = rule.breach(&parse(text)?, &new) {
                return Ok(Some(Refusal { rule, version, breach }));
            }
        }
        Ok(None)
    }
}

/// Whether two texts are the same JSON.
pub fn is_same(one: &str, other: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || parse(one).is_some_and(|value| parse(other) == Some(value))
}

/// The subject that holds the schemas of a topic's values.
pub fn value_subject(topic: &str) -> String {
    format!("{topic}-value")
}
