//! The contract files of `schemas/`: Avro schemas and topic descriptions, embedded so that a binary needs no folder.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::compatibility::Compatibility;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
}

/// Path of the schema of drift reports.
pub const DRIFT_REPORT: &str = "tidemill/DriftReport.avsc";
/// Path of the schema of incidents.
pub const ALERT: &str = "tidemill/Alert.avsc";
/// Path of the schema of retraining requests and their answers.
pub const RETRAINING_REQUEST: &str = "tidemill/RetrainingRequest.avsc";
/// Path of the schema of announced models.
pub const MODEL_ANNOUNCEMENT: &str = "tidemill/ModelAnnouncement.avsc";
/// Path of the schema of monitors' sketches.
pub const SKETCHES: &str = "tidemill/Sketches.avsc";
/// Path of the schema of readiness reports.
pub const CONTROL_REPORT: &str = "tidemill/ControlReport.avsc";
/// Path of the schema of validators' progress.
pub const PROGRESS: &str = "tidemill/Progress.avsc";
/// Path of the schema of labels that came to nothing.
pub const LABEL_REFUSAL: &str = "tidemill/LabelRefusal.avsc";
/// Path of the schema of ledger rows.
pub const LEDGER_ROW: &str = "tidemill/LedgerRow.avsc";

/// The text of an Avro schema by its path below `schemas/avro/`.
pub fn avro(path: &str) -> Option<&'static str> {
    embedded::AVRO.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// All Avro schemas: path and text, by path.
pub fn all_avro() -> &'static [(&'static str, &'static str)] {
    embedded::AVRO
}

/// All topic descriptions: path below `schemas/topics/` and text, by path.
pub fn all_topics() -> &'static [(&'static str, &'static str)] {
    embedded::TOPICS
}

/// One file of `schemas/topics/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicFile {
    /// The topic's name; `{pipeline}` stands for the pipeline's.
    pub topic: String,
    /// What it is for, as in topic names: events, log, predictions and so on.
    pub kind: String,
    /// What its records are, for a person.
    pub what: String,
    /// Path of the schema, `derived` from the pipeline file, or `as-source` where bytes are passed on.
    pub schema: String,
    /// Field that is the key, several with what stands between them (`model@version`), `key-group`, or `as-source`.
    pub key: String,
    /// Default number of partitions.
    pub partitions: u32,
    /// What Kafka does with old records.
    pub cleanup: Cleanup,
    /// How the subject's versions must relate; `NONE` for what only our own services read.
    pub compatibility: Compatibility,
    /// Services that write it; `outside` for others.
    pub producers: Vec<String>,
    /// Services that read it; `outside` for others.
    pub consumers: Vec<String>,
}

/// What Kafka does with old records of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cleanup {
    /// They are deleted after the retention.
    Delete,
    /// The last one per key is kept.
    Compact,
}

/// All topic descriptions by path.
pub fn topic_files() -> Result<BTreeMap<&'static str, TopicFile>, serde_saphyr::Error> {
    all_topics().iter().map(|(path, text)| Ok((*path, serde_saphyr::from_str(text)?))).collect()
}

#[cfg(test)]
pub(crate) use tests::undocumented;
#[cfg(test)]
mod tests;
