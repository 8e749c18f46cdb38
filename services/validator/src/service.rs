//! Tasks for the shell.

mod tick;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use flow::names::Place;
use flow::plan::Service as Role;
use flow::processor::Stop;
use flow::wire::LogWriter;
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::ledger::Target as LedgerTarget;
use runtime::log::{Committed, Session, TopicPartition};
use runtime::shell::{self, Opened, Restore, Service, Slot};
use serde_json::Value;
use validation::breaker::Breaker;
use validation::{RuleSet, Rulebook, Source, Target, Validator, Wiring};

use crate::decisions::Recorded;
use crate::progress::{Progress, Report};
use crate::quiet::Quiet;
use crate::shared::Shared;
use crate::{Error, Options};

/// A log that validators write.
struct Written {
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
    verdicts: Arc<Recorded>,
    progress: Progress,
    all: Vec<TopicPartition>,
    own: BTreeMap<TopicPartition, Own>,
    looked: Option<Instant>,
}

/// How the shell is to run this service.
pub(crate) fn shell_options(context: &Context, options: &Options) -> Result<shell::Options, Error> {
    let (plan, name) = (&context.plan, validation::dead::SERVICE);
    let topics = plan.names.sources().cloned().collect();
    Ok(shell::Options {
        durable: options.durable,
        ledger: Some(LedgerTarget::of(context)?),
        poll_floor: options.gather,
        poll_records_max: options.poll_records_max,
        stats: options.stats.clone(),
        snapshots: options.snapshots.clone(),
        poll_wait: shell::Options::new(name, "", Vec::new()).poll_wait.min(options.idle_timeout),
        ..shell::Options::new(name, plan.group(Role::Validator), topics)
    })
}

impl ValidatorService {
    /// Prepares the service: its rules are stored, and its topics' schemas are those that `apply` registered.
    pub fn new(context: Context, decisions: Decisions, options: Options) -> Result<Self, Error> {
        let verdicts = Arc::new(Recorded::new(decisions, context.stop.clone()));
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
        let sources = books.iter().filter_map(|book| plan.topic(book.source().topic()));
        let partitions = |topic: &flow::plan::Topic| {
            let name: Arc<str> = topic.name.as_str().into();
            (0..topic.partitions.cast_signed()).map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        Ok(ValidatorService {
            all: sources.flat_map(partitions).collect(),
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
        let unknown = || Stop::Other(format!("{tp} is no partition of this pipeline's sources"));
        let book = self.books.iter().find(|book| **book.source().topic() == *tp.topic).ok_or_else(unknown)?;
        let topic = self.context.names.number(&tp.topic).ok_or_else(unknown)?;
        let partition = u16::try_from(tp.partition).map_err(|_| unknown())?;
        let wiring = Wiring {
            names: self.context.names.clone(),
            own: Place { topic, partition },
            entity: Some(self.target(&self.entity)?),
            journal: self.target(&self.journal)?,
            schemas: self.context.schema_source(),
            verdicts: self.verdicts.clone(),
            breaker: Breaker::new(self.options.dead_letters_max),
        };
        Validator::new(book.clone(), wiring).map_err(|error| Stop::Other(error.to_string()))
    }

    fn target(&self, log: &Written) -> Result<Target, Stop> {
        let writer = LogWriter::new(&log.schema, log.id, self.context.names.clone())?;
        let target = Target::new(log.number, log.partitions, writer);
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

fn written(context: &Context, name: &str) -> Result<Written, Error> {
    let (number, topic) = (context.number(name)?, context.topic(name)?);
    let (id, schema) = (context.own_schema_id(name)?, context.schema(name)?);
    let layout = topic.schema.clone().unwrap_or_default();
    Ok(Written { number, partitions: topic.partitions as u16, layout, schema, id })
}
