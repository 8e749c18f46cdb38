//! The journal's processor: items in, outcomes, labelled events and marks out.

mod ends;

use crate::layout::{Layout, Scratch};
use crate::outcomes::Outcomes;
use crate::pairing::{Known, Met, meet};
use crate::predictions::Routes;
use crate::refusals::Refusals;
use crate::settings::Settings;
use crate::table::Table;
use arrow::array::{ArrayRef, Float64Array, StructArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use flow::cold::Cold;
use flow::emit::Emitter;
use flow::flaw::{Flaw, made};
use flow::items::{Items, LogBatch};
use flow::ledger::{Edges, End, Spot};
use flow::names::{Names, Place};
use flow::processor::{Outbox, Processor, Stop};
use flow::sequencer::{Position, Sequencer, Step};
use flow::snapshot::State;
use flow::state::TaskState;
use flow::wire::{Draft, Rows};
use schemas::key::{grouped_id, key_group, key_hash};
use serde::{Deserialize, Serialize};
use std::iter::once;
use std::sync::Arc;

/// What happened, for metrics; a finer view of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Items that wait for their counterpart or for the watermark.
    pub waiting: u64,
    /// Ids remembered.
    pub ids: u64,
    /// Labels among them.
    pub labels_waiting: u64,
    /// Outcomes written, corrected ones included.
    pub outcomes: u64,
    /// Outcomes that correct another.
    pub corrected: u64,
    /// Pairs with a prediction.
    pub scored: u64,
    /// Labels that said what the event's label says.
    pub same_labels: u64,
    /// Labels that came to nothing, as the event had another one.
    pub conflicting: u64,
    /// Labels that came to nothing, as another one became known later.
    pub superseded: u64,
    /// Labels that the horizon passed while nobody heard of their event.
    pub unknown_events: u64,
    /// Predictions that came after the outcome.
    pub predictions_after: u64,
    /// Items that the horizon passed unpaired.
    pub forgotten: u64,
}

/// The label part of labelled events.
#[derive(Debug, Default)]
pub(crate) struct LabelParts {
    values: Vec<f64>,
    event_time_us: Vec<i64>,
}

/// The journal of one partition.
#[derive(Debug)]
pub struct Journal {
    pub(crate) sequencer: Sequencer,
    pub(crate) pairing: Pairing,
}

impl Journal {
    /// A journal at its log's start.
    pub fn new(own: Place, names: Arc<Names>, settings: Settings) -> Self {
        let sequencer = Sequencer::new(own, names, settings.holds && !made(Flaw::JournalNotHeld));
        Journal { sequencer, pairing: Pairing::new(own, settings) }
    }

    /// From now on keeps no more event ids in memory than the store allows, and puts the rest there.
    pub fn spill(&mut self, store: Box<dyn Cold>) {
        self.pairing.table.spill(store);
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let waiting = self.pairing.counts.waiting + self.sequencer.held() as u64;
        Counts { waiting, ids: self.pairing.table.len() as u64, ..self.pairing.counts }
    }
}

impl Processor for Journal {
    fn process(&mut self, batch: &LogBatch, out: &mut Outbox) -> Result<(), Stop> {
        let Journal { sequencer, pairing } = self;
        sequencer.run(batch, |position, step, edges| pairing.step(position, step, edges))?;
        match pairing.table.fault() {
            None => pairing.flush(out),
            Some(fault) => Err(fault.clone().into()),
        }
    }

    fn save(&self) -> TaskState {
        let mut state = TaskState::new(&self.pairing.settings.digest);
        state.asides.conflict = self.pairing.conflicts;
        self.pairing.emitter.save(&mut state, self.sequencer.names());
        self.sequencer.save(&mut state);
        state
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn edges(&mut self) -> Option<&mut Edges> {
        Some(self.sequencer.edges())
    }

    fn labels(&self) -> Vec<(&'static str, u64)> {
        let Counts { outcomes, corrected, same_labels, conflicting, superseded, .. } = self.pairing.counts;
        let Counts { unknown_events, labels_waiting, .. } = self.pairing.counts;
        vec![
            ("paired", outcomes - corrected),
            ("corrected", corrected),
            ("duplicate", same_labels),
            ("conflict", conflicting),
            ("superseded", superseded),
            ("unknown_event", unknown_events),
            ("waiting", labels_waiting),
        ]
    }
}

/// Everything behind the sequencer.
#[derive(Debug)]
pub(crate) struct Pairing {
    pub(crate) settings: Settings,
    layout: Option<Layout>,
    pub(crate) table: Table,
    pub(crate) routes: Routes,
    pub(crate) emitter: Emitter<LabelParts>,
    outcomes: Outcomes,
    refusals: Refusals,
    /// The greatest mark forwarded so far.
    pub(crate) forwarded_us: Option<i64>,
    /// A mark that is still to be written.
    mark_us: Option<i64>,
    /// Copies of events that disagree with the first.
    pub(crate) conflicts: u64,
    pub(crate) counts: Counts,
    scratch: Scratch,
}

impl Pairing {
    fn new(own: Place, settings: Settings) -> Self {
        Pairing {
            table: Table::new(settings.horizon_us),
            settings,
            layout: None,
            routes: Routes::default(),
            emitter: Emitter::new(own),
            outcomes: Outcomes::default(),
            refusals: Refusals::default(),
            forwarded_us: None,
            mark_us: None,
            conflicts: 0,
            counts: Counts::default(),
            scratch: Scratch::default(),
        }
    }

