//! Step one over the journal: scores, counted in the bins of the reference of the model that gave them.
//!
//! The journal's watermark is that of the validators, and predictions trail behind it. So this task goes by the marks
//! of the scorers, which the journal itself leaves aside: a scorer's mark promises that no prediction below it is still
//! to come.

use crate::fold::{Output, Reference, Setup, Windows, profile};
use crate::reference::Profiles;
use crate::saved::SavedWatch;
use crate::sketch::Source;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Fields, Float64Type};
use flow::config::Monitor;
use flow::fence::{Control, ModelRef};
use flow::items::{Items, LogBatch};
use flow::ledger::{Edges, End};
use flow::marks::Marks;
use flow::names::{Names, Place};
use flow::processor::{Outbox, Processor, Stop};
use flow::sequencer::{Position, Sequencer, Step};
use flow::snapshot::{Error, State};
use flow::state::TaskState;
use model::profile::SCORE;
use std::iter::once;
use std::sync::Arc;

/// The step-one task of one partition of the journal, for all monitors of a pipeline.
pub struct Scores {
    pub(crate) sequencer: Sequencer,
    pub(crate) marks: Marks,
    pub(crate) counting: Counting,
    output: Output,
    pub(crate) digest: String,
}

pub(crate) struct Counting {
    names: Arc<Names>,
    pub(crate) profiles: Arc<dyn Profiles>,
    pub(crate) watches: Vec<Watch>,
    /// All items of one task have the reader's schema, so positions are looked up once.
    places: Option<Places>,
}

/// Where a prediction keeps what is read.
#[derive(Debug, Clone, Copy)]
struct Places {
    part: usize,
    score: usize,
    model: usize,
    digest: usize,
}

/// What is read of a prediction.
#[derive(Debug, Clone, Copy)]
struct Scored<'a> {
    time_us: i64,
    score: f64,
    model: &'a str,
    digest: &'a str,
}

impl Places {
    fn of(items: &Items) -> Option<Self> {
        let find = |fields: &Fields, name: &str| fields.find(name).map(|(at, _)| at);
        let part = find(items.columns().fields(), "prediction")?;
        let fields = items.columns().column(part).as_struct().fields();
        let (score, model) = (find(fields, "score")?, find(fields, "model")?);
        Some(Places { part, score, model, digest: find(fields, "model_digest")? })
    }

    fn read<'a>(&self, items: &'a Items, row: usize) -> Option<Scored<'a>> {
        let part = items.columns().column(self.part).as_struct();
        let text = |at: usize| part.column(at).as_string::<i32>().value(row);
        part.is_valid(row).then(|| Scored {
            time_us: items.envelope().time_us[row],
            score: part.column(self.score).as_primitive::<Float64Type>().value(row),
            model: text(self.model),
            digest: text(self.digest),
        })
    }
}

/// What one monitor watches here.
pub(crate) struct Watch {
    pub(crate) monitor: Monitor,
    windows: Windows,
    references: Vec<Reference>,
}

impl Scores {
    /// A task at its log's start.
    pub fn new(setup: Setup<'_>) -> Self {
        let watch = |(monitor, windows)| Watch { monitor, windows, references: Vec::new() };
        let watches = setup.windows(Source::Scores).map(watch).collect();
        Scores {
            sequencer: setup.sequencer(),
            marks: Marks::default(),
            output: setup.output(),
            digest: setup.digest.to_owned(),
            counting: Counting { names: setup.names, profiles: setup.profiles, watches, places: None },
        }
    }
}

