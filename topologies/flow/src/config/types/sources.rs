//! Sources as checked: topics, schemas, ids, times and rules.

use schemas::json::{TimeUnit, Unknown};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Expression, Pipeline};
use crate::config::Span;

/// A source's Avro schema, and what the pipeline needs to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSchema {
    /// The path as written in the pipeline file.
    pub path: String,
    /// Full name of the record, namespace included.
    pub full_name: String,
    /// The schema itself.
    pub json: Value,
    /// Its fields in order.
    pub columns: Vec<Column>,
}

impl SourceSchema {
    /// The column called `name`, if the record has one.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// One field of a source record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Field name.
    pub name: String,
    /// What its values are, null aside.
    pub kind: ColumnKind,
    /// Whether null is among its values.
    pub nullable: bool,
}

/// The kinds of value a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Avro `boolean`.
    Boolean,
    /// Avro `int` or `long` with no logical type.
    Integer,
    /// Avro `float` or `double`.
    Float,
    /// Avro `string`, `enum` or a string-like logical type.
    Text,
    /// `timestamp-millis`, `timestamp-micros` or their local forms.
    Timestamp,
    /// Anything else: it travels with the event, but no key, rule bound or model input can use it.
    Opaque,
}

impl ColumnKind {
    /// Whether a model or a bound can read it as a number.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::Float)
    }

    /// What a user would call its values.
    pub fn words(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::Float => "a number with decimals",
            Self::Text => "a text",
            Self::Timestamp => "a time",
            Self::Opaque => "of a type that only travels along",
        }
    }

    /// Whether it can be an id or an entity key.
    pub fn is_key(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::Text)
    }
}

/// How the records of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Avro with a registry's framing.
    Avro,
    /// JSON objects with no framing.
    Json(JsonFormat),
}

/// How JSON objects are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonFormat {
    /// What becomes of fields that the schema does not have.
    pub unknown: Unknown,
    /// The unit of times that are numbers; the schema's where none is declared.
    pub times: Option<TimeUnit>,
}

impl Pipeline {
    /// When there are too many dead letters of a topic.
    pub fn breaker(&self, topic: &str) -> BreakerLimits {
        let labels = self.labels.as_ref().filter(|labels| labels.topic == topic);
        labels.map_or(self.events.breaker, |labels| labels.breaker)
    }

    /// How the records of a topic are written.
    pub fn format(&self, topic: &str) -> Format {
        let labels = self.labels.as_ref().filter(|labels| labels.topic == topic);
        match labels {
            Some(labels) => labels.format,
            None if self.events.topic == topic => self.events.format,
            None => Format::Avro,
        }
    }
}

/// When a validator stops instead of filling the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Dead letters in a row, with nothing accepted between.
    pub consecutive_max: u64,
    /// Share of a window's records that may be dead letters.
    pub share_max_percent: u64,
    /// Records of a window.
    pub window_records: u64,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { consecutive_max: 10_000, share_max_percent: 50, window_records: 50_000 }
    }
}

/// The source of events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSource {
    /// Name in the pipeline file.
    pub name: String,
    /// Topic it is read from.
    pub topic: String,
    /// Partitions of that topic.
    pub partitions: u32,
    /// Whether the file says so of this source; a topic that is there has as many as it has otherwise.
    pub partitions_declared: bool,
    /// Its schema.
    pub schema: SourceSchema,
    /// How its records are written.
    pub format: Format,
    /// Column with the event id.
    pub id: String,
    /// Column with the event time.
    pub event_time: String,
    /// SQL rules in declared order.
    pub rules: Vec<Rule>,
    /// Bounds on single columns in declared order.
    pub fields: Vec<FieldRule>,
    /// When there are too many dead letters.
    pub breaker: BreakerLimits,
    /// How far event time may lie ahead of the broker's append time.
    pub max_future_us: i64,
    /// Within what span of event time a repeated id is a duplicate.
    pub dedupe_horizon_us: i64,
}

/// Field of a log's event with the names of rules that it failed and that did not reject it.
pub const FAILED_RULES: &str = "failed_rules";
/// Field of a log's event with the names of the columns whose values were replaced.
pub const IMPUTED_FIELDS: &str = "imputed_fields";

