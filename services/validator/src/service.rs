//! Tasks for the shell.

mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::names::Place;
use flow::plan::{Names, Service as Role};
use flow::processor::Stop;
use flow::wire::LogWriter;
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::ledger::Target as LedgerTarget;
use runtime::log::{Committed, Session, TopicPartition};
use runtime::parents;
use runtime::shell::{self, Opened, Restore, Service, Slot};
use serde_json::Value;
use tracing::warn;
use validation::breaker::Breaker;
use validation::{Retrier, RuleSet, Rulebook, Source, Target, Validator, Verdicts, Wiring};

use crate::decisions::Recorded;
use crate::progress::{Progress, Report};
use crate::quiet::Quiet;
use crate::shared::Shared;
use crate::{Error, Options};

/// Time between two looks at whether new source partitions may be read.
const ANNOUNCED_LOOK: Duration = Duration::from_secs(1);

/// A log that validators write.
pub(crate) struct Written {
    number: u16,
    partitions: u16,
    layout: Value,
    schema: String,
    id: u32,
}

/// A partition this process owns.
struct Own {
    task: Shared,
    quiet: Quiet,
    paused: bool,
    reported: Option<(Report, Instant)>,
}

/// The validator's side of the shell.
pub struct ValidatorService {
    context: Context,
    options: Options,
    books: Vec<Arc<Rulebook>>,
    entity: Written,
    journal: Written,
    decisions: Decisions,
    verdicts: Arc<Recorded>,
    progress: Progress,
    /// Source partitions that the logs know as parents.
    all: Vec<TopicPartition>,
    /// Partitions of retries that they know.
    retries: Vec<TopicPartition>,
    /// Those of them that wait for a reader.
    held_back: BTreeSet<TopicPartition>,
    /// Others that were given to us; each is said once.
    waiting: BTreeSet<TopicPartition>,
    /// When the registry was asked for them.
    asked: Option<Instant>,
    own: BTreeMap<TopicPartition, Own>,
    looked: Option<Instant>,
}

/// How the shell is to run this service.
pub(crate) fn shell_options(context: &Context, options: &Options) -> Result<shell::Options, Error> {
    let (plan, name) = (&context.plan, validation::dead::SERVICE);
    let retries = plan.names.sources().map(|source| Names::retries(source));
    let topics = plan.names.sources().cloned().chain(retries).collect();
    Ok(shell::Options {
        durable: options.durable,
        ledger: Some(LedgerTarget::of(context)?),
        poll_floor: options.gather,
        poll_records_max: options.poll_records_max,
        stats: options.stats.clone(),
        snapshots: options.snapshots.clone(),
        gate: options.gate.clone(),
        poll_wait: shell::Options::new(name, "", Vec::new()).poll_wait.min(options.idle_timeout),
        ..shell::Options::new(name, plan.group(Role::Validator), topics)
    })
}

impl ValidatorService {
    /// Prepares the service: its rules are stored, and its topics' schemas are those that `apply` registered.
    pub fn new(context: Context, decisions: Decisions, options: Options) -> Result<Self, Error> {
        let verdicts = Arc::new(Recorded::new(decisions.clone(), context.stop.clone()));
        let pipeline = &context.pipeline;
        let mut books = Vec::new();
        let mut book = |source: Source, rules: RuleSet| -> Result<(), Error> {
            verdicts.store(source.topic(), &rules).map_err(shell::Error::from)?;
            books.push(Arc::new(Rulebook::new(Arc::new(source), &rules)?));
            Ok(())
        };
        book(Source::events(pipeline)?, RuleSet::of_events(pipeline))?;
        if let Some(source) = Source::labels(pipeline)? {
            book(source, RuleSet::of_labels(pipeline))?;
        }
        let plan = &context.plan;
        let (entity, journal) = (plan.names.first_log(), &plan.names.journal_log);
        let (entity, journal) = (written(&context, entity)?, written(&context, journal)?);
        Ok(ValidatorService {
            all: announced(&context, &decisions, context.plan.names.sources().cloned())?,
            retries: announced(&context, &decisions, retries(&context))?,
            held_back: BTreeSet::new(),
            waiting: BTreeSet::new(),
            asked: None,
            decisions,
            books,
            entity,
            journal,
            verdicts,
            progress: Progress::open(&context)?,
            own: BTreeMap::new(),
            looked: None,
            context,
            options,
        })
    }

    pub(crate) fn validator(&self, tp: &TopicPartition) -> Result<Validator, Stop> {
        let book = self.book(tp, &tp.topic)?;
        let wiring = self.wiring(tp, self.verdicts.clone())?;
        Validator::new(book, wiring).map_err(|error| Stop::Other(error.to_string()))
    }

    /// The task of a partition of retries, none for one of a source.
    pub(crate) fn retrier(&self, tp: &TopicPartition) -> Result<Option<Retrier>, Stop> {
        self.retrier_with(tp, self.verdicts.clone())
    }

