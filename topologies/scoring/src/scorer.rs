//! The scorer's processor: every run of items between two fences is scored in one call.

use crate::champion::{Champion, Models};
use crate::rows::{Predictions, Scored};
use crate::score::scores;
use crate::settings::Settings;
use crate::unknown::Unknown;
use flow::emit::Emitter;
use flow::fence::{Control, Fences};
use flow::items::{Items, LogBatch};
use flow::ledger::{Edges, End};
use flow::names::{Names, Place};
use flow::processor::{Outbox, Processor, Stop};
use flow::sequencer::{Position, Sequencer, Step};
use flow::snapshot::State;
use flow::state::TaskState;
use flow::wire::{Draft, Error as WireError};
use schemas::key::{key_text, log_partition};
use std::sync::Arc;

/// Marks are forwarded in steps of a second: each one is a record in every partition of the journal.
const MARK_STEP_US: i64 = 1_000_000;

/// The scorer of one partition of the features log.
pub struct Scorer {
    pub(crate) sequencer: Sequencer,
    pub(crate) scoring: Scoring,
}

impl Scorer {
    /// A scorer at its log's start, with models from one place and outcomes of fences from another.
    pub fn new(
        own: Place,
        names: Arc<Names>,
        settings: Settings,
        models: Arc<dyn Models>,
        fences: Arc<dyn Fences>,
    ) -> Self {
        let sequencer = Sequencer::new(own, names.clone(), false).fences(fences);
        let scoring = Scoring {
            names,
            settings,
            models,
            champion: None,
            control: Control::default(),
            next: None,
            emitter: Emitter::new(own),
            predictions: Predictions::default(),
            forwarded_us: None,
            mark_us: None,
            suppressed: false,
            run: Vec::new(),
            entity: String::new(),
            unknown: Arc::default(),
        };
        Scorer { sequencer, scoring }
    }

    /// The same scorer, which counts unknown categories here.
    pub fn counting(mut self, unknown: Arc<Unknown>) -> Self {
        self.scoring.unknown = unknown;
        self
    }

    /// Name and version of the model that scores, `name@version`; none before the first champion.
    pub fn champion(&self) -> Option<&str> {
        self.scoring.champion.as_ref().map(|champion| champion.name.as_str())
    }
}

impl Processor for Scorer {
    fn process(&mut self, batch: &LogBatch, out: &mut Outbox) -> Result<(), Stop> {
        let Scorer { sequencer, scoring } = self;
        let items = &batch.items;
        scoring.suppressed = out.suppressed;
        sequencer.run(batch, |position, step, edges| match step {
            Step::Item(_, row) => {
                scoring.run.push((position, row));
                Ok(())
            }
            Step::Offer(number, control) => {
                scoring.score(items, edges)?;
                scoring.prepare(number, control)
            }
            Step::Fence(control) => {
                scoring.champion = scoring.next.take();
                scoring.control = control.clone();
                Ok(())
            }
            Step::Mark(watermark_us) => {
                scoring.mark(watermark_us);
                Ok(())
            }
        })?;
        scoring.score(items, sequencer.edges())?;
        scoring.flush(out)
    }

    fn save(&self) -> TaskState {
        let mut state = TaskState::new(&self.scoring.settings.feature_set);
        self.scoring.emitter.save(&mut state, self.sequencer.names());
        self.sequencer.save(&mut state);
        state
    }

    fn fence(&self) -> Option<i64> {
        Some(self.sequencer.fence()).filter(|number| *number >= 0)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn edges(&mut self) -> Option<&mut Edges> {
        Some(self.sequencer.edges())
    }
}

/// Everything behind the sequencer.
pub(crate) struct Scoring {
    names: Arc<Names>,
    pub(crate) settings: Settings,
    models: Arc<dyn Models>,
    pub(crate) champion: Option<Arc<Champion>>,
    /// The control state in force.
    pub(crate) control: Control,
    /// The champion of the fence on offer.
    pub(crate) next: Option<Arc<Champion>>,
    pub(crate) emitter: Emitter<Scored>,
    predictions: Predictions,
    /// The greatest mark forwarded so far.
    pub(crate) forwarded_us: Option<i64>,
    /// A mark that is still to be written.
    mark_us: Option<i64>,
    /// Whether outputs are only counted.
    suppressed: bool,
    run: Vec<(Position, usize)>,
    entity: String,
    unknown: Arc<Unknown>,
}

impl Scoring {
    pub(crate) fn prepare(&mut self, number: i64, control: &Control) -> Result<(), Stop> {
        let next = Champion::take(control, self.champion.as_ref(), &*self.models, &self.settings);
        self.next = next.map_err(|reason| {
            let log = self.names.show(self.emitter.own());
            Stop::Fenced { log, number, reason }
        })?;
        Ok(())
    }

