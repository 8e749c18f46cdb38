//! Step one over the features log: the inputs of the model in force, counted in the bins of its reference.

use crate::fold::{Output, Reference, Setup, Windows, profile, vocabularies};
use crate::reference::Profiles;
use crate::saved::SavedWatch;
use crate::sketch::{ColumnSketch, Source};
use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use flow::config::Monitor;
use flow::fence::{Control, Fences};
use flow::items::{Items, LogBatch};
use flow::ledger::{Edges, End};
use flow::names::Names;
use flow::processor::{Outbox, Processor, Stop};
use flow::sequencer::{Sequencer, Step};
use flow::snapshot::{Error, State};
use flow::state::TaskState;
use model::{Column, Vocabulary};
use schemas::key::category_text;
use std::sync::Arc;

/// The step-one task of one partition of the features log, for all monitors of a pipeline.
pub struct Inputs {
    pub(crate) sequencer: Sequencer,
    names: Arc<Names>,
    pub(crate) profiles: Arc<dyn Profiles>,
    pub(crate) watches: Vec<Watch>,
    output: Output,
    pub(crate) digest: String,
}

/// What one monitor watches here.
pub(crate) struct Watch {
    pub(crate) monitor: Monitor,
    windows: Windows,
    references: Vec<Reference>,
    /// Where items keep the columns of each reference; those of restored references are found with the first items.
    places: Vec<Vec<Option<(Part, usize)>>>,
    /// Number of the reference in force.
    current: Option<usize>,
    /// Number of the one that the fence on offer asks for.
    next: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Event,
    Features,
}

impl Inputs {
    /// A task at its log's start.
    pub fn new(setup: Setup<'_>) -> Self {
        let watch = |(monitor, windows)| {
            let (references, places) = (Vec::new(), Vec::new());
            Watch { monitor, windows, references, places, current: None, next: None }
        };
        Inputs {
            sequencer: setup.sequencer(),
            watches: setup.windows(Source::Inputs).map(watch).collect(),
            output: setup.output(),
            digest: setup.digest.to_owned(),
            names: setup.names,
            profiles: setup.profiles,
        }
    }

    /// The same task, going by these outcomes of fences.
    pub fn fences(self, fences: Arc<dyn Fences>) -> Self {
        Inputs { sequencer: self.sequencer.fences(fences), ..self }
    }
}

