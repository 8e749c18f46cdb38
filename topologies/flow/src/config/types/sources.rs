//! Sources as checked: topics, schemas, ids, times and rules.

use schemas::json::{TimeUnit, Unknown};
use serde_json::Value;

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

/// The source of events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSource {
    /// Name in the pipeline file.
    pub name: String,
    /// Topic it is read from.
    pub topic: String,
    /// Partitions of that topic.
    pub partitions: u32,
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
    /// How far event time may lie ahead of the broker's append time.
    pub max_future_us: i64,
    /// Within what span of event time a repeated id is a duplicate.
    pub dedupe_horizon_us: i64,
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
}

/// What happens to an event that fails a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// It becomes a dead letter.
    Reject,
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
    /// Whether null is refused although the schema allows it.
    pub required: bool,
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
    /// Its schema.
    pub schema: SourceSchema,
    /// How its records are written.
    pub format: Format,
    /// Name of the event source it labels.
    pub events: String,
    /// Column with the id of the labelled event.
    pub id: String,
    /// Column with the label.
    pub target: String,
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
    /// The first; later ones are counted and change nothing.
    First,
}
