//! Open windows of one monitor in one partition, and the sketches they leave.

use crate::reference::Profiles;
use crate::sketch::{ColumnSketch, Sketch, Sketches, Source};
use arrow::datatypes::SchemaRef;
use flow::config::Monitor;
use flow::emit::Emitter;
use flow::fence::ModelRef;
use flow::names::{Names, Place};
use flow::processor::{Outbox, PublicRows, Stop};
use flow::reader::Trigger;
use flow::sequencer::{Position, Sequencer};
use model::{Profile, Vocabulary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a task of step one is made of, whichever log it reads.
pub struct Setup<'a> {
    /// The partition that it reads.
    pub own: Place,
    /// Topics by number.
    pub names: Arc<Names>,
    /// All monitors of the pipeline.
    pub monitors: &'a [Monitor],
    /// Where references come from.
    pub profiles: Arc<dyn Profiles>,
    /// Name number of the topic that sketches go to, and the Arrow form of its schema
    /// [`schemas::contracts::SKETCHES`].
    pub sketches: (u16, SchemaRef),
    /// Digest of the feature set.
    pub digest: &'a str,
}

impl Setup<'_> {
    pub(crate) fn sequencer(&self) -> Sequencer {
        Sequencer::new(self.own, self.names.clone(), false)
    }

    /// Every monitor with windows for what is counted here, none open yet.
    pub(crate) fn windows(&self, source: Source) -> impl Iterator<Item = (Monitor, Windows)> {
        let windows = move |monitor: &Monitor| {
            (monitor.clone(), Windows::new(&monitor.name, source, self.own.partition, monitor.window_us))
        };
        self.monitors.iter().map(windows)
    }

    pub(crate) fn output(&self) -> Output {
        Output::new(self.own, self.sketches.0, self.sketches.1.clone())
    }
}

/// The profile of a model; the error says which monitor wants it.
pub(crate) fn profile(profiles: &dyn Profiles, model: &ModelRef, monitor: &Monitor) -> Result<Arc<Profile>, String> {
    let ModelRef { name, version, .. } = model;
    let refuse = |reason| format!("reference of model {name}@{version} for monitor {}: {reason}", monitor.name);
    profiles.profile(model).map_err(refuse)
}

/// The words of a model; the error says which monitor wants them.
pub(crate) fn vocabularies(
    profiles: &dyn Profiles,
    model: &ModelRef,
    monitor: &Monitor,
) -> Result<Vec<Arc<Vocabulary>>, String> {
    let ModelRef { name, version, .. } = model;
    let refuse = |reason| format!("vocabularies of model {name}@{version} for monitor {}: {reason}", monitor.name);
    profiles.vocabularies(model).map_err(refuse)
}

/// A model's reference and which of its columns are counted.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) model: ModelRef,
    /// Name and version as predictions spell them.
    pub(crate) label: String,
    pub(crate) profile: Arc<Profile>,
    /// Positions in the profile, in the order of [`Sketch::columns`].
    pub(crate) columns: Vec<usize>,
    /// Words of those columns that are categories, in the same order.
    pub(crate) words: Vec<Option<Arc<Vocabulary>>>,
}

impl Reference {
    pub(crate) fn new(
        model: ModelRef,
        profile: Arc<Profile>,
        columns: Vec<usize>,
        vocabularies: &[Arc<Vocabulary>],
    ) -> Self {
        let label = format!("{}@{}", model.name, model.version);
        let words = |at: &usize| {
            let name = &profile.columns[*at].name;
            vocabularies.iter().find(|words| words.input() == name).cloned()
        };
        let words = columns.iter().map(words).collect();
        Reference { model, label, profile, columns, words }
    }

    fn sketch(&self, start_us: i64) -> Sketch {
        let ModelRef { name, version, digest } = self.model.clone();
        let columns = self.columns.iter().map(|at| ColumnSketch::new(&self.profile.columns[*at])).collect();
        Sketch { start_us, model: name, version, digest, events: 0, columns }
    }
}

