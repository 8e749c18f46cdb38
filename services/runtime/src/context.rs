//! What every service of a pipeline is given: the log, the schema registry, the pipeline and its plan.

use crate::changes::Refused;
use crate::log::{self, Log, TopicPartition, TopicSpec};
use crate::patience::{Patience, Stopped};
use flow::config::{Format, Pipeline, Retention};
use flow::names::Names;
use flow::plan::{Kind, Plan, SchemaRef, Topic, schema_text};
use flow::task::SchemaSource;
use flow::wire::{LogReader, LogWriter};
use schemas::codec::Encoder;
use schemas::registry::{RegisterError, SchemaRegistry, is_same, value_subject};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// What services wait for when a schema is wanted.
const REGISTRY: &str = "the schema registry";

/// The surroundings of a service. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The cluster or the embedded log.
    pub log: Arc<dyn Log>,
    /// The schema registry.
    pub schemas: Arc<dyn SchemaRegistry>,
    /// The checked pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Topics and tasks.
    pub plan: Arc<Plan>,
    /// Topics by number.
    pub names: Arc<Names>,
    /// Texts of the plan's schemas, for all tasks.
    pub rendered: Arc<Rendered>,
    /// Set to end the services; it also ends their waiting for a registry that is down.
    pub stop: Arc<AtomicBool>,
}

/// Texts of the schemas of a plan's topics, made when they are first wanted.
#[derive(Debug, Default)]
pub struct Rendered(Mutex<HashMap<String, Arc<str>>>);

