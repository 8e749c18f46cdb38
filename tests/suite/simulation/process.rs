//! The processes of a simulated cluster: which services there are, and how one of them starts and takes a step.

use super::cluster::{Shared, Wrap};
use super::plot::Theme;
use featurizer::Featurizer;
use flow::names::Place;
use flow::plan::Service as Planned;
use flow::processor::Stop;
use registry::store::Store;
use runtime::context::Context;
use runtime::ledger::Target;
use runtime::log::{Committed, Log, TopicPartition};
use runtime::shell::{self, Opened, Options, Service, Slot, Worker};
use runtime::simulated::Simulated;
use runtime::snapshot::{Settings, Vault};
use scorer::RegistryFences;
use std::sync::Arc;
use std::time::Duration;
use validator::{Clock, ValidatorService};

/// Longest wait of a poll, in simulated time.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// Silence that no simulation sees the end of: publishers say when they are done.
const NEVER: Duration = Duration::from_secs(36_000);
/// Silence after which a hasty validator believes that nothing comes any more.
const HASTE: Duration = Duration::from_secs(1);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Validator,
    Featurizer(featurizer::Role),
    Scorer,
}

/// One service's task: what it is, and which group and topics it reads.
#[derive(Debug, Clone)]
pub struct Kind {
    pub role: Role,
    pub group: String,
    pub topics: Vec<String>,
    /// Topics of results that it writes.
    pub transactional: Vec<String>,
}

impl Kind {
    /// Everything that runs.
    pub fn all(context: &Context, with_scorer: bool) -> Vec<Kind> {
        let plan = &context.plan;
        let kind = |role, group: &str, topics: Vec<String>| {
            let transactional = plan.transactional(group, context.pipeline.delivery);
            Kind { role, group: group.to_owned(), topics, transactional }
        };
        let validators = plan.tasks_of(Planned::Validator).next().unwrap();
        let mut kinds = vec![kind(Role::Validator, &validators.group_id, validators.reads.clone())];
        for (role, reads) in Featurizer::roles(context) {
            let task = plan.tasks_of(Planned::Featurizer).find(|task| task.reads.contains(&reads)).unwrap();
            kinds.push(kind(Role::Featurizer(role), &task.group_id, vec![reads]));
        }
        if with_scorer {
            kinds.push(kind(Role::Scorer, &scorer::group(context), vec![plan.names.features_log.clone()]));
        }
        kinds
    }

    /// The task of a partition, as its service makes it.
    pub fn open(
        &self,
        context: &Context,
        shared: &Shared,
        tp: &TopicPartition,
        recorded: bool,
    ) -> Result<Opened, Stop> {
        match self.role {
            Role::Validator => Err(Stop::Other("it needs its service".into())),
            Role::Featurizer(role) => Featurizer::new(context.clone(), role).open(tp, None),
            Role::Scorer => scoring_task(context, shared, tp, recorded),
        }
    }
}

/// What a scorer's task is, without the thread that its service has for promotions.
fn scoring_task(context: &Context, shared: &Shared, tp: &TopicPartition, recorded: bool) -> Result<Opened, Stop> {
    let names = &context.plan.names;
    let id = context.schema_id(&tp.topic).unwrap();
    let settings = scoring::Settings::of(&context.pipeline, &context.plan, &context.names, id).unwrap();
    let own = Place { topic: context.number(&tp.topic).unwrap(), partition: tp.partition as u16 };
    let fences = RegistryFences::new(shared.decisions.clone(), context.stop.clone());
    let fences = Arc::new(if recorded { fences.recorded() } else { fences });
    let task = scoring::Scorer::new(own, context.names.clone(), settings, shared.models.clone(), fences);
    let sinks = featurizer::sinks(context, &[&names.journal_log], &[&names.predictions])?;
    featurizer::open_task(context, tp, task, sinks)
}

struct Scoring(Context, Shared);

impl Service for Scoring {
    fn open(&mut self, tp: &TopicPartition, _committed: Option<&Committed>) -> Result<Opened, Stop> {
        scoring_task(&self.0, &self.1, tp, false)
    }
}

