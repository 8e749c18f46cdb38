//! The validator as a service: a task per source partition, decisions in the registry, and what needs a clock: marks of
//! quiet partitions, and waiting for partitions that are behind.

mod backlog;
mod decisions;
mod progress;
mod published;
mod quiet;
mod repair;
pub mod retry;
pub mod rules;
mod service;
mod shared;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use flow::config::Pipeline;
use registry::decisions::Decisions;
use runtime::context::{self, Context};
use runtime::log;
use runtime::parents;
use runtime::shell::{self, Gate, Stats};
use runtime::snapshot::Settings;

use backlog::Watch;

pub use backlog::{Limit as BacklogLimit, RECORDS_MAX as BACKLOG_RECORDS_MAX};
pub use progress::{Progress, Writer as ProgressWriter};
pub use published::Published;
pub use repair::fresh;
pub use service::ValidatorService;

/// How far a partition may run ahead of the slowest active one, in event time, before it waits.
pub const AHEAD_MAX_US: i64 = 86_400_000_000;

/// Tells the service how long partitions have been quiet.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// The computer's clock.
    pub fn system() -> Self {
        Clock::new(Instant::now)
    }

    /// A clock of one's own, as a simulation has.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    fn now(&self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How the service is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// After how much silence a source partition no longer holds the others back.
    pub idle_timeout: Duration,
    /// How far a partition may run ahead of the slowest active one in event time; used where events are held.
    pub ahead_max_us: i64,
    /// How far readers of the internal logs may be behind before the sources wait.
    pub backlog: BacklogLimit,
    /// Set while the sources wait for such a reader.
    pub behind: Arc<AtomicBool>,
    /// Whether outputs must be on disk before they count as published (embedded log).
    pub durable: bool,
    /// Shortest time between two polls.
    pub gather: Duration,
    /// Most records of one poll.
    pub poll_records_max: usize,
    /// Where state goes that is too long for a commit; without it such state stops the service.
    pub snapshots: Option<Settings>,
    /// Whether partitions may be begun.
    pub gate: Option<Gate>,
    /// What time it is.
    pub clock: Clock,
    /// Counters for the metrics page.
    pub stats: Arc<Stats>,
}

impl Options {
    /// What the pipeline file says, and defaults for the rest.
    pub fn new(pipeline: &Pipeline) -> Self {
        Options {
            idle_timeout: Duration::from_micros(pipeline.idle_timeout_us.max(0).unsigned_abs()),
            ahead_max_us: AHEAD_MAX_US,
            backlog: BacklogLimit::default(),
            behind: Arc::default(),
            durable: false,
            gather: Duration::from_millis(runtime::shell::GATHER_MS),
            poll_records_max: runtime::shell::POLL_RECORDS_MAX,
            snapshots: None,
            gate: None,
            clock: Clock::system(),
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
    /// A topic of the plan is missing, or has no schema or another one.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// What the logs' fences name cannot be looked up.
    #[error(transparent)]
    Parents(#[from] parents::Error),
    /// Rules cannot be stored.
    #[error(transparent)]
    Decisions(#[from] registry::decisions::Error),
    /// The log failed before the service ran.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The shell ended.
    #[error(transparent)]
    Shell(#[from] shell::Error),
}

/// Runs the validator until it is stopped ([`Context::stop`]) or something ends it.
pub fn run(context: Context, decisions: Decisions, options: Options) -> Result<(), Error> {
    let (log, stop) = (context.log.clone(), context.stop.clone());
    let mut service = ValidatorService::new(context.clone(), decisions, options.clone())?;
    let shell = service::shell_options(&context, &options)?;
    let _watch = Watch::start(&context, options.backlog, options.behind);
    Ok(shell::run(&*log, &shell, &mut service, &stop)?)
}
