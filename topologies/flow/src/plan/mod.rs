//! The plan: which topics and tasks follow from a pipeline.

use serde_json::Value;

use crate::config::Pipeline;

/// Everything that has to exist for a pipeline to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Short id of the feature set: `f1`.
    pub feature_set: String,
    /// Generation of the internal logs, raised by a rebuild.
    pub generation: u32,
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

    /// The tasks of one service, in order.
    pub fn tasks_of(&self, service: Service) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(move |task| task.service == service)
    }
}

/// Topic names by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Topic of the event source.
    pub events: String,
    /// Topic of the label source, where there is one.
    pub labels: Option<String>,
    /// Log of each entity, in chain order.
    pub entity_logs: Vec<String>,
    /// Log with all features.
    pub features_log: String,
    /// Log that pairs events, labels and predictions.
    pub journal_log: String,
    /// Predictions.
    pub predictions: String,
    /// Predictions with their labels.
    pub outcomes: String,
    /// Drift reports.
    pub drift: String,
    /// Incidents.
    pub alerts: String,
    /// Retraining requests and results.
    pub retraining: String,
    /// Announced models.
    pub models: String,
    /// Readiness reports and control requests.
    pub control: String,
    /// Ledger counters.
    pub ledger: String,
    /// Progress that validators share.
    pub progress: String,
}

impl Names {
    /// Dead letters of `source_topic`, as the validator writes them.
    pub fn dead_letters(source_topic: &str) -> String {
        format!("{source_topic}.validator.dlq")
    }

    /// Late records of `source_topic`.
    pub fn late(source_topic: &str) -> String {
        format!("{source_topic}.late")
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
    /// Predictions.
    Predictions,
    /// Predictions with their labels.
    Outcomes,
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
    /// Late records.
    Late,
    /// Progress that validators share.
    Progress,
}

/// What a topic's records are keyed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The column of this name, as canonical text.
    Column(String),
    /// Whatever the source record's key was.
    AsSource,
    /// A field of the record itself that is no column of the source.
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
    /// Schema of its values; `None` where values are somebody else's bytes.
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

/// One task: what one consumer group does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whose it is.
    pub service: Service,
    /// Its name within the service; `None` where the service has just one.
    pub name: Option<String>,
    /// Consumer group id: `<pipeline>.<service>[.<task>]`.
    pub group_id: String,
    /// Topics it reads.
    pub reads: Vec<String>,
    /// Topics it writes.
    pub writes: Vec<String>,
}

/// The plan of a pipeline in its first generation.
pub fn plan(pipeline: &Pipeline) -> Plan {
    plan_generation(pipeline, FIRST_GENERATION)
}

/// Generation of the internal logs of a pipeline that was never rebuilt.
pub const FIRST_GENERATION: u32 = 1;

/// The plan of a pipeline whose internal logs are in the given generation.
pub fn plan_generation(pipeline: &Pipeline, generation: u32) -> Plan {
    let _ = (pipeline, generation);
    unreachable!("stub")
}
