//! What commands work in: the pipeline, the log, the schema registry and the store that the global options name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flow::config::Pipeline;
use flow::plan::{FIRST_GENERATION, Plan, Service, plan_generation};
use registry::decisions::Decisions;
use registry::models::Models;
use registry::schemas::{ConfluentRegistry, FileRegistry};
use registry::store::{self, Store, escape};
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::kafka::Kafka;
use runtime::log::{self, Log};
use schemas::registry::SchemaRegistry;

use crate::cli::Global;
use crate::error::Error;
use crate::loading;
use crate::signals::Signals;

/// The embedded log's folder in the data directory.
const LOG_DIR: &str = "log";
/// The store's folder in the data directory.
const STORE_DIR: &str = "store";

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
    /// Longest that a record waits to be in the offline store.
    pub archive_interval: Duration,
    /// Signals that ask to stop.
    pub signals: Signals,
}

impl Environment {
    /// Opens what the options name, and creates directories that are missing.
    pub fn open(global: &Global) -> Result<Self, Error> {
        let pipeline = loading::load(global)?.checked(global)?;
        Self::of_pipeline(global, pipeline, false)
    }

    /// The same, with a new generation of the internal logs.
    pub fn rebuild(global: &Global) -> Result<Self, Error> {
        let pipeline = loading::load(global)?.checked(global)?;
        Self::of_pipeline(global, pipeline, true)
    }

    /// The same as [`Environment::open`], for commands that only look: an embedded log that was never begun is a
    /// mistake in `--data`, not an empty log.
    pub fn existing(global: &Global) -> Result<Self, Error> {
        let dir = global.data.join(LOG_DIR);
        if global.brokers.is_none() && !dir.is_dir() {
            return Err(Error::Input(format!(
                "there is no log in {}; run `tidemill up` or `tidemill apply` first, or name the place with --data or --brokers",
                dir.display()
            )));
        }
        Self::open(global)
    }

    fn of_pipeline(global: &Global, pipeline: Pipeline, rebuild: bool) -> Result<Self, Error> {
        let signals = Signals::listen()?;
        let log = open_log(global)?;
        let store = open_store(global)?;
        let schemas = open_schemas(global, &store)?;
        let generation = match rebuild {
            true => next_generation(&store, &pipeline.name)?,
            false => generation(&store, &pipeline.name)?,
        };
        let plan = planned(&pipeline, generation);
        let idle_timeout = Duration::from_micros(pipeline.idle_timeout_us.max(0).unsigned_abs());
        Ok(Self {
            context: Context::new(log, schemas, pipeline, plan),
            decisions: Decisions::new(store.clone()),
            store,
            data: global.data.clone(),
            brokers: global.brokers.clone(),
            idle_timeout: global.idle_timeout.unwrap_or(idle_timeout),
            archive_interval: archiver::Options::default().flush_interval,
            signals,
        })
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

    /// Where log and store are, for people.
    pub fn place(&self) -> String {
        match &self.brokers {
            Some(brokers) => format!("Kafka at {brokers}, store in {}", self.data.join(STORE_DIR).display()),
            None => format!("embedded log and store in {}", self.data.display()),
        }
    }
}

/// The store alone, for commands that need no log.
pub fn open_store(global: &Global) -> Result<Store, Error> {
    Ok(Store::local(&global.data.join(STORE_DIR))?)
}

fn open_log(global: &Global) -> Result<Arc<dyn Log>, Error> {
    let Some(brokers) = &global.brokers else {
        if !global.kafka.is_empty() {
            return Err(Error::Input("--kafka sets the Kafka client, but no --brokers are named".to_owned()));
        }
        return open_embedded(&global.data.join(LOG_DIR));
    };
    let settings: BTreeMap<String, String> = global.kafka.iter().cloned().collect();
    Ok(Arc::new(Kafka::connect(brokers, &settings)?))
}

fn open_embedded(dir: &Path) -> Result<Arc<dyn Log>, Error> {
    match Embedded::open(dir) {
        Ok(log) => Ok(Arc::new(log)),
        Err(log::Error::Locked { path, pid }) => {
            let holder = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            Err(Error::Outside(format!(
                "the log in {} is open in another process{holder}, and only one at a time can have it; stop that one first, or publish there with `tidemill up --publish FILE`",
                path.display()
            )))
        }
        Err(error) => Err(error.into()),
    }
}

fn open_schemas(global: &Global, store: &Store) -> Result<Arc<dyn SchemaRegistry>, Error> {
    match &global.schema_registry {
        None => Ok(Arc::new(FileRegistry::new(store.clone()))),
        Some(url) => {
            let client = ConfluentRegistry::new(url);
            Ok(Arc::new(client.map_err(|error| Error::Input(format!("--schema-registry: {error}")))?))
        }
    }
}

/// The plan of a generation. Whoever reads the sources does it under a name of its own in each, so that a rebuild begins
/// with the first event and leaves the old generation's progress alone.
pub fn planned(pipeline: &Pipeline, generation: u32) -> Plan {
    let mut plan = plan_generation(pipeline, generation);
    if generation > FIRST_GENERATION {
        let readers = plan.tasks.iter_mut().filter(|task| task.service == Service::Validator);
        readers.for_each(|task| task.group_id = format!("{}.g{generation}", task.group_id));
    }
    plan
}

fn generations(name: &str) -> String {
    format!("pipelines/{}/generation", escape(name))
}

/// The newest generation of a pipeline's internal logs.
fn generation(store: &Store, name: &str) -> Result<u32, Error> {
    let numbers = store.children(&generations(name))?;
    Ok(numbers.iter().filter_map(|number| number.parse().ok()).max().unwrap_or(FIRST_GENERATION))
}

/// Claims the generation after the newest one; of several at once each gets its own.
fn next_generation(store: &Store, name: &str) -> Result<u32, Error> {
    loop {
        let next = generation(store, name)? + 1;
        match store.put_create(&format!("{}/{next}", generations(name)), b"") {
            Ok(()) => return Ok(next),
            Err(store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