/// A process, which may not have begun.
pub struct Process {
    pub kind: usize,
    pub log: Simulated,
    service: Option<Box<dyn Service>>,
    worker: Option<Worker>,
}

/// What came of a step.
pub enum Stepped {
    Fine,
    /// The process is dead.
    Crashed,
    /// A task came to a fence that it cannot honour: its number and partition.
    Fenced(i64, i32),
}

impl Process {
    pub fn new(kind: usize, log: Simulated) -> Self {
        Process { kind, log, service: None, worker: None }
    }

    /// It starts, joins, or polls; with `commit` it commits. `salts` are for what is between it and its log.
    pub fn step(
        &mut self,
        kind: &Kind,
        (context, shared): (&Context, &Shared),
        (wrap, salts): (Wrap, [u64; 2]),
        commit: bool,
    ) -> Result<Stepped, String> {
        if self.service.is_none() {
            match self.start(kind, context, shared, wrap.log(self.log.clone(), salts[0])) {
                Ok(service) => self.service = Some(service),
                Err(_) if self.log.crashed() => return Ok(Stepped::Crashed),
                Err(error) => return Err(error),
            }
        }
        let Some(service) = self.service.as_mut() else { return Ok(Stepped::Fine) };
        let outcome = match &mut self.worker {
            Some(worker) if commit => worker.commit(),
            Some(worker) => worker.step(service.as_mut()).map(|_| ()),
            none => {
                let log = wrap.log(self.log.clone(), salts[1]);
                Worker::join(&*log, &options(kind, context, shared)).map(|worker| *none = Some(worker))
            }
        };
        match outcome {
            Ok(()) => Ok(Stepped::Fine),
            Err(_) if self.log.crashed() => Ok(Stepped::Crashed),
            // As the shell's loop does: the same process joins again.
            Err(shell::Error::Log(error)) if error.is_retriable() || error.is_fenced() => {
                self.worker = None;
                Ok(Stepped::Fine)
            }
            Err(shell::Error::Stop(Stop::Fenced { log, number, .. })) => {
                self.leave();
                let partition = log.rsplit('/').next().and_then(|partition| partition.parse().ok());
                Ok(Stepped::Fenced(number, partition.ok_or(log)?))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether a task of it is still reading again what was committed.
    pub fn restores(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.slots().iter().any(Slot::restoring))
    }

    /// Ends its session without a word.
    pub fn leave(&mut self) {
        self.worker = None;
    }

    fn start(
        &self,
        kind: &Kind,
        context: &Context,
        shared: &Shared,
        log: Arc<dyn Log>,
    ) -> Result<Box<dyn Service>, String> {
        let context = Context { log, ..context.clone() };
        match kind.role {
            Role::Validator => {
                let (instant, begin_ms) = shared.begin;
                let log = self.log.clone();
                let now = move || instant + Duration::from_millis((log.now_ms() - begin_ms).unsigned_abs());
                let idle_timeout = if shared.plot.has(Theme::Hasty) { HASTE } else { NEVER };
                let usual = validator::Options::new(&context.pipeline);
                let options = validator::Options { idle_timeout, clock: Clock::new(now), ..usual };
                let service = ValidatorService::new(context, shared.decisions.clone(), options);
                service.map(|service| Box::new(service) as Box<dyn Service>).map_err(|error| error.to_string())
            }
            Role::Featurizer(role) => Ok(Box::new(Featurizer::new(context, role))),
            Role::Scorer => Ok(Box::new(Scoring(context, shared.clone()))),
        }
    }
}

fn options(kind: &Kind, context: &Context, shared: &Shared) -> Options {
    let settings =
        |store: &Store| Settings { vault: Vault::new(store.clone()), interval: Duration::ZERO, in_turn: true };
    let usual = Options::new("simulated", &kind.group, kind.topics.clone()).transactional(kind.transactional.clone());
    let ledger = shared.plot.has(Theme::Ledger).then(|| Target::of(context).unwrap().every_commit());
    Options { poll_wait: POLL_WAIT, snapshots: shared.snapshots.as_ref().map(settings), ledger, ..usual }
}