    pub(crate) fn retrier_with(
        &self,
        tp: &TopicPartition,
        verdicts: Arc<dyn Verdicts>,
    ) -> Result<Option<Retrier>, Stop> {
        let Some(source) = self.context.plan.names.retried(&tp.topic) else { return Ok(None) };
        let retrier = Retrier::new(self.book(tp, source)?, self.wiring(tp, verdicts)?);
        retrier.map(Some).map_err(|error| Stop::Other(error.to_string()))
    }

    fn book(&self, tp: &TopicPartition, source: &str) -> Result<Arc<Rulebook>, Stop> {
        let found = self.books.iter().find(|book| **book.source().topic() == *source);
        found.cloned().ok_or_else(|| unknown(tp))
    }

    fn wiring(&self, tp: &TopicPartition, verdicts: Arc<dyn Verdicts>) -> Result<Wiring, Stop> {
        let unknown = || unknown(tp);
        let topic = self.context.names.number(&tp.topic).ok_or_else(unknown)?;
        let partition = u16::try_from(tp.partition).map_err(|_| unknown())?;
        Ok(Wiring {
            names: self.context.names.clone(),
            own: Place { topic, partition },
            entity: Some(self.target(&self.entity)?),
            journal: self.target(&self.journal)?,
            schemas: self.context.schema_source(),
            verdicts,
            breaker: Breaker::new(self.context.pipeline.breaker(&tp.topic)),
        })
    }

    fn target(&self, log: &Written) -> Result<Target, Stop> {
        target(&self.context, log)
    }
}

fn unknown(tp: &TopicPartition) -> Stop {
    Stop::Other(format!("{tp} is no partition of this pipeline's sources"))
}

/// The topics of retries.
fn retries(context: &Context) -> impl Iterator<Item = String> {
    context.plan.names.sources().map(|source| Names::retries(source))
}

/// The partitions of these topics that all logs know as parents.
fn announced(
    context: &Context,
    decisions: &Decisions,
    topics: impl Iterator<Item = String>,
) -> Result<Vec<TopicPartition>, parents::Error> {
    let mut all = Vec::new();
    for source in topics {
        let partitions = parents::announced(context, decisions, &source)?.cast_signed();
        let source: Arc<str> = source.as_str().into();
        all.extend((0..partitions).map(|partition| TopicPartition::new(source.clone(), partition)));
    }
    Ok(all)
}

impl Service for ValidatorService {
    /// A partition that its source gained waits until the logs know it as a parent.
    fn accepts(&mut self, tp: &TopicPartition) -> Result<bool, Stop> {
        let now = self.options.clock.now();
        let is_due = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ANNOUNCED_LOOK);
        let is_known = |service: &Self| service.all.contains(tp) || service.retries.contains(tp);
        if !is_known(self) && is_due {
            self.asked = Some(now);
            let (context, decisions) = (&self.context, &self.decisions);
            let all = announced(context, decisions, context.plan.names.sources().cloned());
            match all.and_then(|all| Ok((all, announced(context, decisions, retries(context))?))) {
                Ok(known) => (self.all, self.retries) = known,
                Err(error) => warn!(%error, "whether new source partitions may be read is asked again"),
            }
        }
        let is_known = is_known(self);
        if !is_known && self.waiting.insert(tp.clone()) {
            warn!(%tp, "a new partition of a source waits for `tidemill apply`");
        }
        Ok(is_known)
    }

    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        let saved = committed.filter(|committed| !committed.metadata.is_empty());
        let refused = |error| Stop::Other(format!("{tp}: {error}"));
        if let Some(mut retrier) = self.retrier(tp)? {
            saved.map_or(Ok(()), |committed| retrier.restore(&committed.metadata)).map_err(refused)?;
            self.held_back.remove(tp);
            return Ok(Opened { task: Box::new(retrier), restore: Restore::Metadata });
        }
        let mut validator = self.validator(tp)?;
        saved.map_or(Ok(()), |committed| validator.restore(&committed.metadata)).map_err(refused)?;
        let task = Shared::new(validator);
        let next = committed.map_or(0, |committed| committed.offset);
        let own = Own {
            task: task.clone(),
            quiet: Quiet::new(next, self.options.clock.now()),
            paused: false,
            reported: None,
        };
        self.own.insert(tp.clone(), own);
        self.looked = None;
        Ok(Opened { task: Box::new(task), restore: Restore::Metadata })
    }

    fn tick(&mut self, slots: &mut [Slot], session: &mut dyn Session) -> Result<(), shell::Error> {
        self.look(slots, session)
    }
}

pub(crate) fn written(context: &Context, name: &str) -> Result<Written, Error> {
    let (number, topic) = (context.number(name)?, context.topic(name)?);
    let (id, schema) = (context.own_schema_id(name)?, context.schema(name)?);
    let layout = topic.schema.clone().unwrap_or_default();
    Ok(Written { number, partitions: topic.partitions as u16, layout, schema, id })
}

pub(crate) fn target(context: &Context, log: &Written) -> Result<Target, Stop> {
    let writer = LogWriter::new(&log.schema, log.id, context.names.clone())?;
    let target = Target::new(log.number, log.partitions, writer);
    Ok(target.splicing(&log.layout, &context.pipeline.events.schema.json))
}