/// Windows that are still open, by start and number of the reference.
#[derive(Debug)]
pub(crate) struct Windows {
    monitor: String,
    source: Source,
    partition: u16,
    width_us: i64,
    open: BTreeMap<(i64, usize), Sketch>,
    closed_us: Option<i64>,
}

/// Windows as they are saved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedWindows {
    pub(crate) open: Vec<(i64, usize, Sketch)>,
    pub(crate) closed_us: Option<i64>,
}

impl Windows {
    fn new(monitor: &str, source: Source, partition: u16, width_us: i64) -> Self {
        let (monitor, open) = (monitor.to_owned(), BTreeMap::new());
        Windows { monitor, source, partition, width_us, open, closed_us: None }
    }

    /// The windows as they are.
    pub(crate) fn save(&self) -> SavedWindows {
        let open = self.open.iter().map(|((start_us, number), sketch)| (*start_us, *number, sketch.clone()));
        SavedWindows { open: open.collect(), closed_us: self.closed_us }
    }

    /// Takes up what was saved.
    pub(crate) fn restore(&mut self, saved: SavedWindows) {
        let SavedWindows { open, closed_us } = saved;
        self.open = open.into_iter().map(|(start_us, number, sketch)| ((start_us, number), sketch)).collect();
        self.closed_us = closed_us;
    }

    /// Start of the window that holds a time.
    pub(crate) fn start(&self, time_us: i64) -> i64 {
        time_us.div_euclid(self.width_us) * self.width_us
    }

    /// The sketch of a window; none when the window is closed.
    pub(crate) fn sketch(&mut self, start_us: i64, number: usize, reference: &Reference) -> Option<&mut Sketch> {
        if self.closed_us.is_some_and(|closed_us| start_us < closed_us) {
            return None;
        }
        Some(self.open.entry((start_us, number)).or_insert_with(|| reference.sketch(start_us)))
    }

    /// Closes what ends at or below the watermark. Nothing below the watermark is still to come, so these windows are
    /// complete.
    pub(crate) fn close(&mut self, watermark_us: i64) -> Option<Sketches> {
        let closed_us = self.start(watermark_us);
        if self.closed_us.is_some_and(|last| closed_us <= last) {
            return None;
        }
        self.closed_us = Some(closed_us);
        let open = self.open.split_off(&(closed_us, 0));
        let windows = std::mem::replace(&mut self.open, open).into_values().collect();
        let (monitor, source, partition) = (self.monitor.clone(), self.source, self.partition);
        Some(Sketches { monitor, source, partition, closed_us, windows })
    }
}

/// Sketches on their way out.
#[derive(Debug)]
pub(crate) struct Output {
    emitter: Emitter<()>,
    topic: u16,
    schema: SchemaRef,
    sketches: Vec<Sketches>,
    triggers: Vec<Trigger>,
}

impl Output {
    fn new(own: Place, topic: u16, schema: SchemaRef) -> Self {
        Output { emitter: Emitter::new(own), topic, schema, sketches: Vec::new(), triggers: Vec::new() }
    }

    /// Closes what the watermark completes.
    pub(crate) fn close(&mut self, windows: &mut Windows, watermark_us: i64, position: Position) {
        if let Some(sketches) = windows.close(watermark_us) {
            self.triggers.push(self.emitter.trigger(position));
            self.sketches.push(sketches);
        }
    }

    /// Hands over what was closed.
    pub(crate) fn flush(&mut self, out: &mut Outbox) -> Result<(), Stop> {
        let (sketches, triggers) = (std::mem::take(&mut self.sketches), std::mem::take(&mut self.triggers));
        if out.suppressed || sketches.is_empty() {
            return Ok(());
        }
        let rows = Sketches::to_batch(&sketches, &self.schema).map_err(flow::wire::Error::from)?;
        let id = |row: &Sketches| format!("{}/{}/{}/{}", row.monitor, row.source.name(), row.partition, row.closed_us);
        out.public.push(PublicRows {
            topic: self.topic,
            keys: sketches.iter().map(|row| row.monitor.clone()).collect(),
            ids: sketches.iter().map(id).collect(),
            triggers,
            origins: vec![None; sketches.len()],
            rows,
        });
        Ok(())
    }
}
