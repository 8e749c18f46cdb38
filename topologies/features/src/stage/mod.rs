//! One featurizer stage: reads its entity's log, drops copies (the first stage), applies events and labels to the window
//! engine in the pipeline's order, and hands each event with its features to the next log.

mod build;
mod declared;
mod handover;
mod incident;
mod saved;
mod seen;
mod told;
mod work;

#[cfg(test)]
mod tests;

use crate::derived::{self, Derived};
use crate::input::{self, Gathered, Inputs};
use crate::spec;
use crate::window::{Evicted, Row};
use crate::{Engine, Group};
use arrow::array::{ArrayRef, StructArray};
use build::{Computed, Parts, Source};
pub use declared::{derived, group, inputs};
use flow::cold::Cold;
use flow::config::{Ordering, Pipeline};
use flow::emit::{Emitter, FEATURE_BYTES};
use flow::items::{Items, LogBatch};
use flow::ledger::{Edges, End};
use flow::names::{Names, Place};
use flow::plan::Plan;
use flow::processor::{Outbox, Processor, Stop};
use flow::sequencer::{Sequencer, Step};
use flow::snapshot::{Changes, State};
use flow::sql::Expression;
use flow::state::{Asides, TaskState};
use flow::wire::Draft;
pub use handover::hand_over;
use schemas::key::{key_group, key_hash, key_text, log_partition};
use seen::Seen;
use std::iter::once;
use std::sync::Arc;
use told::{Pushed, Teller};
use work::{Apply, Work};

/// Why a stage cannot be built from its pipeline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The entity's aggregates.
    #[error("entity {entity}: {}", lines(errors))]
    Group {
        /// The entity.
        entity: String,
        /// All that is wrong.
        errors: Vec<spec::Error>,
    },
    /// Conditions of theirs.
    #[error("entity {entity}: {}", lines(errors))]
    Conditions {
        /// The entity.
        entity: String,
        /// All that is wrong.
        errors: Vec<input::Error>,
    },
    /// A row expression.
    #[error("row feature {feature}: {source}")]
    Row {
        /// The feature.
        feature: String,
        /// What is wrong.
        source: flow::sql::Error,
    },
    /// Derived features, all that are wrong.
    #[error("{}", lines(.0))]
    Derived(Vec<derived::Error>),
    /// A name the plan does not have.
    #[error("the plan has no topic {0}")]
    Topic(String),
}

