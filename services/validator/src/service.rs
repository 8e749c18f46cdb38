//! Tasks for the shell, and what happens between its polls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::config::Ordering;
use flow::names::{Names, Place};
use flow::plan::{Kind, Plan, Service as Role};
use flow::processor::{OutRecord, Stop, Task};
use flow::wire::LogWriter;
use runtime::log::{Commit, Committed, Header, Publish, Session, TopicPartition};
use runtime::shell::{self, Opened, Restore, Service, Slot};
use schemas::registry::value_subject;
use serde_json::Value;
use tracing::{debug, info};
use validation::breaker::Breaker;
use validation::idle::{Seen, idle_mark, runs_ahead};
use validation::{RuleSet, Rulebook, Source, Target, Validator, Wiring};

use crate::decisions::{PatientSchemas, Recorded};
use crate::patience::{Patience, Stopped};
use crate::progress::{Progress, Report};
use crate::quiet::Quiet;
use crate::shared::Shared;
use crate::{Context, Error, Options};

/// Shortest time between two looks at idleness, throttling and progress.
const LOOK_MS: u64 = 250;
/// Shortest time between two reports of a partition whose idleness did not change.
const REPORT_MS: u64 = 1_000;

/// A log that validators write.
struct Written {
    name: String,
    partitions: u16,
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

/// The topics of a plan with the generations of its logs, numbered for items and marks.
pub fn names(plan: &Plan) -> Names {
    let generation = |kind: Kind| if kind == Kind::Log { plan.generation.cast_signed() } else { 0 };
    Names::new(plan.topics.iter().map(|topic| (topic.name.as_str(), generation(topic.kind))))
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
        let progress = open_progress(&context, &patience)?;
        let sources = books.iter().filter_map(|book| plan.topic(book.source().topic()));
        let partitions = |topic: &flow::plan::Topic| {
            let name: Arc<str> = topic.name.as_str().into();
            (0..topic.partitions.cast_signed()).map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        Ok(ValidatorService {
            names: Arc::new(names(plan)),
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
        Ok(Target::new(number, log.partitions, LogWriter::new(&log.schema, log.id, self.names.clone())?))
    }

    /// What is known of a partition: its own task's word, or its owner's last report.
    fn seen(&self, tp: &TopicPartition, idle: &BTreeMap<TopicPartition, bool>) -> Seen {
        match self.own.get(tp) {
            Some(own) => {
                let progress = own.task.get().progress();
                let idle = idle.get(tp).copied().unwrap_or_default();
                Seen { max_us: progress.max_us, mark_us: progress.mark_us, idle }
            }
            None => self.progress.of(tp),
        }
    }

    /// Which own partitions are quiet.
    fn judge(
        &mut self,
        slots: &[Slot],
        session: &mut dyn Session,
    ) -> Result<BTreeMap<TopicPartition, bool>, shell::Error> {
        let now = Instant::now();
        self.own.retain(|tp, _| slots.iter().any(|slot| slot.tp == *tp));
        let mut idle = BTreeMap::new();
        for slot in slots {
            let Some(own) = self.own.get_mut(&slot.tp) else { continue };
            if own.paused {
                own.quiet.restart(now);
            }
            let end = || session.watermarks(&slot.tp).map(|(_, end)| end);
            idle.insert(slot.tp.clone(), own.quiet.judge(slot.next(), now, self.options.idle_timeout, end)?);
        }
        Ok(idle)
    }

    /// Raises the marks of quiet partitions: first committed under the group's generation, then written.
    fn raise(
        &mut self,
        slots: &mut [Slot],
        idle: &BTreeMap<TopicPartition, bool>,
        all: &[Seen],
        session: &mut dyn Session,
    ) -> Result<(), shell::Error> {
        let Some(mark_us) = idle_mark(all) else { return Ok(()) };
        let mut raised: Vec<Shared> = Vec::new();
        let mut commits: Vec<Commit> = Vec::new();
        let mut out: Vec<OutRecord> = Vec::new();
        for slot in slots.iter().filter(|slot| idle.get(&slot.tp) == Some(&true)) {
            let Some(own) = self.own.get(&slot.tp) else { continue };
            let mut task = own.task.get();
            // Marks that rose with the events are flushed like items before this commit, as before any other.
            task.resume(&mut out)?;
            if task.raise_mark(mark_us) {
                info!(tp = %slot.tp, mark_us, "quiet; its mark follows the others");
                commits.push(Commit { tp: slot.tp.clone(), offset: slot.next(), metadata: task.metadata() });
                raised.push(own.task.clone());
            }
        }
        publish(std::mem::take(&mut out), session)?;
        if commits.is_empty() {
            return Ok(());
        }
        session.commit(&commits)?;
        for task in raised {
            let mut task = task.get();
            task.release_mark();
            task.resume(&mut out)?;
        }
        publish(out, session)
    }

    /// Lets partitions wait that run ahead of the slowest. Only events that are held cost memory.
    fn throttle(
        &mut self,
        all: &BTreeMap<TopicPartition, Seen>,
        session: &mut dyn Session,
    ) -> Result<(), shell::Error> {
        if self.context.pipeline.ordering != Ordering::EventTime {
            return Ok(());
        }
        let every: Vec<Seen> = all.values().copied().collect();
        for (tp, own) in &mut self.own {
            let waits = all.get(tp).is_some_and(|seen| runs_ahead(*seen, &every, self.options.ahead_max_us));
            if waits != own.paused {
                debug!(%tp, waits, "ahead of the slowest source partition");
                let tps = std::slice::from_ref(tp);
                if waits {
                    session.pause(tps)?
                } else {
                    session.resume(tps)?
                }
                own.paused = waits;
            }
        }
        Ok(())
    }

    fn report(
        &mut self,
        slots: &[Slot],
        all: &BTreeMap<TopicPartition, Seen>,
        session: &mut dyn Session,
    ) -> Result<(), shell::Error> {
        let now = Instant::now();
        for slot in slots {
            let (Some(own), Some(seen)) = (self.own.get_mut(&slot.tp), all.get(&slot.tp)) else { continue };
            let report = Report { next: slot.next(), seen: *seen };
            let due = own.reported.is_none_or(|(last, at)| {
                let waited = now.saturating_duration_since(at) >= Duration::from_millis(REPORT_MS);
                last.seen.idle != seen.idle || (last != report && waited)
            });
            if due {
                let record = self.progress.report(&slot.tp, report).map_err(|error| Stop::Other(error.to_string()))?;
                session.publish(record)?;
                own.reported = Some((report, now));
            }
        }
        Ok(())
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
        let every = Duration::from_millis(LOOK_MS).min(self.options.idle_timeout / 2);
        if self.looked.is_some_and(|looked| looked.elapsed() < every) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        self.progress.read()?;
        let idle = self.judge(slots, session)?;
        let seen: BTreeMap<TopicPartition, Seen> =
            self.all.iter().map(|tp| (tp.clone(), self.seen(tp, &idle))).collect();
        let all: Vec<Seen> = seen.values().copied().collect();
        self.report(slots, &seen, session)?;
        self.raise(slots, &idle, &all, session)?;
        self.throttle(&seen, session)
    }
}

fn publish(out: Vec<OutRecord>, session: &mut dyn Session) -> Result<(), shell::Error> {
    for OutRecord { topic, partition, key, value, headers } in out {
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        session.publish(Publish { topic, partition: partition.map(i32::from), key, value, headers })?;
    }
    Ok(())
}

fn written(context: &Context, patience: &Patience, name: &str) -> Result<Written, Error> {
    let wrong = |detail: &str| Error::Schema { topic: name.to_owned(), detail: detail.to_owned() };
    let topic = context.plan.topic(name).ok_or_else(|| wrong("is not in the plan"))?;
    let schema = topic.schema.as_ref().ok_or_else(|| wrong("is not in the plan"))?;
    let (id, schema) = registered(context, patience, name, schema)?;
    let partitions = u16::try_from(topic.partitions).map_err(|_| wrong("goes with too many partitions"))?;
    Ok(Written { name: name.to_owned(), partitions, schema, id })
}

fn open_progress(context: &Context, patience: &Patience) -> Result<Progress, Error> {
    let topic = &context.plan.names.progress;
    let text = schemas::contracts::avro(schemas::contracts::PROGRESS).unwrap_or_default();
    let schema: Value =
        serde_json::from_str(text).map_err(|error| Error::Codec { topic: topic.clone(), detail: error.to_string() })?;
    let (id, schema) = registered(context, patience, topic, &schema)?;
    Progress::open(&*context.log, topic, &schema, id)
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