    /// Notes the mark to forward, when it has risen by a step. The journal itself goes by the validators' marks; this
    /// one tells the monitor of scores which windows are complete.
    fn mark(&mut self, watermark_us: i64) {
        let mark_us = watermark_us.div_euclid(MARK_STEP_US) * MARK_STEP_US;
        if self.forwarded_us.is_none_or(|last| last < mark_us) {
            self.forwarded_us = Some(mark_us);
            self.mark_us = Some(mark_us);
        }
    }

    /// Scores the run of items since the last fence and forgets it.
    fn score(&mut self, items: &Items, edges: &mut Edges) -> Result<(), Stop> {
        let run = std::mem::take(&mut self.run);
        if run.is_empty() {
            return Ok(());
        }
        let Some(champion) = self.champion.clone() else {
            edges.ended(run.iter().map(|(_, row)| (items.spot(*row), End::Filtered)));
            return Ok(());
        };
        let outputs = if self.suppressed {
            // A restored task counts its outputs, and no state depends on a score.
            vec![0.0; run.len() * champion.model.network().outputs()]
        } else {
            let rows: Vec<usize> = run.iter().map(|(_, row)| *row).collect();
            let matrix = champion.inputs.rows(items.event(), items.features(), &rows);
            self.unknown.add(&champion.reference.name, champion.inputs.unknown(&matrix));
            let outputs = champion.model.network().score_rows(&matrix);
            outputs.map_err(|error| Stop::Other(format!("model {} cannot score: {error}", champion.name)))?
        };
        self.emit(&run, items, &outputs, &champion);
        edges.ended(run.iter().map(|(_, row)| (items.spot(*row), End::Emitted)));
        let topics = [self.settings.journal, self.settings.predictions];
        edges.wrote(&topics, run.iter().map(|(_, row)| items.origin(*row)));
        self.run = run;
        self.run.clear();
        Ok(())
    }

    /// Emits predictions: each to the journal first, then to the public topic.
    fn emit(&mut self, run: &[(Position, usize)], items: &Items, outputs: &[f32], champion: &Arc<Champion>) {
        let (envelope, ids) = (items.envelope(), items.ids());
        let keys = self.settings.key.as_ref().and_then(|key| items.event_column(key));
        for ((position, row), score) in run.iter().copied().zip(scores(champion.model.network(), outputs)) {
            let (time_us, id) = (envelope.time_us[row], ids.value(row));
            let origin = items.origin(row);
            let partition = log_partition(id, u32::from(self.settings.journal_partitions)) as u16;
            let target = Place { topic: self.settings.journal, partition };
            let trigger = self.emitter.trigger(position);
            self.emitter.item(target, trigger, origin, (time_us, id, id), champion.bytes).push(&score, champion);
            self.entity.clear();
            if let Some(keys) = keys {
                // A null key leaves the text empty, which is how predictions spell it.
                let _ = key_text(keys.as_ref(), row, &mut self.entity);
            }
            let trigger = self.emitter.trigger(position);
            self.predictions.push((trigger, origin), (time_us, id, &self.entity), (&score, champion));
        }
    }

    fn flush(&mut self, out: &mut Outbox) -> Result<(), Stop> {
        let own = self.emitter.own();
        let chunks = self.emitter.take();
        let predictions = std::mem::take(&mut self.predictions);
        let mark_us = self.mark_us.take();
        if out.suppressed {
            return Ok(());
        }
        for chunk in chunks {
            let target = chunk.target;
            let part = chunk.parts.part(&self.settings.journal_prediction, &self.settings).map_err(WireError::from)?;
            let draft = chunk.into_draft(own, |_, rows| rows.parts.push(("prediction", part)));
            out.drafts.push((target, draft));
        }
        if let Some(mark_us) = mark_us {
            self.write_mark(mark_us, out);
        }
        out.public.extend(predictions.rows(&self.settings).map_err(WireError::from)?);
        Ok(())
    }

    /// Puts the mark last into every partition of the journal: a record's mark applies after its items.
    fn write_mark(&self, mark_us: i64, out: &mut Outbox) {
        let mark = (self.emitter.own(), mark_us);
        for partition in 0..self.settings.journal_partitions {
            let place = Place { topic: self.settings.journal, partition };
            match out.drafts.iter_mut().rev().find(|(at, _)| *at == place) {
                Some((_, draft)) => draft.marks.push(mark),
                None => out.drafts.push((place, Draft { marks: vec![mark], ..Draft::default() })),
            }
        }
    }
}
