//! Versions of a source's rules. A version is fixed per bucket of source offsets, so a change of rules takes effect at a
//! bucket's edge and every process applies the same rules to the same record.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow::config::{EventSource, Format, Impute, OnFail, OnNull, Pipeline};
use schemas::json::Unknown;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::checks::Checks;
use crate::source::{Error, Source};

/// Hex characters of a version; enough to tell a pipeline's rule sets apart, short enough for messages.
const VERSION_CHARS: usize = 16;

/// Bounds on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The column.
    pub column: String,
    /// Least value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The only values allowed, as canonical text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// Whether null is refused.
    #[serde(default)]
    pub required: bool,
    /// What happens to a value out of these bounds.
    #[serde(default, skip_serializing_if = "is_reject")]
    pub on_fail: OnFail,
    /// Whether null, NaN and infinities are replaced.
    #[serde(default, skip_serializing_if = "is_false")]
    pub impute_null: bool,
    /// SQL of what is put in place of a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impute: Option<String>,
}

/// A named SQL condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// The SQL text.
    pub check: String,
    /// What happens to an event for which it is not true.
    #[serde(default, skip_serializing_if = "is_reject")]
    pub on_fail: OnFail,
    /// Whether null passes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub null_passes: bool,
    /// Columns that are replaced, with the SQL of their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imputes: Vec<(String, String)>,
}

/// All of a source's rules that may change while the pipeline runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleSet {
    /// How far an item's time may lie behind the greatest of its source partition.
    pub lateness_us: i64,
    /// How far an item's time may lie ahead of its record's append time.
    pub max_future_us: i64,
    /// Bounds in declared order.
    pub fields: Vec<Bound>,
    /// Conditions in declared order.
    pub conditions: Vec<Condition>,
    /// Whether objects with fields that the schema does not have are refused.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reject_unknown: bool,
}

/// For fields that must not change the versions of rule sets that do not use them.
fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_reject(on_fail: &OnFail) -> bool {
    *on_fail == OnFail::Reject
}

impl RuleSet {
    /// The rules of a pipeline's event source.
    pub fn of_events(pipeline: &Pipeline) -> Self {
        let EventSource { fields, rules, max_future_us, .. } = &pipeline.events;
        let fields = fields.iter().map(|field| Bound {
            column: field.column.clone(),
            min: field.min,
            max: field.max,
            allowed: field.allowed.clone(),
            required: field.on_null == OnNull::Reject,
            on_fail: field.on_fail,
            impute_null: field.on_null == OnNull::Impute,
            impute: field.impute.as_ref().map(|impute| impute.value.text.clone()),
        });
        let text = |impute: &Impute| (impute.column.clone(), impute.value.text.clone());
        let conditions = rules.iter().map(|rule| Condition {
            name: rule.name.clone(),
            check: rule.check.text.clone(),
            on_fail: rule.on_fail,
            null_passes: rule.null_passes,
            imputes: rule.imputes.iter().map(text).collect(),
        });
        RuleSet {
            lateness_us: pipeline.lateness_us,
            max_future_us: *max_future_us,
            fields: fields.collect(),
            conditions: conditions.collect(),
            reject_unknown: rejects_unknown(pipeline.events.format),
        }
    }

    /// The rules of a pipeline's label source: times are judged as those of events, and there is nothing else.
    pub fn of_labels(pipeline: &Pipeline) -> Self {
        RuleSet {
            fields: Vec::new(),
            conditions: Vec::new(),
            reject_unknown: pipeline.labels.as_ref().is_some_and(|labels| rejects_unknown(labels.format)),
            ..RuleSet::of_events(pipeline)
        }
    }

    /// The set as text, for whoever stores versions.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a set back.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Rules { detail: error.to_string() })
    }

    /// The version: a digest of the text.
    pub fn version(&self) -> String {
        let digest = Sha256::digest(self.text().as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex[..VERSION_CHARS].to_owned()
    }
}

fn rejects_unknown(format: Format) -> bool {
    matches!(format, Format::Json(json) if json.unknown == Unknown::Reject)
}

/// The rule sets this process can apply: the pipeline's own, and stored ones that buckets turned out to have, compiled.
#[derive(Debug, Clone)]
pub struct Rulebook {
    source: Arc<Source>,
    current: String,
    known: BTreeMap<String, Arc<Checks>>,
}

impl Rulebook {
    /// A book with the given set, which is also what this process proposes for a bucket it opens.
    pub fn new(source: Arc<Source>, current: &RuleSet) -> Result<Self, Error> {
        let mut book = Rulebook { source, current: current.version(), known: BTreeMap::new() };
        book.add(current)?;
        Ok(book)
    }

    /// The version this process proposes.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// The compiled set of a version.
    pub fn checks(&self, version: &str) -> Option<Arc<Checks>> {
        self.known.get(version).cloned()
    }

    /// Adds a set that another process opened a bucket with.
    pub fn add(&mut self, rules: &RuleSet) -> Result<Arc<Checks>, Error> {
        let checks = Arc::new(Checks::compile(&self.source, rules)?);
        self.known.insert(rules.version(), checks.clone());
        Ok(checks)
    }

    /// The source whose rules these are.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }
}
