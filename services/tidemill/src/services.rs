//! The table of services: a name, and what runs under it. `up` runs all of them, `run` those that are named.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use featurizer::{Featurizer, Role};
use flow::plan::Service;
use gateway::Listener;
use runtime::ledger::Target;
use runtime::shell::{self, Gate, Stats};
use runtime::snapshot::{Settings, Vault};
use scorer::{RegistryFences, RegistryModels, Scorer};
use tracing::warn;

use crate::environment::Environment;
use crate::error::Error;
use crate::output::note;
use crate::remote::Announced;

/// One thing that runs on an OS thread of its own.
pub struct Job {
    /// Its name in logs and messages.
    pub name: String,
    /// Counters, where it has some.
    pub stats: Option<Arc<Stats>>,
    /// What it reads, by consumer group: it is done with everything published once its commits reach the end.
    pub reads: Vec<(String, Vec<String>)>,
    /// Whether it ends by itself, as publishing a file does; a service that ends by itself ends all others.
    pub finite: bool,
    /// The work. It returns once the flag is set.
    pub run: Work,
}

/// What a job does.
pub type Work = Box<dyn FnOnce(&AtomicBool) -> Result<(), Error> + Send>;

/// A service.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// Makes its jobs.
    pub jobs: fn(&Environment) -> Result<Vec<Job>, Error>,
}

/// All services. A new one is a line here.
pub const SERVICES: &[Entry] = &[
    Entry { name: "validator", jobs: validator },
    Entry { name: "featurizer", jobs: featurizer },
    Entry { name: "scorer", jobs: scorer },
    Entry { name: "monitor", jobs: monitor },
    Entry { name: "trainer", jobs: trainer },
    Entry { name: "archiver", jobs: archiver },
];

/// The service that is made last, since it tells the others' counters.
pub const GATEWAY: &str = "gateway";

/// Names of all services.
pub fn names() -> Vec<&'static str> {
    SERVICES.iter().map(|entry| entry.name).chain([GATEWAY]).collect()
}

/// Jobs of the named services; of all when none is named.
pub fn jobs(environment: &Environment, names: &[String]) -> Result<Vec<Job>, Error> {
    let wanted = SERVICES.iter().filter(|entry| names.is_empty() || names.iter().any(|name| name == entry.name));
    let mut jobs = Vec::new();
    for entry in wanted {
        jobs.extend((entry.jobs)(environment)?);
    }
    Ok(jobs)
}

/// How a shell runs a service that reads one log.
fn options(environment: &Environment, name: &str, group: &str, log: &str) -> Result<shell::Options, Error> {
    let context = &environment.context;
    let transactional = context.plan.transactional(group, context.pipeline.delivery);
    let options = shell::Options::new(name, group, vec![log.to_owned()]).transactional(transactional);
    let poll_records_max = environment.poll_records_max;
    let (snapshots, ledger, gate) = (snapshots(environment), Some(Target::of(context)?), gate(environment));
    Ok(shell::Options { poll_floor: environment.gather, poll_records_max, snapshots, ledger, gate, ..options })
}

/// Shut once the generation is not to be worked in. Where the store does not tell, partitions wait.
fn gate(environment: &Environment) -> Option<Gate> {
    let tenure = environment.tenure.clone()?;
    Some(Gate::new(move || match tenure.end() {
        Ok(end) => end.is_none(),
        Err(error) => {
            warn!(%error, "whether the logs are being repartitioned is not known; partitions wait");
            false
        }
    }))
}

/// Where tasks keep their state.
fn snapshots(environment: &Environment) -> Option<Settings> {
    let vault = Vault::new(environment.store.clone());
    Some(Settings { vault, interval: environment.snapshot_interval, in_turn: false })
}

fn validator(environment: &Environment) -> Result<Vec<Job>, Error> {
    let context = &environment.context;
    let (own, decisions) = (context.clone(), environment.decisions.clone());
    let options = validator::Options {
        idle_timeout: environment.idle_timeout,
        gather: environment.gather,
        poll_records_max: environment.poll_records_max,
        snapshots: snapshots(environment),
        gate: gate(environment),
        backlog: validator::BacklogLimit { records_max: environment.backlog, ..validator::BacklogLimit::default() },
        ..validator::Options::new(&context.pipeline)
    };
    let task = context.plan.tasks_of(Service::Validator).next();
    Ok(vec![Job {
        name: "validator".to_owned(),
        stats: Some(options.stats.clone()),
        reads: task.map(|task| (task.group_id.clone(), task.reads.clone())).into_iter().collect(),
        finite: false,
        run: Box::new(move |_| Ok(validator::run(own, decisions, options)?)),
    }])
}