fn lines(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Where a stage's events go next.
#[derive(Debug)]
struct Next {
    topic: u16,
    partitions: u32,
    /// Column with the key of the next log.
    key: String,
}

/// The processor of one partition of an entity log.
pub struct Stage {
    sequencer: Sequencer,
    emitter: Emitter<Parts>,
    engine: Engine,
    group: Group,
    inputs: Inputs,
    row: Vec<Expression>,
    derived: Derived,
    /// All features' names, where there are derived ones.
    names: Vec<String>,
    seen: Option<Seen>,
    next: Next,
    digest: String,
    mark_us: Option<i64>,
    marked: bool,
    /// Tells what the entity's limits push out, where it has some.
    teller: Option<Teller>,
    /// Ids noted before the last cut.
    cut: Changes,
}

/// Whether an event's id was seen among those that have its place in the log.
fn repeats(seen: &mut Seen, items: &Items, row: usize, time_us: i64) -> bool {
    let (id, key) = (items.ids().value(row), items.keys().value(row));
    seen.repeats(key_group(key_hash(if key.is_empty() { id } else { key })), id, time_us)
}

impl Stage {
    /// The stage of entity number `at` in the chain, for one partition of its log.
    pub fn new(pipeline: &Pipeline, plan: &Plan, names: &Arc<Names>, at: usize, partition: u16) -> Result<Self, Error> {
        let entity = &pipeline.features.entities[at];
        let reads = &plan.stages[at].reads;
        let writes = &plan.stages[at].writes;
        let number = |topic: &String| names.number(topic).ok_or_else(|| Error::Topic(topic.clone()));
        let own = Place { topic: number(reads)?, partition };
        let partitions = plan.topic(writes).ok_or_else(|| Error::Topic(writes.clone()))?.partitions;
        // The features log goes by the first entity, as predictions do.
        let next_entity = pipeline.features.entities.get(at + 1).unwrap_or(&pipeline.features.entities[0]);
        let group = group(pipeline, entity)?;
        let (first, last) = (at == 0, at + 1 == pipeline.features.entities.len());
        let teller = match entity.is_limited() {
            true => Some(Teller::new(pipeline, entity, names.show(own), number(&plan.names.alerts)?)),
            false => None,
        };
        Ok(Stage {
            sequencer: Sequencer::new(own, names.clone(), pipeline.ordering == Ordering::EventTime),
            emitter: Emitter::new(own),
            engine: Engine::new(&group, pipeline.lateness_us),
            inputs: inputs(pipeline, &group)?,
            group,
            row: if first { build::row_expressions(pipeline)? } else { Vec::new() },
            derived: if last { derived(pipeline)? } else { Derived::default() },
            names: pipeline.features.names(),
            seen: first.then(|| Seen::new(pipeline.events.dedupe_horizon_us)),
            next: Next { topic: number(writes)?, partitions, key: next_entity.key.clone() },
            digest: pipeline.features.digest.clone(),
            mark_us: None,
            marked: true,
            teller,
            cut: Changes::default(),
        })
    }

    /// From now on keeps no more in memory than stores allow, and puts the rest there: one has windows, another event ids.
    pub fn spill(&mut self, mut store: impl FnMut() -> Box<dyn Cold>) {
        self.engine.spill(store());
        self.seen.iter_mut().for_each(|seen| seen.spill(store()));
    }

    /// Live keys in the window state.
    pub fn keys(&self) -> usize {
        self.engine.keys()
    }

    /// Items held for the watermark.
    pub fn held(&self) -> usize {
        self.sequencer.held()
    }

    /// Digest of the window state, to compare a restored task with the one that went.
    pub fn state_digest(&self) -> String {
        self.engine.digest()
    }

    /// Collects what to apply, in order: numbers checked, copies dropped.
    fn collect(&mut self, batch: &LogBatch) -> Result<Work, Stop> {
        let mut work = Work::default();
        let Stage { sequencer, seen, .. } = self;
        sequencer.run(batch, |position, step, edges| {
            match step {
                Step::Item(items, row) => {
                    let label = items.label().and_then(|labels| labels.get(row));
                    let time_us = items.envelope().time_us[row];
                    if label.is_none() && seen.as_mut().is_some_and(|seen| repeats(seen, items, row, time_us)) {
                        edges.ended(once((items.spot(row), End::Duplicate)));
                        return Ok(());
                    }
                    let source = work.source(items);
                    work.steps.push(Apply { source, row, position, time_us, label });
                }
                Step::Mark(mark_us) => work.mark_us = Some(mark_us),
                Step::Offer(..) | Step::Fence(_) => {}
            }
            Ok(())
        })?;
        match self.seen.as_ref().and_then(Seen::fault) {
            None => Ok(work),
            Some(fault) => Err(fault.clone().into()),
        }
    }

    /// Runs the engine over collected steps; features of the events, row by row.
    fn apply(&mut self, work: &Work) -> Result<Vec<Option<f64>>, Stop> {
        let events = work.steps.iter().filter(|step| step.label.is_none());
        let events: Vec<(usize, usize)> = events.map(|step| (step.source, step.row)).collect();
        let column = |source: usize, name: &str| work.sources[source].items.event_column(name);
        let columns = self.inputs.gather(work.sources.len(), &events, column).map_err(flow::wire::Error::from)?;
        let columns: Vec<_> = columns.iter().map(Gathered::column).collect();
        let rows: Vec<Row<'_>> = work.steps.iter().map(|step| step.row(&work.sources)).collect();
        let mut features = vec![None; events.len() * self.engine.width()];
        self.engine.apply_batch(&rows, &columns, &mut features);
        match self.engine.fault() {
            None => Ok(features),
            Some(fault) => Err(fault.clone().into()),
        }
    }

    /// Tells what limits of the entity pushed out with the steps; `before` is what had gone before them.
    fn tell(&mut self, work: &Work, before: Evicted, out: &mut Outbox) -> Result<(), Stop> {
        let Stage { engine, teller: Some(teller), .. } = self else { return Ok(()) };
        let rows = work.steps.iter().map(|step| (step.position, step.time_us));
        let pushed = Pushed { before, rows: engine.pushed() };
        out.single.extend(teller.take(rows, pushed, out.suppressed)?);
        Ok(())
    }

    /// Numbers the events and lays them out per target partition.
    fn emit(&mut self, work: &Work, features: &[Option<f64>]) {
        let width = self.engine.width();
        // Features that came along, or the row's in the first stage, and those computed here.
        let known = |source: &Source| {
            let before = source.items.features().map_or(self.row.len(), StructArray::num_columns);
            (before + width + self.derived.len()) * FEATURE_BYTES
        };
        let feature_bytes: Vec<usize> = work.sources.iter().map(known).collect();
        let keys: Vec<Option<&ArrayRef>> =
            work.sources.iter().map(|source| source.items.event_column(&self.next.key)).collect();
        work.count(self.next.topic, self.sequencer.edges());
        let (mut event, mut key) = (0, String::new());
        for step in work.steps.iter().filter(|step| step.label.is_none()) {
            let items = &work.sources[step.source].items;
            let id = items.ids().value(step.row);
            key.clear();
            if let Some(column) = keys[step.source] {
                // A null key leaves the text empty; the event then goes by its id.
                let _ = key_text(column, step.row, &mut key);
            }
            let partition = log_partition(if key.is_empty() { id } else { &key }, self.next.partitions);
            let target = Place { topic: self.next.topic, partition: partition as u16 };
            let trigger = self.emitter.trigger(step.position);
            let bytes = items.event_bytes(step.row) + feature_bytes[step.source];
            let (origin, named) = (items.origin(step.row), (step.time_us, id, key.as_str()));
            let parts = self.emitter.item(target, trigger, origin, named, bytes);
            parts.from.push((step.source, step.row));
            parts.computed.extend_from_slice(&features[event * width..(event + 1) * width]);
            event += 1;
        }
    }

    /// Finishes the records of this poll; the mark rides on each partition's last one.
    fn finish(&mut self, sources: &[Source], out: &mut Outbox) -> Result<(), Stop> {
        let own = self.emitter.own();
        let mut chunks = self.emitter.take();
        if out.suppressed {
            return Ok(());
        }
        chunks.sort_by_key(|chunk| chunk.target);
        let mut drafts: Vec<(Place, Draft)> = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let (target, mut failed) = (chunk.target, None);
            let (row, group, derived, names) = (&self.row[..], &self.group, &self.derived, &self.names[..]);
            let computed = Computed { row, group, derived, names };
            let draft = chunk.into_draft(own, |parts, rows| match build::columns(sources, parts, &computed) {
                Ok(columns) => rows.parts = columns,
                Err(error) => failed = Some(error),
            });
            if let Some(error) = failed {
                return Err(error);
            }
            drafts.push((target, draft));
        }
        for at in 0..drafts.len() {
            let last = drafts.get(at + 1).is_none_or(|(next, _)| *next != drafts[at].0);
            if let (true, Some(mark_us)) = (last, self.mark_us) {
                drafts[at].1.marks.push((own, mark_us));
            }
        }
        out.drafts.append(&mut drafts);
        Ok(())
    }
}

