//! The monitor's state in a new generation of the logs. Counts of partitions add up in any order, so an old partition's
//! open windows go on in any one of the new; what its judge has of windows that wait for others stays with the judge.

use crate::fold::SavedWindows;
use crate::saved::{OwnScores, SavedJudge, SavedWatch};
use crate::sketch::{Sketch, Sketches, Source};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use flow::fence::ModelRef;
use flow::handover::{Handover, New, Old, Split, least};
use flow::ledger;
use flow::snapshot::{Blob, Changes, Error, Header, entries};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// What the tasks that count inputs begin with.
pub fn inputs(old: &[Old<'_>], to: &Handover<'_>) -> Result<Vec<New>, Error> {
    let (headers, own) = read::<Vec<SavedWatch>>(old)?;
    let watches = watches(&own, to.begins.len());
    let mut watches = watches.into_iter();
    counted(old, to)?.finish(&headers, |_| watches.next().unwrap_or_default())
}

/// What the tasks that count scores begin with; `scorers` is the number of the log whose tasks score.
pub fn scores(old: &[Old<'_>], to: &Handover<'_>, scorers: u16) -> Result<Vec<New>, Error> {
    let (headers, own) = read::<OwnScores>(old)?;
    let watermark = least(own.iter().map(|(.., watermark)| *watermark));
    let mut least_marks = BTreeMap::<(u16, u16), i64>::new();
    for (topic, partition, mark_us) in own.iter().flat_map(|(_, marks, _)| marks) {
        let partition = if *topic == scorers { 0 } else { *partition };
        let least = least_marks.entry((*topic, partition)).or_insert(*mark_us);
        *least = (*least).min(*mark_us);
    }
    let count = to.parents.iter().find(|parent| !parent.marks && to.renamed.values().any(|log| *log == parent.log));
    let partitions = |topic: u16| if topic == scorers { count.map_or(0, |parent| parent.partitions) } else { 1 };
    let marks: Vec<(u16, u16, i64)> = least_marks
        .into_iter()
        .flat_map(|((topic, first), mark_us)| {
            (first..first + partitions(topic)).map(move |partition| (topic, partition, mark_us))
        })
        .collect();
    let own: Vec<Vec<SavedWatch>> = own.into_iter().map(|(watches, ..)| watches).collect();
    let mut watches = watches(&own, to.begins.len()).into_iter();
    counted(old, to)?
        .finish(&headers, |_| -> OwnScores { (watches.next().unwrap_or_default(), marks.clone(), watermark) })
}

/// How many partitions a log had and has.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    /// In the old generation.
    pub old: u16,
    /// In the new one.
    pub new: u16,
}

/// What the judge begins with, behind so many records of its topic.
pub fn judge(old: &Old<'_>, features: Count, journal: Count, position: i64) -> Result<New, Error> {
    let Blob { header, own } = Blob::<Vec<SavedJudge>>::read(old.blob)?;
    let count = |source: Source| if source == Source::Inputs { features } else { journal };
    let hand_over = |saved: SavedJudge| {
        let mut closed = Vec::new();
        for source in [Source::Inputs, Source::Scores] {
            if let Some(closed_us) = closed_by_all(&saved, source, count(source).old) {
                closed.extend((0..count(source).new).map(|partition| (source, partition, closed_us)));
            }
        }
        // Behind the numbers of all new partitions, so that none of theirs takes their place.
        let moved = |(source, partition, sketch): (Source, u16, Sketch)| {
            (source, partition.saturating_add(count(source).new), sketch)
        };
        let windows = saved.windows.into_iter();
        let windows = windows.map(|(start_us, parts)| (start_us, parts.into_iter().map(moved).collect()));
        SavedJudge { closed, windows: windows.collect(), ..saved }
    };
    let own: Vec<SavedJudge> = own.into_iter().map(hand_over).collect();
    let blob = Blob { header: Header { position, ..header }, own }.text();
    Ok(New { blob, changes: Changes::default() })
}

/// The first record of the judge's topic, which tells it what it knows; none where it knows nothing yet.
pub fn opening(old: &Old<'_>, features: Count, schema: &SchemaRef) -> Result<Option<RecordBatch>, Error> {
    let Blob { own, .. } = Blob::<Vec<SavedJudge>>::read(old.blob)?;
    let known = own.iter().find_map(|saved| Some((saved, closed_by_all(saved, Source::Inputs, features.old)?)));
    let Some((saved, closed_us)) = known else { return Ok(None) };
    let (monitor, source) = (saved.monitor.clone(), Source::Inputs);
    let row = Sketches { monitor, source, partition: 0, closed_us, windows: Vec::new() };
    let batch = Sketches::to_batch(&[row], schema).map_err(|error| Error::Blob(error.to_string()))?;
    Ok(Some(batch))
}

/// How far all partitions have closed their windows.
fn closed_by_all(saved: &SavedJudge, source: Source, partitions: u16) -> Option<i64> {
    let of = |partition: u16| {
        let found = saved.closed.iter().find(|(from, at, _)| (*from, *at) == (source, partition));
        found.map(|(.., closed_us)| *closed_us)
    };
    least((0..partitions).map(of))
}

fn read<T: DeserializeOwned>(old: &[Old<'_>]) -> Result<(Vec<Header>, Vec<T>), Error> {
    let blobs = old.iter().map(|one| Blob::<T>::read(one.blob)).collect::<Result<Vec<_>, _>>()?;
    Ok(blobs.into_iter().map(|blob| (blob.header, blob.own)).unzip())
}

/// The ledger's entries, which are all there are.
fn counted<'a>(old: &[Old<'_>], to: &'a Handover<'a>) -> Result<Split<'a>, Error> {
    let mut split = Split::new(to);
    for entry in old.iter().flat_map(|one| entries(one.entries)) {
        let entry = entry?;
        if entry.part != ledger::PART {
            return Err(Error::Entry { part: entry.part, detail: "a monitor has no such entries".to_owned() });
        }
        split.count(&entry)?;
    }
    Ok(split)
}

