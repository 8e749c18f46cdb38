//! Incidents, as the alerts topic spells them, whoever finds them.

use crate::processor::Stop;
use crate::public::JsonSink;
use schemas::contracts;
use serde::Serialize;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It began.
    Open,
    /// It goes on.
    Updated,
    /// It is over.
    Resolved,
}

/// Who should look, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Nobody needs to.
    Info,
    /// Somebody, some day.
    Warning,
    /// Somebody, now.
    Critical,
}

/// One observation that an incident rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// What was observed.
    pub subject: String,
    /// What was seen, in words.
    pub observation: String,
    /// The number seen.
    pub value: Option<f64>,
    /// The limit it crossed.
    pub limit: Option<f64>,
}

/// A state of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// Fingerprint of what is wrong.
    pub incident: String,
    /// Counts the states of this incident, from 1.
    pub revision: u32,
    /// Where it stands.
    pub state: State,
    /// Who should look.
    pub severity: Severity,
    /// One line for a person.
    pub title: String,
    /// What the evidence points to.
    pub cause: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Event time at which it began, microseconds since the epoch.
    pub opened_time: i64,
    /// Event time of this state.
    pub updated_time: i64,
    /// The pipeline.
    pub pipeline: String,
    /// The monitor that found it, or `limits` where limits of an entity did.
    pub monitor: String,
    /// Name and version of the model.
    pub model: Option<String>,
    /// Its digest.
    pub model_digest: Option<String>,
}

impl Alert {
    /// What writes them; `schema_id` is that of their schema in the registry.
    pub fn sink(schema_id: u32) -> Result<JsonSink, Stop> {
        JsonSink::new(contracts::ALERT, schema_id)
    }

    /// What names this state among all: its record's id.
    pub fn id(&self) -> String {
        format!("{}/{}", self.incident, self.revision)
    }
}
