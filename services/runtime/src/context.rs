//! What every service of a pipeline is given: the log, the schema registry, the pipeline and its plan.

use crate::log::{self, Log, TopicSpec};
use flow::config::Pipeline;
use flow::names::Names;
use flow::plan::{Plan, Topic, schema_text};
use flow::task::SchemaSource;
use flow::wire::{LogReader, LogWriter};
use schemas::codec::Encoder;
use schemas::registry::{SchemaRegistry, Unavailable, value_subject};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tracing::warn;

/// Pause between two questions to a registry that is down.
const REGISTRY_RETRY_MS: u64 = 1_000;

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
}

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
    /// The registry refused a schema.
    #[error(transparent)]
    Register(#[from] schemas::registry::RegisterError),
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

impl Context {
    /// Surroundings for the services of a pipeline.
    pub fn new(log: Arc<dyn Log>, schemas: Arc<dyn SchemaRegistry>, pipeline: Pipeline, plan: Plan) -> Self {
        let names = plan.numbered();
        Context { log, schemas, pipeline: Arc::new(pipeline), plan: Arc::new(plan), names: Arc::new(names) }
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

    /// The text of a topic's planned schema.
    pub fn schema(&self, name: &str) -> Result<String, Error> {
        let unregistered = || Error::Unregistered { topic: name.to_owned() };
        Ok(schema_text(self.topic(name)?.schema.as_ref().ok_or_else(unregistered)?))
    }

    /// The id under which the topic's planned schema was registered. Services look up, only `apply` registers.
    pub fn schema_id(&self, name: &str) -> Result<u32, Error> {
        let subject = value_subject(name);
        let found = wait(|| self.schemas.latest(&subject));
        found.map(|(id, _)| id).ok_or_else(|| Error::Unregistered { topic: name.to_owned() })
    }

    /// A reader of an internal log.
    pub fn reader(&self, name: &str) -> Result<LogReader, Error> {
        Ok(LogReader::new(&self.schema(name)?, self.names.clone())?)
    }

    /// A writer of an internal log.
    pub fn writer(&self, name: &str) -> Result<LogWriter, Error> {
        Ok(LogWriter::new(&self.schema(name)?, self.schema_id(name)?, self.names.clone())?)
    }

    /// An encoder for a public topic's records.
    pub fn encoder(&self, name: &str) -> Result<Encoder, Error> {
        let schema = schemas::codec::arrow_schema(&self.schema(name)?)?;
        Ok(Encoder::new(&schema, self.schema_id(name)?)?)
    }

    /// Schemas by id, waiting for a registry that is down.
    pub fn schema_source(&self) -> Arc<dyn SchemaSource> {
        Arc::new(Stalling(self.schemas.clone()))
    }

    /// What the topics of the plan are created as.
    pub fn topic_specs(&self) -> Vec<TopicSpec> {
        let spec = |topic: &Topic| TopicSpec {
            name: topic.name.clone(),
            partitions: topic.partitions as i32,
            compacted: topic.compacted,
            public: !topic.internal,
            retention_ms: None,
        };
        self.plan.topics.iter().map(spec).collect()
    }
}

/// A schema source that waits for its registry: a registry that is down stalls, it never decides.
struct Stalling(Arc<dyn SchemaRegistry>);

impl SchemaSource for Stalling {
    fn schema(&self, id: u32) -> Option<Arc<str>> {
        wait(|| self.0.by_id(id))
    }
}

fn wait<T>(ask: impl Fn() -> Result<T, Unavailable>) -> T {
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => {
                warn!(%error, "waiting for the schema registry; nothing is lost or dead-lettered meanwhile");
                thread::sleep(Duration::from_millis(REGISTRY_RETRY_MS));
            }
        }
    }
}