impl Processor for Stage {
    fn process(&mut self, batch: &LogBatch, out: &mut Outbox) -> Result<(), Stop> {
        let work = self.collect(batch)?;
        if let Some(mark_us) = work.mark_us {
            self.mark_us = Some(mark_us);
            self.marked = false;
        }
        let evicted = self.engine.evicted();
        let features = self.apply(&work)?;
        self.tell(&work, evicted, out)?;
        self.emit(&work, &features);
        self.finish(&work.sources, out)
    }

    fn save(&self) -> TaskState {
        let mut state = TaskState::new(&self.digest);
        self.sequencer.save(&mut state);
        self.emitter.save(&mut state, self.sequencer.names());
        let Asides { evicted_keys, evicted_entries, .. } = self.asides();
        state.asides = Asides { evicted_keys, evicted_entries, ..state.asides };
        state
    }

    fn asides(&self) -> Asides {
        let evicted = self.engine.evicted();
        Asides { evicted_keys: evicted.keys, evicted_entries: evicted.entries, ..Asides::default() }
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn edges(&mut self) -> Option<&mut Edges> {
        Some(self.sequencer.edges())
    }

    fn resume(&mut self, out: &mut Outbox) {
        let (Some(mark_us), false) = (self.mark_us, self.marked) else { return };
        let own = self.emitter.own();
        for partition in 0..self.next.partitions {
            let target = Place { topic: self.next.topic, partition: partition as u16 };
            out.drafts.push((target, Draft { marks: vec![(own, mark_us)], ..Draft::default() }));
        }
        self.marked = true;
    }
}