/// Why a service cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan has no such topic.
    #[error("the plan of pipeline {pipeline} has no topic {topic}")]
    Topic {
        /// The pipeline.
        pipeline: String,
        /// The topic.
        topic: String,
    },
    /// The topic's schema is not registered.
    #[error("topic {topic} has no schema in the registry; run `tidemill apply`")]
    Unregistered {
        /// The topic.
        topic: String,
    },
    /// The topic's newest schema is another one than the plan's, and nothing may be written under its id.
    #[error(
        "the schema of topic {topic} is registered, but is not this pipeline's; run `tidemill apply` with this pipeline file"
    )]
    Foreign {
        /// The topic.
        topic: String,
    },
    /// The service was stopped while it waited for a registry.
    #[error("stopped while waiting for {REGISTRY}")]
    Stopped,
    /// The registry refused a schema.
    #[error(transparent)]
    Register(#[from] schemas::registry::RegisterError),
    /// Changes that are not made, and so none is.
    #[error("{}", lines(.0))]
    Refused(Vec<Refused>),
    /// The codec refused a schema.
    #[error(transparent)]
    Codec(#[from] schemas::codec::Error),
    /// The codec of internal logs refused a schema.
    #[error(transparent)]
    Wire(#[from] flow::wire::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
}

fn lines(all: &[Refused]) -> String {
    all.iter().map(Refused::to_string).collect::<Vec<_>>().join("\n")
}

impl Context {
    /// Surroundings for the services of a pipeline.
    pub fn new(log: Arc<dyn Log>, schemas: Arc<dyn SchemaRegistry>, pipeline: Pipeline, plan: Plan) -> Self {
        let names = plan.numbered();
        let (pipeline, plan, names) = (Arc::new(pipeline), Arc::new(plan), Arc::new(names));
        Context { log, schemas, pipeline, plan, names, rendered: Arc::default(), stop: Arc::default() }
    }

    /// The same surroundings for services that this flag ends.
    pub fn stopped_by(self, stop: Arc<AtomicBool>) -> Self {
        Context { stop, ..self }
    }

    /// A topic of the plan.
    pub fn topic(&self, name: &str) -> Result<&Topic, Error> {
        self.plan
            .topic(name)
            .ok_or_else(|| Error::Topic { pipeline: self.pipeline.name.clone(), topic: name.to_owned() })
    }

    /// The number of a topic.
    pub fn number(&self, name: &str) -> Result<u16, Error> {
        self.names
            .number(name)
            .ok_or_else(|| Error::Topic { pipeline: self.pipeline.name.clone(), topic: name.to_owned() })
    }

    /// The partitions of a topic in order, each with the first offset that it holds and the one behind its last. Those
    /// that `apply` is to add are not among them.
    pub fn bounds(&self, name: &str) -> Result<Vec<(TopicPartition, i64, i64)>, Error> {
        let topic: Arc<str> = name.into();
        let bounds = |partition| {
            let tp = TopicPartition::new(topic.clone(), partition);
            let (start, end) = self.log.watermarks(&tp)?;
            Ok((tp, start, end))
        };
        let planned = self.topic(name)?.partitions.cast_signed();
        let there = self.log.partitions(name)?.unwrap_or(planned);
        (0..planned.min(there)).map(bounds).collect()
    }

    /// The text of a topic's planned schema.
    pub fn schema(&self, name: &str) -> Result<String, Error> {
        Ok(self.text(name)?.to_string())
    }

    fn text(&self, name: &str) -> Result<Arc<str>, Error> {
        let mut known = self.rendered.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.get(name) {
            return Ok(text.clone());
        }
        let unregistered = || Error::Unregistered { topic: name.to_owned() };
        let text: Arc<str> = schema_text(self.topic(name)?.schema.as_ref().ok_or_else(unregistered)?).into();
        known.insert(name.to_owned(), text.clone());
        Ok(text)
    }

    fn arrow_schema(&self, name: &str) -> Result<SchemaRef, Error> {
        Ok(schemas::codec::arrow_schema(&self.text(name)?)?)
    }

    /// The id under which the topic's planned schema was registered. Services look up, only `apply` registers.
    pub fn schema_id(&self, name: &str) -> Result<u32, Error> {
        Ok(self.registered(name)?.0)
    }

    /// The same, for writing: what is registered there must be the planned schema.
    pub fn own_schema_id(&self, name: &str) -> Result<u32, Error> {
        let (id, text) = self.registered(name)?;
        let planned = self.topic(name)?.schema.as_ref();
        let parsed = || serde_json::from_str::<Value>(&text).is_ok_and(|found| Some(&found) == planned);
        if text == self.text(name)? || parsed() {
            return Ok(id);
        }
        self.earlier_id(name)?.ok_or_else(|| Error::Foreign { topic: name.to_owned() })
    }

    /// The id of a source's planned schema where those who publish have gone on to a newer one.
    pub fn earlier_id(&self, name: &str) -> Result<Option<u32>, Error> {
        if self.topic(name)?.kind != Kind::Source {
            return Ok(None);
        }
        let (subject, own) = (value_subject(name), self.text(name)?);
        let history = self.schemas.history(&subject).map_err(RegisterError::from)?;
        match history.iter().find(|known| is_same(known, &own)) {
            // What is registered already gives its id.
            Some(known) => Ok(Some(self.schemas.register(&subject, known)?)),
            None => Ok(None),
        }
    }

    fn registered(&self, name: &str) -> Result<(u32, Arc<str>), Error> {
        let subject = value_subject(name);
        let found = Patience::new(self.stop.clone()).until(REGISTRY, || self.schemas.latest(&subject));
        let found = found.map_err(|Stopped| Error::Stopped)?;
        found.ok_or_else(|| Error::Unregistered { topic: name.to_owned() })
    }

    /// A reader of an internal log.
    pub fn reader(&self, name: &str) -> Result<LogReader, Error> {
        Ok(LogReader::new(&self.text(name)?, self.names.clone())?)
    }

    /// A writer of an internal log.
    pub fn writer(&self, name: &str) -> Result<LogWriter, Error> {
        let id = self.own_schema_id(name)?;
        Ok(LogWriter::with(self.arrow_schema(name)?, id, self.names.clone())?)
    }

    /// An encoder for a public topic's records.
    pub fn encoder(&self, name: &str) -> Result<Encoder, Error> {
        let (id, schema) = (self.own_schema_id(name)?, self.arrow_schema(name)?);
        match self.pipeline.format(name) {
            Format::Avro => Ok(Encoder::new(&schema, id)?),
            Format::Json(_) => Ok(Encoder::json(&schema)),
        }
    }

    /// Schemas by id, waiting for a registry that is down. Once the services are to end it knows no id any more, so
    /// whoever would decide something from that asks [`Context::stop`] first.
    pub fn schema_source(&self) -> Arc<dyn SchemaSource> {
        Arc::new(Stalling(self.schemas.clone(), Patience::new(self.stop.clone())))
    }

    /// What the topics of the plan are created as.
    pub fn topic_specs(&self) -> Vec<TopicSpec> {
        let spec = |topic: &Topic| {
            let spec = TopicSpec {
                compacted: topic.compacted,
                public: !topic.internal,
                ..TopicSpec::new(topic.name.clone(), topic.partitions as i32)
            };
            match self.pipeline.retention.of(topic) {
                Some(Retention { time_us, bytes }) => spec.declared(time_us.map(|us| us / 1_000), bytes),
                None => spec,
            }
        };
        self.plan.topics.iter().map(spec).collect()
    }
}

/// A schema source that waits for its registry: a registry that is down stalls, it never decides.
struct Stalling(Arc<dyn SchemaRegistry>, Patience);

impl SchemaSource for Stalling {
    fn schema(&self, id: u32) -> Option<Arc<str>> {
        self.1.until(REGISTRY, || self.0.by_id(id)).unwrap_or_default()
    }
}
