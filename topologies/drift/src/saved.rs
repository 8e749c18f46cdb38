//! The monitor's tasks in snapshots: they have no entries, all is in the blob. Open windows are few, and references come
//! from their models again.

use crate::fold::{Reference, SavedWindows, profile, vocabularies};
use crate::incident::Incidents;
use crate::inputs::Inputs;
use crate::reference::Profiles;
use crate::scores::Scores;
use crate::sketch::{Sketch, Source};
use crate::task::JudgeTask;
use flow::config::Monitor;
use flow::fence::ModelRef;
use flow::marks::Marks;
use flow::names::Place;
use flow::processor::Processor;
use flow::snapshot::{Blob, Changes, Entry, Error, Header, State};
use serde::{Deserialize, Serialize};

/// Version of the blobs.
const VERSION: u32 = 1;

/// What one monitor has counted in one partition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedWatch {
    /// The monitor.
    pub(crate) monitor: String,
    /// Its open windows.
    pub(crate) windows: SavedWindows,
    /// By number, as windows name them: the model, and the columns that are counted.
    pub(crate) references: Vec<(ModelRef, Vec<String>)>,
    /// Number of the reference in force.
    pub(crate) current: Option<usize>,
}

/// What a partition of a log counted in one window.
pub(crate) type SavedPart = (Source, u16, Sketch);

/// What one judge knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedJudge {
    /// The monitor.
    pub(crate) monitor: String,
    /// How far each partition has closed its windows.
    pub(crate) closed: Vec<(Source, u16, i64)>,
    /// Windows that wait for some partition, by their start.
    pub(crate) windows: Vec<(i64, Vec<SavedPart>)>,
    /// The incidents.
    pub(crate) incidents: Incidents,
}

impl Reference {
    /// The reference by model and columns.
    pub(crate) fn save(&self) -> (ModelRef, Vec<String>) {
        let name = |at: &usize| self.profile.columns[*at].name.clone();
        (self.model.clone(), self.columns.iter().map(name).collect())
    }

    /// The same reference from its model.
    pub(crate) fn restore(
        (model, names): (ModelRef, Vec<String>),
        profiles: &dyn Profiles,
        monitor: &Monitor,
    ) -> Result<Self, Error> {
        let profile = profile(profiles, &model, monitor).map_err(Error::Blob)?;
        let position = |name: &String| {
            let found = profile.columns.iter().position(|column| column.name == *name);
            found.ok_or_else(|| Error::Blob(format!("the reference of {} has no column {name}", model.name)))
        };
        let columns = names.iter().map(position).collect::<Result<_, _>>()?;
        let vocabularies = vocabularies(profiles, &model, monitor).map_err(Error::Blob)?;
        Ok(Reference::new(model, profile, columns, &vocabularies))
    }
}

/// What a layout says about monitors: what they count, and not how it is judged.
pub(crate) fn layout<'a>(monitors: impl Iterator<Item = &'a Monitor>) -> String {
    let one = |monitor: &Monitor| {
        let Monitor { name, model, window_us, psi, .. } = monitor;
        format!("{name}/{model}/{window_us}/{}", psi.features.join(","))
    };
    monitors.map(one).collect::<Vec<_>>().join(";")
}

/// Whether what was saved is of these monitors, in their order.
pub(crate) fn check<'a>(
    saved: impl Iterator<Item = &'a str>,
    monitors: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    if saved.eq(monitors) { Ok(()) } else { Err(Error::Blob("it is of other monitors".to_owned())) }
}

impl State for Inputs {
    fn layout(&self) -> String {
        let monitors = layout(self.watches.iter().map(|watch| &watch.monitor));
        format!("inputs:{VERSION}:{}:{monitors}:{}", self.digest, self.sequencer.layout())
    }

    fn track(&mut self) {}

    fn noted_bytes(&self) -> usize {
        self.sequencer.noted_bytes()
    }