impl Processor for Scores {
    fn process(&mut self, batch: &LogBatch, out: &mut Outbox) -> Result<(), Stop> {
        for head in &batch.records {
            let one = LogBatch { records: vec![head.clone()], items: batch.items.clone() };
            let Scores { sequencer, marks, counting, .. } = self;
            sequencer.run(&one, |_, step, edges| match step {
                Step::Item(items, row) => counting.item(items, row, edges),
                Step::Fence(control) => {
                    counting.declare(control, marks);
                    Ok(())
                }
                Step::Mark(_) | Step::Offer(..) => Ok(()),
            })?;
            head.marks.iter().for_each(|(place, mark_us)| self.marks.raise(*place, *mark_us));
            if let Some(watermark_us) = self.marks.advance() {
                let position = Position { offset: head.offset, item: head.items.len() as i32 };
                for watch in &mut self.counting.watches {
                    self.output.close(&mut watch.windows, watermark_us, position);
                }
            }
        }
        self.output.flush(out)
    }

    fn save(&self) -> TaskState {
        let mut state = TaskState::new(&self.digest);
        self.sequencer.save(&mut state);
        state
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn edges(&mut self) -> Option<&mut Edges> {
        Some(self.sequencer.edges())
    }
}

impl Counting {
    /// The scorers are the parents whose marks the journal itself does not count.
    fn declare(&self, control: &Control, marks: &mut Marks) {
        for parent in control.parents.iter().filter(|parent| !parent.marks) {
            // Retries are no log: their partitions promise nothing to anybody.
            let of_log = |topic: &u16| self.names.generation(*topic) > 0;
            let Some(topic) = self.names.number(&parent.log).filter(of_log) else { continue };
            (0..parent.partitions).for_each(|partition| marks.declare(Place { topic, partition }));
        }
    }

    /// Counts a prediction; events and labels, and predictions for a closed window, are filtered.
    fn item(&mut self, items: &Items, row: usize, edges: &mut Edges) -> Result<(), Stop> {
        if self.places.is_none() {
            self.places = Places::of(items);
        }
        let mut counted = false;
        if let Some(scored) = self.places.and_then(|places| places.read(items, row)) {
            for watch in &mut self.watches {
                counted |= watch.add(scored, &*self.profiles).map_err(Stop::Other)?;
            }
        }
        edges.ended(once((items.spot(row), if counted { End::Emitted } else { End::Filtered })));
        Ok(())
    }
}

impl Watch {
    pub(crate) fn save(&self) -> SavedWatch {
        SavedWatch {
            monitor: self.monitor.name.clone(),
            windows: self.windows.save(),
            references: self.references.iter().map(Reference::save).collect(),
            current: None,
        }
    }

    pub(crate) fn restore(&mut self, saved: SavedWatch, profiles: &dyn Profiles) -> Result<(), Error> {
        let references = saved.references.into_iter();
        self.references =
            references.map(|one| Reference::restore(one, profiles, &self.monitor)).collect::<Result<_, _>>()?;
        self.windows.restore(saved.windows);
        Ok(())
    }

    fn add(&mut self, scored: Scored<'_>, profiles: &dyn Profiles) -> Result<bool, String> {
        let Scored { time_us, score, model: label, digest } = scored;
        let Some((name, version)) = label.rsplit_once('@') else { return Ok(false) };
        if name != self.monitor.model {
            return Ok(false);
        }
        let same = |reference: &Reference| reference.model.digest == digest && reference.label == label;
        let number = match self.references.iter().rposition(same) {
            Some(number) => number,
            None => {
                let version = version.parse().map_err(|_| format!("a prediction names the model {label:?}"))?;
                let model = ModelRef { name: name.to_owned(), version, digest: digest.to_owned() };
                let profile = profile(profiles, &model, &self.monitor)?;
                let columns = profile.columns.iter().position(|column| column.name == SCORE).into_iter().collect();
                self.references.push(Reference::new(model, profile, columns, &[]));
                self.references.len() - 1
            }
        };
        let reference = &self.references[number];
        let start_us = self.windows.start(time_us);
        let Some(sketch) = self.windows.sketch(start_us, number, reference) else { return Ok(false) };
        sketch.events += 1;
        for (column, counts) in reference.columns.iter().zip(&mut sketch.columns) {
            counts.add(&reference.profile.columns[*column], Some(score));
        }
        Ok(true)
    }
}
