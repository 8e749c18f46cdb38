//! The plan: which topics and tasks follow from a pipeline.

pub mod asyncapi;
mod delivery;
pub mod graph;
mod left;
mod lookup;
mod names;
mod render;
mod tasks;
#[cfg(test)]
mod tests;
mod topics;

pub use arrow::datatypes::SchemaRef;
pub use left::LeftBehind;
pub use lookup::{Error, number};
pub use names::Names;
pub use render::schema_text;

use serde_json::Value;

use crate::config::Pipeline;

/// Everything that has to exist for a pipeline to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Short id of the feature set: `f1`.
    pub feature_set: String,
    /// Generation of the internal logs, raised by a rebuild or a repartition.
    pub generation: u32,
    /// Features logs of the generations that were repartitioned into this one, oldest first: it goes on from them.
    pub features_before: Vec<String>,
    /// The names by role, for code that needs one topic in particular.
    pub names: Names,
    /// Featurizer stages in chain order.
    pub stages: Vec<Stage>,
    /// All topics, in the order an event meets them.
    pub topics: Vec<Topic>,
    /// All tasks, in the same order.
    pub tasks: Vec<Task>,
}

impl Plan {
    /// The topic called `name`, if the plan has it.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// The topics by number, as items and marks name them; internal logs with their generation.
    pub fn numbered(&self) -> crate::names::Names {
        let generation = |topic: &Topic| if topic.kind == Kind::Log { self.generation.cast_signed() } else { 0 };
        crate::names::Names::new(self.topics.iter().map(|topic| (topic.name.as_str(), generation(topic))))
    }

    /// Consumer group of a service that has one task at most, whether this pipeline has that task or not.
    pub fn group(&self, service: Service) -> String {
        let task = self.tasks_of(service).find(|task| task.name.is_none());
        task.map_or_else(|| tasks::group(&self.pipeline, service), |task| task.group_id.clone())
    }

    /// The tasks of one service, in order.
    pub fn tasks_of(&self, service: Service) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(move |task| task.service == service)
    }
}

/// One stage of the featurizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its entity.
    pub entity: String,
    /// The log it reads.
    pub reads: String,
    /// The log it writes: the next entity's, at the end the features log.
    pub writes: String,
    /// Features that arrive with an event.
    pub features_in: Vec<String>,
    /// Features that leave with it.
    pub features_out: Vec<String>,
    /// Whether the journal sends labelled events to its log.
    pub label_derived: bool,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events or labels that others publish.
    Source,
    /// An internal log, one record per batch.
    Log,
    /// Counts that monitors judge: internal like a log, but each record stands for itself.
    Sketches,
    /// Predictions.
    Predictions,
    /// Predictions with their labels.
    Outcomes,
    /// Labels that came to nothing.
    Refusals,
    /// Drift reports.
    Drift,
    /// Incidents.
    Alerts,
    /// Announced models.
    Models,
    /// Retraining requests and results.
    Retraining,
    /// Readiness reports and control requests.
    Control,
    /// Ledger counters.
    Ledger,
    /// Dead letters.
    Dlq,
    /// Dead letters that were published again.
    Retry,
    /// Late records.
    Late,
    /// Progress that validators share.
    Progress,
}

impl Kind {
    /// Its word in topic names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "events",
            Self::Log => "log",
            Self::Sketches => "sketches",
            Self::Predictions => "predictions",
            Self::Outcomes => "outcomes",
            Self::Refusals => "refusals",
            Self::Drift => "drift",
            Self::Alerts => "alerts",
            Self::Models => "models",
            Self::Retraining => "retraining",
            Self::Control => "control",
            Self::Ledger => "ledger",
            Self::Dlq => "dlq",
            Self::Retry => "retry",
            Self::Late => "late",
            Self::Progress => "progress",
        }
    }
}

/// What a topic's records are keyed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The column of this name, as canonical text.
    Column(String),
    /// Whatever the source record's key was.
    AsSource,
    /// A field of the record itself that is no column of the source; or several, with what stands between them:
    /// `model@version`.
    Field(&'static str),
    /// Batches have no key; their partition is the key group's.
    KeyGroup,
}

/// One topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Whether only our own services may read and write it.
    pub internal: bool,
    /// How many partitions it has.
    pub partitions: u32,
    /// Whether only the last record per key is kept.
    pub compacted: bool,
    /// What its records are keyed by.
    pub key: Key,
    /// Schema of its values; `None` where they are somebody else's bytes (dead letters, retries, late records).
    pub schema: Option<Value>,
}

/// The services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Judges source records.
    Validator,
    /// Computes features; runs the journal.
    Featurizer,
    /// Scores.
    Scorer,
    /// Watches for drift.
    Monitor,
    /// Trains.
    Trainer,
    /// Writes everything to the offline store.
    Archiver,
}

impl Service {
    /// Its name on the command line and in group ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Featurizer => "featurizer",
            Self::Scorer => "scorer",
            Self::Monitor => "monitor",
            Self::Trainer => "trainer",
            Self::Archiver => "archiver",
        }
    }
}

/// One task: what one consumer group does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whose it is.
    pub service: Service,
    /// Its name within the service; `None` where the service has just one.
    pub name: Option<String>,
    /// Consumer group id: `<pipeline>.<service>[.<task>]`.
    pub group_id: String,
    /// Topics it reads as a member of its group. A stateful task has exactly one.
    pub reads: Vec<String>,
    /// Topics it watches from their beginning, outside the group and without influence on its results.
    pub follows: Vec<String>,
    /// Topics it writes.
    pub writes: Vec<String>,
}

/// Generation of the internal logs of a pipeline that was never rebuilt.
pub const FIRST_GENERATION: u32 = 1;

/// The plan of a pipeline in its first generation.
pub fn plan(pipeline: &Pipeline) -> Plan {
    plan_generation(pipeline, FIRST_GENERATION)
}

/// The plan of a pipeline whose internal logs are in the given generation.
pub fn plan_generation(pipeline: &Pipeline, generation: u32) -> Plan {
    let names = Names::new(pipeline, generation);
    let stages = stages(pipeline, &names);
    Plan {
        pipeline: pipeline.name.clone(),
        feature_set: pipeline.features.id(),
        generation,
        features_before: Vec::new(),
        topics: topics::topics(pipeline, &names),
        tasks: tasks::tasks(pipeline, &names, &stages),
        names,
        stages,
    }
}

fn stages(pipeline: &Pipeline, names: &Names) -> Vec<Stage> {
    let features = &pipeline.features;
    let following = names.entity_logs.iter().skip(1).chain([&names.features_log]);
    let chain = features.entities.iter().zip(&names.entity_logs).zip(following).enumerate();
    chain
        .map(|(index, ((entity, reads), writes))| Stage {
            entity: entity.name.clone(),
            reads: reads.clone(),
            writes: writes.clone(),
            features_in: features.names_before(index),
            features_out: features.names_before(index + 1),
            label_derived: entity.label_derived,
        })
        .collect()
}
