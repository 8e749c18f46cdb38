//! The featurizer: one stage per entity of the chain, and the journal. Each reads one log, and gets its state back by
//! reading it again.

mod limits;

use features::Stage;
use flow::alert::Alert;
use flow::names::Place;
use flow::processor::{Processor, Stop};
use flow::state::TaskState;
use flow::task::{LogTask, Sink};
use labels::{Journal, Settings};
use limits::Evictions;
use runtime::cold::Spill;
use runtime::context::Context;
use runtime::log::{Committed, Session, TopicPartition};
use runtime::shell::{self, Opened, Restore, Service, Slot, Stats};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The service of one featurizer task.
pub struct Featurizer {
    context: Context,
    role: Role,
    spill: Option<Spill>,
    stats: Option<Arc<Stats>>,
    evictions: Evictions,
}

/// Which task a featurizer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The stage of the entity with this number in the chain.
    Stage(usize),
    /// The journal.
    Journal,
}

impl Featurizer {
    /// A featurizer in the given role.
    pub fn new(context: Context, role: Role) -> Self {
        Featurizer { context, role, spill: None, stats: None, evictions: Evictions::default() }
    }

    /// The same, whose tasks put state on disk that is beyond the limit.
    pub fn spilling(self, spill: Spill) -> Self {
        Featurizer { spill: Some(spill), ..self }
    }

    /// The same, which counts there what limits of entities push out.
    pub fn counting(self, stats: Arc<Stats>) -> Self {
        Featurizer { stats: Some(stats), ..self }
    }

    /// All roles of a pipeline, each with the log it reads.
    pub fn roles(context: &Context) -> Vec<(Role, String)> {
        let stages = context.plan.stages.iter().enumerate();
        let mut roles: Vec<_> = stages.map(|(at, stage)| (Role::Stage(at), stage.reads.clone())).collect();
        roles.push((Role::Journal, context.plan.names.journal_log.clone()));
        roles
    }

    fn stage(&self, at: usize, tp: &TopicPartition) -> Result<Opened, Stop> {
        let context = &self.context;
        let partition = tp.partition as u16;
        let mut stage = Stage::new(&context.pipeline, &context.plan, &context.names, at, partition).map_err(stop)?;
        if let Some(spill) = &self.spill {
            stage.spill(|| Box::new(spill.table()));
        }
        let mut sinks = sinks(context, &[&context.plan.stages[at].writes], &[])?;
        if context.pipeline.features.entities[at].is_limited() {
            let alerts = &context.plan.names.alerts;
            let sink = Alert::sink(context.own_schema_id(alerts).map_err(stop)?)?;
            sinks.push((alerts.clone(), Sink::Single(sink)));
        }
        open_task(context, tp, stage, sinks)
    }

    fn journal(&self, tp: &TopicPartition) -> Result<Opened, Stop> {
        let context = &self.context;
        let settings = Settings::of(&context.pipeline, &context.plan, &context.names).map_err(stop)?;
        let own = Place { topic: context.number(&tp.topic).map_err(stop)?, partition: tp.partition as u16 };
        let mut journal = Journal::new(own, context.names.clone(), settings);
        self.spill.iter().for_each(|spill| journal.spill(Box::new(spill.table())));
        let labelled = context.plan.stages.iter().filter(|stage| stage.label_derived).map(|stage| &stage.reads);
        let labelled: Vec<_> = labelled.collect();
        let names = &context.plan.names;
        let refusals = context.pipeline.labels.as_ref().map(|_| &names.refusals);
        let public: Vec<_> = [&names.outcomes].into_iter().chain(refusals).collect();
        open_task(context, tp, journal, sinks(context, &labelled, &public)?)
    }
}

/// A task over one partition of an internal log, restored by replay.
pub fn open_task<P: Processor + 'static>(
    context: &Context,
    tp: &TopicPartition,
    processor: P,
    sinks: Vec<(String, Sink)>,
) -> Result<Opened, Stop> {
    let own = Place { topic: context.number(&tp.topic).map_err(stop)?, partition: tp.partition as u16 };
    let reader = context.reader(&tp.topic).map_err(stop)?;
    let source = context.pipeline.name.as_str().into();
    let mut task = LogTask::new(own, reader, context.schema_source(), processor, source);
    for (topic, sink) in sinks {
        task = task.sink(context.number(&topic).map_err(stop)?, sink);
    }
    Ok(Opened { task: Box::new(task), restore: Restore::Replay })
}

/// The topics a task writes: internal logs and public ones.
pub fn sinks(context: &Context, logs: &[&String], public: &[&String]) -> Result<Vec<(String, Sink)>, Stop> {
    let mut found = Vec::new();
    for log in logs {
        found.push(((*log).clone(), Sink::Log(context.writer(log).map_err(stop)?)));
    }
    for topic in public {
        found.push(((*topic).clone(), Sink::Public(context.encoder(topic).map_err(stop)?)));
    }
    Ok(found)
}

impl Service for Featurizer {
    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        if let Some(committed) = committed.filter(|committed| committed.offset > 0) {
            TaskState::read(&committed.metadata, &self.context.pipeline.features.digest).map_err(stop)?;
        }
        match self.role {
            Role::Stage(at) => self.stage(at, tp),
            Role::Journal => self.journal(tp),
        }
    }

    fn tick(&mut self, slots: &mut [Slot], _: &mut dyn Session) -> Result<(), shell::Error> {
        let Featurizer { context, role, stats, evictions, .. } = self;
        let Role::Stage(at) = role else {
            stats.iter().for_each(|stats| stats.labelled(labels(slots)));
            return Ok(());
        };
        let entity = &context.pipeline.features.entities[*at];
        if entity.is_limited() {
            evictions.tell(&entity.name, slots, stats.as_ref());
        }
        Ok(())
    }
}

/// What became of the labels of all tasks.
fn labels(slots: &[Slot]) -> BTreeMap<&'static str, u64> {
    let mut sum = BTreeMap::new();
    for (outcome, labels) in slots.iter().flat_map(|slot| slot.task.labels()) {
        *sum.entry(outcome).or_default() += labels;
    }
    sum
}

fn stop(error: impl std::fmt::Display) -> Stop {
    Stop::Other(error.to_string())
}