fn featurizer(environment: &Environment) -> Result<Vec<Job>, Error> {
    let context = &environment.context;
    let spill = environment.spill();
    let mut jobs = Vec::new();
    for (role, log) in Featurizer::roles(context) {
        let task = context.plan.tasks_of(Service::Featurizer).find(|task| task.reads.contains(&log));
        let task = task.ok_or_else(|| Error::Failed(format!("the plan has no task that reads {log}")))?;
        let name = match role {
            Role::Stage(at) => format!("featurizer.{}", context.plan.stages[at].entity),
            Role::Journal => "featurizer.journal".to_owned(),
        };
        let options = options(environment, &name, &task.group_id, &log)?;
        let (context, spill, stats) = (context.clone(), spill.clone(), options.stats.clone());
        jobs.push(Job {
            name,
            stats: Some(options.stats.clone()),
            reads: vec![(task.group_id.clone(), vec![log])],
            finite: false,
            run: Box::new(move |stop| {
                let mut service = Featurizer::new(context.clone(), role).spilling(spill).counting(stats);
                Ok(shell::run(&*context.log, &options, &mut service, stop)?)
            }),
        });
    }
    Ok(jobs)
}

fn scorer(environment: &Environment) -> Result<Vec<Job>, Error> {
    let context = environment.context.clone();
    if context.pipeline.models.is_empty() {
        return Ok(Vec::new());
    }
    let (group, log) = (scorer::group(&context), context.plan.names.features_log.clone());
    let options = options(environment, "scorer", &group, &log)?;
    let models = Arc::new(RegistryModels::new(environment.models()));
    let (decisions, stats) = (environment.decisions.clone(), options.stats.clone());
    Ok(vec![Job {
        name: "scorer".to_owned(),
        stats: Some(options.stats.clone()),
        reads: vec![(group, vec![log])],
        finite: false,
        run: Box::new(move |stop| {
            let mut service = Scorer::new(context.clone(), decisions, models).counting(stats);
            Ok(shell::run(&*context.log, &options, &mut service, stop)?)
        }),
    }])
}

fn monitor(environment: &Environment) -> Result<Vec<Job>, Error> {
    let models = Arc::new(RegistryModels::new(environment.models()));
    let fences = RegistryFences::new(environment.decisions.clone(), environment.context.stop.clone());
    let fences = Arc::new(fences.of(scorer::MONITOR));
    let job = |(role, group, log): (monitor::Role, String, String)| {
        let context = environment.context.clone();
        let profiles = Arc::new(monitor::ModelProfiles::new(models.clone()));
        let fences = fences.clone();
        let name = format!("monitor.{}", role.name());
        let options = options(environment, &name, &group, &log)?;
        // What judges have no source records.
        let ledger = options.ledger.clone().filter(|_| role != monitor::Role::Judge);
        let options = shell::Options { ledger, ..options };
        Ok(Job {
            name,
            stats: Some(options.stats.clone()),
            reads: vec![(group, vec![log])],
            finite: false,
            run: Box::new(move |stop| {
                let mut service = monitor::Monitor::new(context.clone(), profiles, fences, role);
                Ok(shell::run(&*context.log, &options, &mut service, stop)?)
            }),
        })
    };
    monitor::Monitor::roles(&environment.context).into_iter().map(job).collect()
}

fn trainer(environment: &Environment) -> Result<Vec<Job>, Error> {
    if environment.context.pipeline.retraining.is_none() {
        return Ok(Vec::new());
    }
    let surroundings = environment.surroundings();
    Ok(vec![Job {
        name: "trainer".to_owned(),
        stats: None,
        reads: Vec::new(),
        finite: false,
        run: Box::new(move |stop| Ok(trainer::run(&surroundings, &trainer::Options::default(), stop)?)),
    }])
}

fn archiver(environment: &Environment) -> Result<Vec<Job>, Error> {
    let (context, store) = (environment.context.clone(), environment.store.clone());
    let reads = vec![(archiver::group(&context), archiver::topics(&context))];
    let options = archiver::Options {
        flush_interval: environment.archive_interval,
        compact_interval: Some(environment.compact_interval).filter(|interval| !interval.is_zero()),
        ..archiver::Options::default()
    };
    Ok(vec![Job {
        name: "archiver".to_owned(),
        stats: None,
        reads,
        finite: false,
        run: Box::new(move |stop| Ok(archiver::run(&context, &store, &options, stop)?)),
    }])
}

/// The gateway over the jobs of this process, or over nothing while services wait for what is said. It says where it
/// listens.
pub fn gateway(environment: &Environment, listener: &Listener, jobs: &[Job], waiting: Option<String>) -> Job {
    let stats = jobs.iter().filter_map(|job| job.stats.clone()).collect();
    let options = gateway::Options {
        listener: listener.clone(),
        limits: gateway::Limits::USUAL,
        decisions: environment.decisions.clone(),
        models: environment.models(),
        stats,
        waiting,
        stop: environment.signals.stop().clone(),
    };
    let context = environment.context.clone();
    let public = listener.public_address();
    let (data, embedded) = (environment.data.clone(), environment.brokers.is_none());
    Job {
        name: GATEWAY.to_owned(),
        stats: None,
        reads: Vec::new(),
        finite: false,
        run: Box::new(move |_| {
            let running = gateway::Gateway::start(context, options)?;
            let announced = embedded.then(|| Announced::at(&data, &running.address.to_string()));
            if let Some(Err(error)) = &announced {
                warn!(%error, data = %data.display(), "other commands cannot find the gateway by themselves");
            }
            note(&format!("gateway at http://{}: /readyz, /metrics, /v1/topics/TOPIC/tap", running.address));
            if let Some(public) = public {
                note(&format!("and at {public} for holders of tokens"));
            }
            Ok(running.wait()?)
        }),
    }
}