impl Processor for Inputs {
    fn process(&mut self, batch: &LogBatch, out: &mut Outbox) -> Result<(), Stop> {
        let Inputs { sequencer, names, profiles, watches, output, .. } = self;
        let own = sequencer.own();
        let items = &batch.items;
        watches.iter_mut().for_each(|watch| watch.find(items));
        let mut run: Vec<usize> = Vec::new();
        sequencer.run(batch, |position, step, edges| {
            match step {
                Step::Item(_, row) => {
                    run.push(row);
                    return Ok(());
                }
                Step::Mark(watermark_us) => {
                    fold(watches, items, &mut run, edges);
                    watches.iter_mut().for_each(|watch| output.close(&mut watch.windows, watermark_us, position));
                }
                Step::Offer(number, control) => {
                    fold(watches, items, &mut run, edges);
                    for watch in watches.iter_mut() {
                        let next = watch.reference(control, &**profiles, items);
                        watch.next = next.map_err(|reason| Stop::Fenced { log: names.show(own), number, reason })?;
                    }
                }
                Step::Fence(_) => watches.iter_mut().for_each(|watch| watch.current = watch.next),
            }
            Ok(())
        })?;
        fold(watches, items, &mut run, sequencer.edges());
        output.flush(out)
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

/// Folds a run of items into the windows of every monitor and forgets it. An item that no monitor counted, because there
/// is no model yet or its window is closed, is filtered.
fn fold(watches: &mut [Watch], items: &Items, run: &mut Vec<usize>, edges: &mut Edges) {
    if run.is_empty() {
        return;
    }
    let mut counted = vec![false; run.len()];
    watches.iter_mut().for_each(|watch| watch.fold(items, run, &mut counted));
    let end = |counted: &bool| if *counted { End::Emitted } else { End::Filtered };
    edges.ended(run.iter().zip(&counted).map(|(row, counted)| (items.spot(*row), end(counted))));
    run.clear();
}

impl Watch {
    /// Number of the reference of a control state's champion, if it is the model this monitor is about.
    fn reference(
        &mut self,
        control: &Control,
        profiles: &dyn Profiles,
        items: &Items,
    ) -> Result<Option<usize>, String> {
        let champion = control.champion.as_ref().filter(|champion| champion.name == self.monitor.model);
        let Some(model) = champion else { return Ok(None) };
        if let Some(known) = self.references.iter().position(|reference| reference.model == *model) {
            return Ok(Some(known));
        }
        let profile = profile(profiles, model, &self.monitor)?;
        // A champion that was trained before a feature existed has no reference for it; the others are watched.
        let watched = self.monitor.psi.features.iter().filter(|name| place(items, name).is_some());
        let columns = watched.filter_map(|name| profile.columns.iter().position(|column| column.name == *name));
        let columns = columns.collect();
        let vocabularies = vocabularies(profiles, model, &self.monitor)?;
        self.references.push(Reference::new(model.clone(), profile, columns, &vocabularies));
        self.find(items);
        Ok(Some(self.references.len() - 1))
    }

    /// Looks up where items keep the columns of references that have none yet.
    fn find(&mut self, items: &Items) {
        for reference in &self.references[self.places.len()..] {
            let names = reference.columns.iter().map(|at| &reference.profile.columns[*at].name);
            self.places.push(names.map(|name| place(items, name)).collect());
        }
    }

    pub(crate) fn save(&self) -> SavedWatch {
        SavedWatch {
            monitor: self.monitor.name.clone(),
            windows: self.windows.save(),
            references: self.references.iter().map(Reference::save).collect(),
            current: self.current,
        }
    }

    pub(crate) fn restore(&mut self, saved: SavedWatch, profiles: &dyn Profiles) -> Result<(), Error> {
        let references = saved.references.into_iter();
        self.references =
            references.map(|one| Reference::restore(one, profiles, &self.monitor)).collect::<Result<_, _>>()?;
        if saved.current.is_some_and(|current| current >= self.references.len()) {
            return Err(Error::Blob("the reference in force is not among those saved".to_owned()));
        }
        self.places.clear();
        self.windows.restore(saved.windows);
        self.current = saved.current;
        Ok(())
    }

    fn fold(&mut self, items: &Items, run: &[usize], counted: &mut [bool]) {
        let Some(number) = self.current else { return };
        let (reference, places) = (&self.references[number], &self.places[number]);
        let time_us = items.envelope().time_us;
        let mut start = 0;
        while start < run.len() {
            let window_us = self.windows.start(time_us[run[start]]);
            let same = run[start..].iter().take_while(|row| self.windows.start(time_us[**row]) == window_us).count();
            let rows = &run[start..start + same];
            if let Some(sketch) = self.windows.sketch(window_us, number, reference) {
                sketch.events += rows.len() as u64;
                counted[start..start + same].fill(true);
                let watched = reference.columns.iter().zip(&reference.words);
                for ((place, (column, words)), counts) in places.iter().zip(watched).zip(&mut sketch.columns) {
                    let Some((part, at)) = place else { continue };
                    let part = match part {
                        Part::Event => items.event(),
                        Part::Features => items.features(),
                    };
                    let Some(part) = part else { continue };
                    let (values, column) = (part.column(*at).as_ref(), &reference.profile.columns[*column]);
                    match words {
                        Some(words) => count_categories(part, values, rows, (column, words), counts),
                        None => count(part, values, rows, column, counts),
                    }
                }
            }
            start += same;
        }
    }
}

/// Where items keep a column.
fn place(items: &Items, name: &str) -> Option<(Part, usize)> {
    let find = |part: Option<&StructArray>| part.and_then(|part| part.fields().find(name).map(|(at, _)| at));
    let event = find(items.event()).map(|at| (Part::Event, at));
    event.or_else(|| find(items.features()).map(|at| (Part::Features, at)))
}

/// Counts the values of a column at the given rows; what is not a number counts as absent.
fn count(part: &StructArray, column: &dyn Array, rows: &[usize], reference: &Column, counts: &mut ColumnSketch) {
    let valid = |row: usize| part.is_valid(row) && column.is_valid(row);
    let mut add = |number: &dyn Fn(usize) -> Option<f64>| {
        rows.iter().for_each(|row| counts.add(reference, if valid(*row) { number(*row) } else { None }));
    };
    match column.data_type() {
        DataType::Float64 => add(&numbers::<Float64Type>(column, |value| value)),
        DataType::Float32 => add(&numbers::<Float32Type>(column, f64::from)),
        DataType::Int64 => add(&numbers::<Int64Type>(column, |value| value as f64)),
        DataType::Int32 => add(&numbers::<Int32Type>(column, f64::from)),
        DataType::Int16 => add(&numbers::<Int16Type>(column, f64::from)),
        DataType::Int8 => add(&numbers::<Int8Type>(column, f64::from)),
        DataType::UInt64 => add(&numbers::<UInt64Type>(column, |value| value as f64)),
        DataType::UInt32 => add(&numbers::<UInt32Type>(column, f64::from)),
        DataType::UInt16 => add(&numbers::<UInt16Type>(column, f64::from)),
        DataType::UInt8 => add(&numbers::<UInt8Type>(column, f64::from)),
        DataType::Boolean => {
            let values = column.as_boolean();
            add(&|row| Some(if values.value(row) { 1.0 } else { 0.0 }));
        }
        _ => add(&|_| None),
    }
}

/// Counts the slots of a category's values.
fn count_categories(
    part: &StructArray,
    column: &dyn Array,
    rows: &[usize],
    (reference, words): (&Column, &Vocabulary),
    counts: &mut ColumnSketch,
) {
    let mut text = String::new();
    for row in rows {
        text.clear();
        let found = Some(*row).filter(|row| part.is_valid(*row) && column.is_valid(*row));
        let found = found.and_then(|row| category_text(column, row, &mut text));
        counts.add(reference, found.map(|()| f64::from(words.cell(Some(text.as_str())))));
    }
}

fn numbers<T: ArrowPrimitiveType>(
    column: &dyn Array,
    number: impl Fn(T::Native) -> f64,
) -> impl Fn(usize) -> Option<f64> {
    let values = column.as_primitive::<T>().values();
    move |row| Some(number(values[row]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, DictionaryArray, Float64Array, StringArray};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::{Field, Int32Type};

    /// Whatever type holds them, texts are counted in the bins of their slots, unknown ones in the first.
    #[test]
    fn categories_are_counted_by_their_slots() {
        let words = Vocabulary::new("c", vec!["7".into(), "9".into()]).expect("words");
        let reference = Column::fit_category("c", [2.0, 2.0, 3.0], 2);
        let texts = [Some("9"), None, Some("7"), Some("8"), Some("9")];
        let numbers: Float64Array = texts.iter().map(|text| text.and_then(|text| text.parse().ok())).collect();
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from(texts.to_vec())),
            Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>()),
            Arc::new(numbers),
        ];
        for column in columns {
            let fields = vec![Field::new("c", column.data_type().clone(), true)].into();
            let present = NullBuffer::from(vec![true, true, true, true, false]);
            let part = StructArray::new(fields, vec![column.clone()], Some(present));
            let mut counts = ColumnSketch::new(&reference);
            count_categories(&part, &column, &[0, 1, 2, 3, 4], (&reference, &words), &mut counts);
            assert_eq!((counts.counts, counts.nulls), (vec![1, 1, 1], 2), "{}", column.data_type());
        }
    }
}