impl EventSource {
    /// Whether an event may go on although it failed a rule.
    pub fn is_flagged(&self) -> bool {
        let fields = self.fields.iter();
        self.rules.iter().any(|rule| rule.on_fail != OnFail::Reject)
            || fields.clone().any(|field| field.on_fail != OnFail::Reject || field.on_null == OnNull::Impute)
    }

    /// The schema of events in the logs: the source's, and behind its fields what was found on the way.
    pub fn carried(&self) -> Value {
        let mut schema = self.schema.json.clone();
        if self.is_flagged()
            && let Some(fields) = schema.get_mut("fields").and_then(Value::as_array_mut)
        {
            let names = json!(["null", {"type": "array", "items": "string"}]);
            let field = |name: &str, doc: &str| json!({"name": name, "doc": doc, "type": names, "default": null});
            fields.push(field(
                FAILED_RULES,
                "Rules that the event failed and that let it pass; null where it failed none.",
            ));
            fields.push(field(IMPUTED_FIELDS, "Fields whose values were replaced; null where none was."));
        }
        schema
    }
}

/// A named SQL condition that every event must meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Name; it becomes the detail of the dead letter.
    pub name: String,
    /// A boolean expression over the source's columns.
    pub check: Expression,
    /// What happens to an event for which it is not true.
    pub on_fail: OnFail,
    /// Whether null, which is neither true nor false, passes.
    pub null_passes: bool,
    /// What is put in place of columns, with [`OnFail::Impute`].
    pub imputes: Vec<Impute>,
}

/// A column whose value is replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Impute {
    /// The column.
    pub column: String,
    /// What stands there instead, over the columns of the event.
    pub value: Expression,
}

/// What happens to an event that fails a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// It becomes a dead letter.
    #[default]
    Reject,
    /// It goes on, with the name of the rule.
    Flag,
    /// It goes on with other values, and with the names of the rule and of the columns.
    Impute,
}

/// What happens to an event whose column is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    /// It goes on if the schema allows null.
    Keep,
    /// It becomes a dead letter.
    Reject,
    /// It goes on with another value; NaN and infinities are replaced, too.
    Impute,
}

/// Bounds on one column.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRule {
    /// The column.
    pub column: String,
    /// Least value allowed.
    pub min: Option<f64>,
    /// Greatest value allowed.
    pub max: Option<f64>,
    /// The only values allowed, as canonical text; `None` allows all.
    pub allowed: Option<Vec<String>>,
    /// What happens to an event that is out of these bounds.
    pub on_fail: OnFail,
    /// What happens to one without a value.
    pub on_null: OnNull,
    /// What is put in place of the value, where one of the two says so.
    pub impute: Option<Impute>,
    /// Where it stands in the file.
    pub span: Span,
}

/// The source of late labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSource {
    /// Name in the pipeline file.
    pub name: String,
    /// Topic it is read from.
    pub topic: String,
    /// Partitions of that topic.
    pub partitions: u32,
    /// Whether the file says so of this source; a topic that is there has as many as it has otherwise.
    pub partitions_declared: bool,
    /// Its schema.
    pub schema: SourceSchema,
    /// How its records are written.
    pub format: Format,
    /// When there are too many dead letters.
    pub breaker: BreakerLimits,
    /// Name of the event source it labels.
    pub events: String,
    /// Column with the id of the labelled event.
    pub id: String,
    /// Column with the label.
    pub target: String,
    /// Its values as canonical texts where they are classes: the first one travels as 0, the next as 1, and so on.
    pub classes: Vec<String>,
    /// Column with the time the label became known; absent, the append time stands for it.
    pub known_time: Option<String>,
    /// How long an event waits for its label.
    pub horizon_us: i64,
    /// Which of several labels for one event counts.
    pub policy: LabelPolicy,
}

/// Which of several labels for one event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelPolicy {
    /// The first in the log; later ones that say something else come to nothing.
    First,
    /// The one that became known last: it corrects the outcome.
    Last,
}