/// What all monitors have counted, for each of so many new partitions.
fn watches(old: &[Vec<SavedWatch>], partitions: usize) -> Vec<Vec<SavedWatch>> {
    let monitors = old.first().map_or(0, Vec::len);
    let mut new: Vec<Vec<SavedWatch>> = (0..partitions).map(|_| Vec::with_capacity(monitors)).collect();
    for monitor in 0..monitors {
        let of_monitor: Vec<&SavedWatch> = old.iter().filter_map(|watches| watches.get(monitor)).collect();
        let all = references(&of_monitor);
        let number = |watch: &SavedWatch, at: usize| {
            watch.references.get(at).and_then(|one| all.iter().position(|known| known == one)).unwrap_or(0)
        };
        let closed_us = least(of_monitor.iter().map(|watch| watch.windows.closed_us));
        for (partition, watches) in new.iter_mut().enumerate() {
            let mut open = BTreeMap::<(i64, usize), Sketch>::new();
            for watch in of_monitor.iter().skip(partition).step_by(partitions) {
                for (start_us, at, sketch) in &watch.windows.open {
                    let place = (*start_us, number(watch, *at));
                    open.entry(place).and_modify(|sum| sum.merge(sketch)).or_insert_with(|| sketch.clone());
                }
            }
            let like = of_monitor[partition % of_monitor.len()];
            watches.push(SavedWatch {
                monitor: like.monitor.clone(),
                windows: SavedWindows {
                    open: open.into_iter().map(|((start_us, at), sketch)| (start_us, at, sketch)).collect(),
                    closed_us,
                },
                references: all.clone(),
                current: like.current.map(|at| number(like, at)),
            });
        }
    }
    new
}

/// The references of all old tasks, each once.
fn references(watches: &[&SavedWatch]) -> Vec<(ModelRef, Vec<String>)> {
    let mut all = Vec::new();
    for reference in watches.iter().flat_map(|watch| &watch.references) {
        if !all.contains(reference) {
            all.push(reference.clone());
        }
    }
    all
}
