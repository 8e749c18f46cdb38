//! What one source is: its topic, its schema, and which columns carry id, time, key and target.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use flow::config::{Format, JsonFormat, Pipeline, SourceSchema};
use flow::plan::Names;
use schemas::codec;
use schemas::key::is_key_type;
use serde_json::Value;

/// Why a source cannot be validated as declared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The schema cannot be used.
    #[error("schema of topic {topic}: {source}")]
    Schema {
        /// The source's topic.
        topic: String,
        /// What the codec says.
        source: codec::Error,
    },
    /// A column is missing or of a type that its role does not allow.
    #[error("column `{column}` cannot be the {role} of topic {topic}: {detail}")]
    Column {
        /// The source's topic.
        topic: String,
        /// The column.
        column: String,
        /// What it was to be.
        role: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A rule's SQL cannot be used.
    #[error("rule `{name}` of topic {topic} cannot be used: {detail}")]
    Rule {
        /// The source's topic.
        topic: String,
        /// The rule.
        name: String,
        /// What DataFusion says.
        detail: String,
    },
    /// Its retries cannot be judged.
    #[error("retries of topic {topic} cannot be judged: {detail}")]
    Retries {
        /// The source's topic.
        topic: String,
        /// What is wrong.
        detail: String,
    },
    /// A stored rule set cannot be read.
    #[error("a stored rule set cannot be read ({detail}); run the release that wrote it")]
    Rules {
        /// What the parser says.
        detail: String,
    },
}

/// Which columns of a source mean what, by their position.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Events: the column of the event time, the first entity's key, and all entities' keys.
    Events { time: usize, key: usize, keys: Vec<usize> },
    /// Labels: the column of the label, what its values may be, and the column of the time it became known.
    Labels { target: usize, values: Values, known: Option<usize> },
}

/// What a label is.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// A number, as it is.
    Number,
    /// One of these classes, which travels as its place in their order.
    Classes(Arc<Classes>),
}

/// Classes in order.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) words: Vec<String>,
    pub(crate) places: HashMap<String, usize>,
}

impl Classes {
    fn new(words: &[String]) -> Self {
        let places = words.iter().enumerate().map(|(place, word)| (word.clone(), place));
        Self { words: words.to_vec(), places: places.collect() }
    }
}

/// A source of events or labels.
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) pipeline: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) dead: Arc<str>,
    pub(crate) late: Arc<str>,
    pub(crate) json: Value,
    pub(crate) text: String,
    pub(crate) schema: SchemaRef,
    pub(crate) id: usize,
    pub(crate) kind: Kind,
    pub(crate) format: Format,
}

impl Source {
    /// The event source of a pipeline.
    pub fn events(pipeline: &Pipeline) -> Result<Self, Error> {
        let source = &pipeline.events;
        let columns = Columns::new(&source.topic, &source.schema)?;
        let key = |name: &str| columns.find(name, "entity key", is_key_type, "keys are texts, integers or booleans");
        let keys = pipeline.features.entities.iter().map(|entity| key(&entity.key)).collect::<Result<Vec<_>, _>>()?;
        let time = columns.find(&source.event_time, "event time", is_time, "times are timestamps")?;
        let first = keys.first().copied();
        let id = columns.find(&source.id, "event id", is_key_type, "ids are texts, integers or booleans")?;
        let kind = Kind::Events { time, key: first.unwrap_or(id), keys };
        Ok(columns.source(pipeline, id, kind))
    }

    /// The label source of a pipeline, if it has one.
    pub fn labels(pipeline: &Pipeline) -> Result<Option<Self>, Error> {
        let Some(source) = &pipeline.labels else { return Ok(None) };
        let columns = Columns::new(&source.topic, &source.schema)?;
        let id = columns.find(&source.id, "event id", is_key_type, "ids are texts, integers or booleans")?;
        let find = |fits, need| columns.find(&source.target, "label", fits, need);
        let (target, values) = match &source.classes[..] {
            [] => (find(is_number, "labels are booleans or numbers")?, Values::Number),
            words => {
                let target = find(is_key_type, "labels with classes are texts, integers or booleans")?;
                (target, Values::Classes(Arc::new(Classes::new(words))))
            }
        };
        let known = source.known_time.as_ref();
        let known = known.map(|name| columns.find(name, "known time", is_time, "times are timestamps")).transpose()?;
        Ok(Some(columns.source(pipeline, id, Kind::Labels { target, values, known })))
    }

    /// The topic it is read from.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Its Avro schema.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The Arrow schema its records decode to.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether its records are labels.
    pub fn is_labels(&self) -> bool {
        matches!(self.kind, Kind::Labels { .. })
    }

    /// A text that names everything but the rules by which this source's records become items.
    pub(crate) fn signature(&self) -> String {
        let name = |column: usize| self.schema.field(column).name().as_str();
        let read = match self.format {
            Format::Avro => String::new(),
            Format::Json(JsonFormat { times, .. }) => format!(" json {times:?}"),
        };
        match &self.kind {
            Kind::Events { time, key, .. } => {
                format!("events {} id {} time {} key {}{read}", self.topic, name(self.id), name(*time), name(*key))
            }
            Kind::Labels { target, values, known } => {
                let (known, target) = (known.map_or("", name), name(*target));
                let classes = match values {
                    Values::Number => String::new(),
                    Values::Classes(classes) => format!(" classes {:?}", classes.words),
                };
                format!("labels {} id {} target {target} known {known}{classes}{read}", self.topic, name(self.id))
            }
        }
    }
}

/// A source's columns while their roles are looked up.
struct Columns<'a> {
    topic: &'a str,
    json: &'a Value,
    text: String,
    schema: SchemaRef,
}

impl<'a> Columns<'a> {
    fn new(topic: &'a str, schema: &'a SourceSchema) -> Result<Self, Error> {
        let text = schema.json.to_string();
        let arrow = codec::arrow_schema(&text).map_err(|source| Error::Schema { topic: topic.to_owned(), source })?;
        Ok(Columns { topic, json: &schema.json, text, schema: arrow })
    }

    fn find(&self, column: &str, role: &'static str, fits: fn(&DataType) -> bool, need: &str) -> Result<usize, Error> {
        let wrong = |detail: String| {
            let (topic, column) = (self.topic.to_owned(), column.to_owned());
            Error::Column { topic, column, role, detail }
        };
        let Some((at, field)) = self.schema.fields().find(column) else {
            return Err(wrong("the schema has no such field".into()));
        };
        if fits(field.data_type()) {
            return Ok(at);
        }
        Err(wrong(format!("{need}, and it is {}", field.data_type())))
    }

    fn source(self, pipeline: &Pipeline, id: usize, kind: Kind) -> Source {
        Source {
            pipeline: pipeline.name.as_str().into(),
            topic: self.topic.into(),
            dead: Names::dead_letters(self.topic).into(),
            late: Names::late(self.topic).into(),
            json: self.json.clone(),
            text: self.text,
            schema: self.schema,
            id,
            kind,
            format: pipeline.format(self.topic),
        }
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

fn is_number(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64)
}