    fn cut(&mut self) -> String {
        let state = self.save();
        let own: Vec<SavedWatch> = self.watches.iter().map(|watch| watch.save()).collect();
        Blob { header: self.sequencer.cut(state), own }.text()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        Some(self.sequencer.collect())
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.sequencer.load(entry)
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        let Blob { header, own } = Blob::<Vec<SavedWatch>>::read(blob)?;
        let monitors = self.watches.iter().map(|watch| watch.monitor.name.as_str());
        check(own.iter().map(|saved| saved.monitor.as_str()), monitors)?;
        for (watch, saved) in self.watches.iter_mut().zip(own) {
            watch.restore(saved, &*self.profiles)?;
        }
        self.sequencer.restore(&header)
    }

    fn hash(&self) -> u128 {
        self.sequencer.hash()
    }
}

/// Scores by monitor, then the scorers' marks by number of topic, partition, and their watermark.
pub(crate) type OwnScores = (Vec<SavedWatch>, Vec<(u16, u16, i64)>, Option<i64>);

impl State for Scores {
    fn layout(&self) -> String {
        let monitors = layout(self.counting.watches.iter().map(|watch| &watch.monitor));
        format!("scores:{VERSION}:{}:{monitors}:{}", self.digest, self.sequencer.layout())
    }

    fn track(&mut self) {}

    fn noted_bytes(&self) -> usize {
        self.sequencer.noted_bytes()
    }

    fn cut(&mut self) -> String {
        let state = self.save();
        let watches = self.counting.watches.iter().map(|watch| watch.save()).collect();
        let marks = self.marks.save().into_iter().map(|(place, mark)| (place.topic, place.partition, mark));
        let own: OwnScores = (watches, marks.collect(), self.marks.watermark());
        Blob { header: self.sequencer.cut(state), own }.text()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        Some(self.sequencer.collect())
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.sequencer.load(entry)
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        let Blob { header, own: (watches, marks, watermark) } = Blob::<OwnScores>::read(blob)?;
        let monitors = self.counting.watches.iter().map(|watch| watch.monitor.name.as_str());
        check(watches.iter().map(|saved| saved.monitor.as_str()), monitors)?;
        for (watch, saved) in self.counting.watches.iter_mut().zip(watches) {
            watch.restore(saved, &*self.counting.profiles)?;
        }
        let marks = marks.into_iter().map(|(topic, partition, mark)| (Place { topic, partition }, mark));
        self.marks = Marks::restore(marks.collect(), watermark);
        self.sequencer.restore(&header)
    }

    fn hash(&self) -> u128 {
        self.sequencer.hash()
    }
}

impl State for JudgeTask {
    fn layout(&self) -> String {
        let monitors = layout(self.judges.iter().map(|judge| &judge.judging.monitor));
        let partitions = |judge: &crate::Judge| (judge.judging.features_partitions, judge.judging.journal_partitions);
        format!("judge:{VERSION}:{}:{monitors}:{:?}", self.digest, self.judges.first().map(partitions))
    }

    fn track(&mut self) {}

    fn noted_bytes(&self) -> usize {
        0
    }

    fn cut(&mut self) -> String {
        let own: Vec<SavedJudge> = self.judges.iter().map(|judge| judge.save()).collect();
        let header = Header { position: self.next, state: self.save(), ..Header::default() };
        Blob { header, own }.text()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        Some(Changes::default())
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        Err(Error::Entry { part: entry.part, detail: "a judge has no entries".to_owned() })
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        let Blob { header, own } = Blob::<Vec<SavedJudge>>::read(blob)?;
        check(own.iter().map(|saved| saved.monitor.as_str()), self.judges.iter().map(|judge| judge.monitor()))?;
        self.judges.iter_mut().zip(own).for_each(|(judge, saved)| judge.restore(saved));
        self.taken = header.state.asides.sketches;
        self.next = header.position;
        Ok(self.next)
    }

    fn hash(&self) -> u128 {
        0
    }
}
