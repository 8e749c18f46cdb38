//! The validator as a service: a task per source partition, decisions in the registry, and what needs a clock: marks of
//! quiet partitions, and waiting for partitions that are behind.

mod decisions;
mod patience;
mod progress;
mod quiet;
mod service;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use flow::config::Pipeline;
use flow::plan::Plan;
use registry::decisions::Decisions;
use runtime::log::{self, Log};
use runtime::shell::{self, Stats};
use schemas::registry::SchemaRegistry;

pub use service::ValidatorService;

/// How far a partition may run ahead of the slowest active one, in event time, before it waits.
pub const AHEAD_MAX_US: i64 = 86_400_000_000;

/// What the service works with.
#[derive(Clone)]
pub struct Context {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Schemas of the topics.
    pub schemas: Arc<dyn SchemaRegistry>,
    /// Decisions that hold for every process.
    pub decisions: Decisions,
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Its topics and tasks.
    pub plan: Arc<Plan>,
    /// Set to end the service.
    pub stop: Arc<AtomicBool>,
}

/// How the service is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// After how much silence a source partition no longer holds the others back.
    pub idle_timeout: Duration,
    /// How far a partition may run ahead of the slowest active one in event time; used where events are held.
    pub ahead_max_us: i64,
    /// Dead letters in a row after which the service stops.
    pub dead_letters_max: u64,
    /// Whether outputs must be on disk before they count as published (embedded log).
    pub durable: bool,
    /// Counters for the metrics page.
    pub stats: Arc<Stats>,
}

impl Options {
    /// What the pipeline file says, and defaults for the rest.
    pub fn new(pipeline: &Pipeline) -> Self {
        Options {
            idle_timeout: Duration::from_micros(pipeline.idle_timeout_us.max(0).unsigned_abs()),
            ahead_max_us: AHEAD_MAX_US,
            dead_letters_max: validation::breaker::CONSECUTIVE_MAX,
            durable: false,
            stats: Arc::new(Stats::new(validation::dead::SERVICE)),
        }
    }
}

/// Why the service cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source cannot be validated as declared.
    #[error(transparent)]
    Source(#[from] validation::source::Error),
    /// A topic has no schema, or another one than the pipeline wants.
    #[error("the schema of topic {topic} {detail}; run `tidemill apply` with this pipeline file")]
    Schema {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Our own schema of a topic cannot be used.
    #[error("cannot code records of topic {topic}: {detail}")]
    Codec {
        /// The topic.
        topic: String,
        /// What the codec says.
        detail: String,
    },
    /// Rules cannot be stored.
    #[error(transparent)]
    Decisions(#[from] registry::decisions::Error),
    /// The log failed before the service ran.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The shell ended.
    #[error(transparent)]
    Shell(#[from] shell::Error),
    /// The service was stopped while it waited for the outside world.
    #[error("stopped while waiting for {what}")]
    Stopped {
        /// What it waited for.
        what: String,
    },
}

/// Runs the validator until it is stopped or something ends it.
pub fn run(context: Context, options: Options) -> Result<(), Error> {
    let (log, stop) = (context.log.clone(), context.stop.clone());
    let shell = service::shell_options(&context, &options);
    let mut service = ValidatorService::new(context, options)?;
    Ok(shell::run(&*log, &shell, &mut service, &stop)?)
}