    fn step(&mut self, position: Position, step: Step<'_>, edges: &mut Edges) -> Result<(), Stop> {
        match step {
            Step::Item(items, row) => self.item(position, (items, row), edges)?,
            Step::Mark(watermark_us) => {
                self.mark(watermark_us);
                self.forget(position, watermark_us, edges);
            }
            // The journal's control state is its parents, which the sequencer has taken.
            Step::Offer(..) | Step::Fence(_) => {}
        }
        Ok(())
    }

    /// Notes the mark to forward, when it has risen by a step.
    fn mark(&mut self, watermark_us: i64) {
        let step_us = self.settings.mark_step_us;
        let mark_us = watermark_us.div_euclid(step_us) * step_us;
        if self.forwarded_us.is_none_or(|last| last < mark_us) {
            self.forwarded_us = Some(mark_us);
            self.mark_us = Some(mark_us);
        }
    }

    fn item(&mut self, position: Position, (items, row): (&Items, usize), edges: &mut Edges) -> Result<(), Stop> {
        let layout = match &mut self.layout {
            Some(layout) => layout,
            none => none.insert(Layout::of(items, &self.settings.keys, &self.settings.classes)?),
        };
        let input = layout.read(items, row, &mut self.routes, &mut self.scratch);
        let id = items.ids().value(row);
        let (was, is) = (self.counts.labels_waiting, &mut self.counts.labels_waiting);
        let policy = self.settings.policy;
        let met = self.table.update(grouped_id(id, key_group(key_hash(id))), |known| {
            let before = u64::from(known.as_ref().is_some_and(Known::is_label));
            let (known, met) = meet(known, input, (id, policy));
            *is = was + u64::from(known.is_label()) - before;
            (known, met)
        });
        match met {
            Met::Waits => self.counts.waiting += 1,
            Met::Copy { conflict } => {
                self.conflicts += u64::from(conflict);
                edges.ended(once((items.spot(row), End::Duplicate)));
            }
            Met::SameLabel => {
                self.counts.same_labels += 1;
                edges.ended(once((items.spot(row), End::Duplicate)));
            }
            Met::Refused(refused) => self.refuse((position, id), refused, edges),
            Met::AfterOutcome => {
                self.counts.predictions_after += 1;
                edges.ended(once((items.spot(row), End::Filtered)));
            }
            Met::Pair(_, _, None) if made(Flaw::PairNeedsPrediction) => {}
            Met::Pair(event, label, prediction) => {
                let spots: [Option<Spot>; 3] = [Some(event.spot), Some(label.spot()), prediction.map(|one| one.spot)];
                edges.ended(spots.into_iter().flatten().map(|spot| (spot, End::Emitted)));
                let waited = u64::from(prediction.is_some());
                self.counts.waiting -= 1 + waited;
                self.counts.scored += waited;
                self.outcome((position, id), (&event, &label, prediction), 0, edges);
                self.labelled((position, id), &event, &label, edges);
            }
            Met::Corrected(event, label, prediction, revision) => {
                self.counts.corrected += 1;
                edges.ended(once((label.spot(), End::Emitted)));
                // Entities have counted the event with its label, and do not do so twice.
                self.outcome((position, id), (&event, &label, prediction), revision, edges);
            }
        }
        Ok(())
    }

    /// Hands over what the batch brought. The mark goes last into every partition: a record's mark applies after its
    /// items, and promises nothing that is not yet written.
    fn flush(&mut self, out: &mut Outbox) -> Result<(), Stop> {
        let own = self.emitter.own();
        let label_type = self.layout.as_ref().and_then(|layout| layout.label_type.clone());
        let chunks = self.emitter.take();
        let outcomes = std::mem::take(&mut self.outcomes);
        let refusals = std::mem::take(&mut self.refusals);
        let mark_us = self.mark_us.take();
        if out.suppressed {
            return Ok(());
        }
        let first = out.drafts.len();
        for chunk in chunks {
            let target = chunk.target;
            let draft = chunk.into_draft(own, |parts, rows| finish(parts, label_type.as_ref(), rows));
            out.drafts.push((target, draft));
        }
        if let Some(mark_us) = mark_us {
            for target in &self.settings.targets {
                for partition in 0..target.partitions {
                    let place = Place { topic: target.log, partition };
                    let drafts = &mut out.drafts[first..];
                    match drafts.iter_mut().rev().find(|(at, _)| *at == place) {
                        Some((_, draft)) => draft.marks.push((own, mark_us)),
                        None => out.drafts.push((place, Draft { marks: vec![(own, mark_us)], ..Draft::default() })),
                    }
                }
            }
        }
        if !outcomes.is_empty() {
            out.public.push(outcomes.rows(&self.settings, &self.routes)?);
        }
        if let Some((topic, schema)) = self.settings.refusals.as_ref().filter(|_| !refusals.is_empty()) {
            out.public.push(refusals.rows(*topic, schema, &self.settings.classes)?);
        }
        Ok(())
    }
}

/// Lays the label part out as the journal's own log has it; entity logs have the same.
fn finish(parts: LabelParts, label_type: Option<&DataType>, rows: &mut Rows) {
    let Some(DataType::Struct(fields)) = label_type else { return };
    let times = TimestampMicrosecondArray::from(parts.event_time_us).with_data_type(fields[1].data_type().clone());
    let columns: Vec<ArrayRef> = vec![Arc::new(Float64Array::from(parts.values)), Arc::new(times)];
    rows.parts.push(("label", Arc::new(StructArray::new(fields.clone(), columns, None))));
}
