//! What commands work in: the pipeline, the log, the schema registry and the store that the global options name.

mod places;
mod workshop;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flow::config::Pipeline;
use flow::plan::{FIRST_GENERATION, Kind, Names, Plan, Service, plan_generation};
use registry::decisions::Decisions;
use registry::generations::{Generation, Generations, Tenure};
use registry::models::Models;
use registry::store::Store;
use runtime::apply::Applied;
use runtime::cold::Spill;
use runtime::context::Context;
use runtime::log::Log;
use tempfile::TempDir;

use crate::changes::Changes;
use crate::cli::Global;
use crate::error::Error;
use crate::loading;
use crate::remote::Remote;
use crate::signals::Signals;

use places::{Opened, has_log, has_own_log, open_embedded, open_log, open_schemas, open_shared};
pub use places::{check_direct, check_store, open_store};
pub use workshop::Workshop;

/// The embedded log's folder in the data directory.
const LOG_DIR: &str = "log";
/// The store's folder in the data directory.
const STORE_DIR: &str = "store";
/// The folder in the data directory for state that does not fit into memory.
const COLD_DIR: &str = "cold";

/// Everything opened. Services and commands take from it what they need.
#[derive(Clone)]
pub struct Environment {
    /// Log, schemas, pipeline, plan.
    pub context: Context,
    /// The store behind registry, models and decisions.
    pub store: Store,
    /// Decisions that hold for every process.
    pub decisions: Decisions,
    /// The data directory.
    pub data: PathBuf,
    /// The brokers' addresses; none with the embedded log.
    pub brokers: Option<String>,
    /// Silence after which a source partition no longer holds the others back.
    pub idle_timeout: Duration,
    /// Shortest time between two polls of a service.
    pub gather: Duration,
    /// Most records that a task takes at once.
    pub poll_records_max: usize,
    /// Time between two snapshots of a task.
    pub snapshot_interval: Duration,
    /// Bytes of the features' state that may be in memory.
    pub state_memory: usize,
    /// Records that readers of internal logs may be behind.
    pub backlog: u64,
    /// Longest that a record waits to be in the offline store.
    pub archive_interval: Duration,
    /// How often the archiver merges small files; zero is never.
    pub compact_interval: Duration,
    /// How often the embedded log deletes what is beyond its topics' retention; zero is never.
    pub retention_interval: Duration,
    /// The gateway that stands between us and the log, if another process has it.
    pub remote: Option<Remote>,
    /// Signals that ask to stop.
    pub signals: Signals,
    /// How long services work in the generation; without it they do not ask.
    pub tenure: Option<Arc<Tenure>>,
}

impl Environment {
    /// Opens what the options name, and creates directories that are missing.
    pub fn open(global: &Global) -> Result<Self, Error> {
        Self::with(global, loading::load(global)?.checked(global)?)
    }

    /// The same over a pipeline that is not quite what its file says.
    pub fn with(global: &Global, pipeline: Pipeline) -> Result<Self, Error> {
        Self::with_log(global, pipeline, (open_log(global)?, None), open_store(global)?, Which::Current)
    }

    /// The same, as it will be with a new generation of the internal logs; [`Environment::claim`] begins that.
    pub fn upcoming(global: &Global) -> Result<Self, Error> {
        let pipeline = loading::load(global)?.checked(global)?;
        Self::with_log(global, pipeline, (open_log(global)?, None), open_store(global)?, Which::Upcoming)
    }

    /// Either of the two, for a look at what would be made: directories that are missing are made elsewhere, and removed
    /// with what is given along.
    pub fn foreseen(global: &Global, rebuild: bool) -> Result<(Self, TempDir), Error> {
        let pipeline = loading::load(global)?.checked(global)?;
        check_direct(global)?;
        let unwritable = |error: std::io::Error| Error::Failed(format!("cannot make a temporary folder: {error}"));
        let empty = tempfile::tempdir().map_err(unwritable)?;
        let log = match has_own_log(global) {
            true => open_log(global)?,
            false => open_embedded(empty.path())?,
        };
        let store = match global.store.is_none() && !global.data.join(STORE_DIR).is_dir() {
            true => Store::memory(),
            false => open_store(global)?,
        };
        let which = if rebuild { Which::Upcoming } else { Which::Current };
        Ok((Self::with_log(global, pipeline, (log, None), store, which)?, empty))
    }

