//! Tasks for the shell.

mod tick;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use flow::names::{Names, Place};
use flow::plan::Service as Role;
use flow::processor::Stop;
use flow::wire::LogWriter;
use runtime::log::{Committed, Session, TopicPartition};
use runtime::shell::{self, Opened, Restore, Service, Slot};
use schemas::registry::value_subject;
use serde_json::Value;
use validation::breaker::Breaker;
use validation::{RuleSet, Rulebook, Source, Target, Validator, Wiring};

use crate::decisions::{PatientSchemas, Recorded};
use crate::patience::{Patience, Stopped};
use crate::progress::{Progress, Report};
use crate::quiet::Quiet;
use crate::shared::Shared;
use crate::{Context, Error, Options};

/// A log that validators write.
struct Written {
    name: String,
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
    names: Arc<Names>,
    books: Vec<Arc<Rulebook>>,
    entity: Written,
    journal: Written,
    schemas: Arc<PatientSchemas>,
    verdicts: Arc<Recorded>,
    progress: Progress,
    all: Vec<TopicPartition>,
    own: BTreeMap<TopicPartition, Own>,
    looked: Option<Instant>,
}

/// How the shell is to run this service.
pub(crate) fn shell_options(context: &Context, options: &Options) -> shell::Options {
    let (plan, name) = (&context.plan, validation::dead::SERVICE);
    let group = plan.tasks_of(Role::Validator).next().map(|task| task.group_id.clone());
    let topics = plan.names.sources().cloned().collect();
    let group = group.unwrap_or_else(|| format!("{}.{name}", plan.pipeline));
    shell::Options {
        durable: options.durable,
        stats: options.stats.clone(),
        poll_wait: shell::Options::new(name, "", Vec::new()).poll_wait.min(options.idle_timeout),
        ..shell::Options::new(name, group, topics)
    }
}

impl ValidatorService {
    /// Prepares the service: its rules are stored, and its topics' schemas are those that `apply` registered.
    pub fn new(context: Context, options: Options) -> Result<Self, Error> {
        let patience = Patience::new(context.stop.clone());
        let verdicts = Arc::new(Recorded::new(context.decisions.clone(), context.stop.clone()));
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
        let written = |name: &str| written(&context, &patience, name);
        let (entity, journal) = (written(plan.names.first_log())?, written(&plan.names.journal_log)?);
        let shared = written(&plan.names.progress)?;
        let progress = Progress::open(&*context.log, &shared.name, &shared.schema, shared.id)?;
        let sources = books.iter().filter_map(|book| plan.topic(book.source().topic()));
        let partitions = |topic: &flow::plan::Topic| {
            let name: Arc<str> = topic.name.as_str().into();
            (0..topic.partitions.cast_signed()).map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        Ok(ValidatorService {
            names: Arc::new(plan.numbered()),
            all: sources.flat_map(partitions).collect(),
            books,
            entity,
            journal,
            schemas: Arc::new(PatientSchemas::new(context.schemas.clone(), patience)),
            verdicts,
            progress,
            own: BTreeMap::new(),
            looked: None,
            context,
            options,
        })
    }

    fn validator(&self, tp: &TopicPartition) -> Result<Validator, Stop> {
        let unknown = || Stop::Other(format!("{tp} is no partition of this pipeline's sources"));
        let book = self.books.iter().find(|book| **book.source().topic() == *tp.topic).ok_or_else(unknown)?;
        let topic = self.names.number(&tp.topic).ok_or_else(unknown)?;
        let partition = u16::try_from(tp.partition).map_err(|_| unknown())?;
        let wiring = Wiring {
            names: self.names.clone(),
            own: Place { topic, partition },
            entity: Some(self.target(&self.entity)?),
            journal: self.target(&self.journal)?,
            schemas: self.schemas.clone(),
            verdicts: self.verdicts.clone(),
            breaker: Breaker::new(self.options.dead_letters_max),
        };
        Validator::new(book.clone(), wiring).map_err(|error| Stop::Other(error.to_string()))
    }

    fn target(&self, log: &Written) -> Result<Target, Stop> {
        let number = self.names.number(&log.name);
        let number = number.ok_or_else(|| Stop::Other(format!("the plan has no topic {}", log.name)))?;
        let writer = LogWriter::new(&log.schema, log.id, self.names.clone())?;
        let target = Target::new(number, log.partitions, writer);
        Ok(target.splicing(&log.layout, &self.context.pipeline.events.schema.json, log.id))
    }
}

impl Service for ValidatorService {
    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        let mut validator = self.validator(tp)?;
        if let Some(committed) = committed.filter(|committed| !committed.metadata.is_empty()) {
            let refused = |error| Stop::Other(format!("{tp}: {error}"));
            validator.restore(&committed.metadata).map_err(refused)?;
        }
        let task = Shared::new(validator);
        let next = committed.map_or(0, |committed| committed.offset);
        let own = Own { task: task.clone(), quiet: Quiet::new(next, Instant::now()), paused: false, reported: None };
        self.own.insert(tp.clone(), own);
        self.looked = None;
        Ok(Opened { task: Box::new(task), restore: Restore::Metadata })
    }

    fn tick(&mut self, slots: &mut [Slot], session: &mut dyn Session) -> Result<(), shell::Error> {
        self.look(slots, session)
    }
}

fn written(context: &Context, patience: &Patience, name: &str) -> Result<Written, Error> {
    let wrong = |detail: &str| Error::Schema { topic: name.to_owned(), detail: detail.to_owned() };
    let topic = context.plan.topic(name).ok_or_else(|| wrong("is not in the plan"))?;
    let schema = topic.schema.as_ref().ok_or_else(|| wrong("is not in the plan"))?;
    let layout = schema.clone();
    let (id, schema) = registered(context, patience, name, schema)?;
    let partitions = u16::try_from(topic.partitions).map_err(|_| wrong("goes with too many partitions"))?;
    Ok(Written { name: name.to_owned(), partitions, layout, schema, id })
}

/// The id under which a topic's schema was registered, and its text there.
fn registered(context: &Context, patience: &Patience, topic: &str, wanted: &Value) -> Result<(u32, String), Error> {
    let wrong = |detail: &str| Error::Schema { topic: topic.to_owned(), detail: detail.to_owned() };
    let subject = value_subject(topic);
    let found = patience.until("the schema registry", || context.schemas.latest(&subject));
    let found = found.map_err(|Stopped| Error::Stopped { what: "the schema registry".into() })?;
    let (id, text) = found.ok_or_else(|| wrong("is not registered"))?;
    let same = serde_json::from_str::<Value>(&text).is_ok_and(|found| found == *wanted);
    if same { Ok((id, text.to_string())) } else { Err(wrong("is registered, but is not this pipeline's")) }
}