    /// The same as [`Environment::open`], through the gateway of whoever has the log if that is another process.
    pub fn shared(global: &Global) -> Result<Self, Error> {
        let pipeline = loading::load(global)?.checked(global)?;
        Self::with_log(global, pipeline, open_shared(global)?, open_store(global)?, Which::Current)
    }

    /// The same as [`Environment::shared`], for commands that only look: an embedded log that was never begun is a
    /// mistake in `--data`, not an empty log.
    pub fn existing(global: &Global) -> Result<Self, Error> {
        if !has_log(global) {
            let dir = global.data.join(LOG_DIR);
            return Err(Error::Input(format!(
                "there is no log in {}; run `tidemill up` or `tidemill apply` first, or name the place with --data or --brokers",
                dir.display()
            )));
        }
        Self::shared(global)
    }

    /// The same as [`Environment::existing`], or nothing where there is no log at all.
    pub fn reachable(global: &Global) -> Result<Option<Self>, Error> {
        match has_log(global) {
            true => Self::shared(global).map(Some),
            false => Ok(None),
        }
    }

    fn with_log(
        global: &Global,
        pipeline: Pipeline,
        (log, remote): Opened,
        store: Store,
        which: Which,
    ) -> Result<Self, Error> {
        let signals = Signals::listen()?;
        let pipeline = as_large_as(&*log, pipeline)?;
        let schemas = open_schemas(global, &store)?;
        let generations = Generations::new(store.clone(), &pipeline.name);
        let generation = match which {
            Which::Current => generations.current()?,
            Which::Upcoming => {
                check_pending(&generations)?;
                generations.upcoming()?
            }
        };
        let plan = planned(&pipeline, generation);
        let idle_timeout = Duration::from_micros(pipeline.idle_timeout_us.max(0).unsigned_abs());
        Ok(Self {
            context: Context::new(log, schemas, pipeline, plan).stopped_by(signals.stop().clone()),
            decisions: Decisions::new(store.clone()),
            store,
            data: global.data.clone(),
            brokers: global.brokers.clone(),
            idle_timeout: global.idle_timeout.unwrap_or(idle_timeout),
            gather: global.gather,
            poll_records_max: global.poll_records,
            snapshot_interval: global.snapshot_interval,
            state_memory: global.state_memory,
            backlog: global.backlog,
            archive_interval: global.archive_interval,
            compact_interval: global.compact_interval,
            retention_interval: global.retention_interval,
            remote,
            signals,
            tenure: None,
        })
    }

    /// Makes what the pipeline needs and does not have.
    pub fn apply(&self) -> Result<Applied, Error> {
        Changes::find(self)?.carry_out(self)
    }

    /// Puts the generation that this environment foresees into force.
    pub fn claim(&self) -> Result<(), Error> {
        let generations = self.generations();
        let upcoming = generations.upcoming()?;
        if upcoming.number == self.context.plan.generation && generations.claim(&upcoming)? {
            return Ok(());
        }
        Err(Error::Input("somebody else began a new generation meanwhile; look at `tidemill plan`".to_owned()))
    }

    /// The generations of the pipeline's logs.
    pub fn generations(&self) -> Generations {
        Generations::new(self.store.clone(), &self.context.pipeline.name)
    }

    /// The same place with another generation of the logs.
    pub fn with_generation(&self, generation: Generation) -> Self {
        self.planned((*self.context.pipeline).clone(), generation)
    }

    /// The same place as it is now, for services that begin to work in the generation in force.
    pub fn renewed(&self) -> Result<Self, Error> {
        let pipeline = as_large_as(&*self.context.log, (*self.context.pipeline).clone())?;
        let generations = self.generations();
        let generation = generations.current()?;
        let tenure = self.can_make_way().then(|| Arc::new(Tenure::of(generations, generation.number)));
        Ok(Self { tenure, ..self.planned(pipeline, generation) })
    }

    /// Whether services may leave the log to a command for a while: the embedded one is its process's.
    pub fn can_make_way(&self) -> bool {
        self.brokers.is_some()
    }

    fn planned(&self, pipeline: Pipeline, generation: Generation) -> Self {
        let context = &self.context;
        let plan = planned(&pipeline, generation);
        let (log, schemas) = (context.log.clone(), context.schemas.clone());
        let context = Context::new(log, schemas, pipeline, plan).stopped_by(context.stop.clone());
        Self { context, ..self.clone() }
    }

    /// An error while the logs are being repartitioned: who began to work now would do so in vain.
    pub fn check_generation(&self) -> Result<(), Error> {
        check_pending(&self.generations())
    }

    /// The models.
    pub fn models(&self) -> Models {
        Models::new(self.store.clone())
    }

    /// What trainers work in.
    pub fn surroundings(&self) -> trainer::Surroundings {
        trainer::Surroundings {
            context: self.context.clone(),
            store: self.store.clone(),
            decisions: self.decisions.clone(),
        }
    }

    /// Where this process puts state that does not fit into memory.
    pub fn spill(&self) -> Spill {
        Spill::new(&self.data.join(COLD_DIR), self.state_memory)
    }

    /// Where log and store are, for people.
    pub fn place(&self) -> String {
        if let Some(remote) = &self.remote {
            return format!("the gateway at {}", remote.address());
        }
        let usual = self.data.join(STORE_DIR);
        let is_usual = self.store.local_dir().is_some_and(|dir| usual.canonicalize().is_ok_and(|usual| usual == dir));
        let store = if is_usual { usual.display().to_string() } else { self.store.place() };
        match &self.brokers {
            Some(brokers) => format!("Kafka at {brokers}, store in {store}"),
            None if is_usual => format!("embedded log and store in {}", self.data.display()),
            None => format!("embedded log in {}, store in {store}", self.data.display()),
        }
    }
}

/// Which generation of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one in force.
    Current,
    /// The one that a rebuild would begin.
    Upcoming,
}

/// The pipeline with sources as large as they are. They are their owners', who may have given them more partitions than
/// its file says; they get more only where the file says so of the source itself.
fn as_large_as(log: &dyn Log, mut pipeline: Pipeline) -> Result<Pipeline, Error> {
    let events = &mut pipeline.events;
    let events = (&events.topic, events.partitions_declared, &mut events.partitions);
    let labels = pipeline.labels.as_mut();
    let labels = labels.map(|labels| (&labels.topic, labels.partitions_declared, &mut labels.partitions));
    for (topic, declared, partitions) in [events].into_iter().chain(labels) {
        if let Some(found) = log.partitions(topic)?.map(i32::unsigned_abs).filter(|found| *found > 0) {
            *partitions = if declared { (*partitions).max(found) } else { found };
        }
    }
    Ok(pipeline)
}

/// The plan of a generation. Whoever reads the sources does it under a name of its own in each, so that a rebuild begins
/// with the first event and leaves the old generation's progress alone.
pub fn planned(pipeline: &Pipeline, generation: Generation) -> Plan {
    let Generation { number, partitions, before } = generation;
    let mut plan = plan_generation(pipeline, number);
    if number > FIRST_GENERATION {
        let readers = plan.tasks.iter_mut().filter(|task| task.service == Service::Validator);
        readers.for_each(|task| task.group_id = format!("{}.g{number}", task.group_id));
    }
    if let Some(partitions) = partitions {
        let logs = plan.topics.iter_mut().filter(|topic| topic.kind == Kind::Log);
        logs.for_each(|topic| topic.partitions = partitions);
    }
    plan.features_before = before.into_iter().map(|number| Names::new(pipeline, number).features_log).collect();
    plan
}

fn check_pending(generations: &Generations) -> Result<(), Error> {
    match generations.pending()? {
        None => Ok(()),
        Some((_, wish)) => Err(Error::Input(format!(
            "the logs are being repartitioned; `tidemill repartition --partitions {}` goes on with that, with --withdraw it ends it",
            wish.partitions
        ))),
    }
}

#[cfg(test)]
mod tests;
