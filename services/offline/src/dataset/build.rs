//! Joins features with the labels known at the cutoff.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use sha2::{Digest, Sha256};

use super::columns::{Rows, last_part, top_level};
use super::manifest::FORMAT;
use super::{Error, Known, LabelColumns, Manifest, Recipe, Result, Source, Unlabelled};

/// Column of a dataset: event id.
pub const ID: &str = "id";
/// Column of a dataset: event time.
pub const TIME: &str = "time";
/// Column of a dataset: whom alerts are about; empty where the recipe names nobody.
pub const ENTITY: &str = "entity";
/// Column of a dataset: the label.
pub const LABEL: &str = "label";

/// A dataset with its rows at hand.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is.
    pub manifest: Manifest,
    /// The manifest's digest.
    pub digest: String,
    /// The rows by event time, then id: columns [`ID`], [`TIME`], [`ENTITY`], the inputs, [`LABEL`].
    pub rows: RecordBatch,
}

/// An event with its features.
struct Event {
    time_us: i64,
    id: String,
    entity: String,
    inputs: Vec<Input>,
    label: f64,
}

/// A value of an input.
enum Input {
    Number(Option<f64>),
    Text(Option<String>),
}

/// A column of an input.
enum Column {
    Numbers(Float64Array),
    Texts(StringArray),
}

impl Column {
    fn read(rows: &Rows<'_>, path: &String, categories: &[String]) -> Result<Self> {
        match categories.contains(path) {
            true => Ok(Column::Texts(rows.categories(path)?)),
            false => Ok(Column::Numbers(rows.doubles(path)?)),
        }
    }

    fn value(&self, row: usize) -> Input {
        match self {
            Column::Numbers(values) => Input::Number(values.is_valid(row).then(|| values.value(row))),
            Column::Texts(values) => Input::Text(values.is_valid(row).then(|| values.value(row).to_owned())),
        }
    }
}

/// Events found so far.
#[derive(Default)]
struct Found {
    events: Vec<Event>,
    seen: HashSet<String>,
    repeated: u64,
    unlabelled: u64,
    unknown_classes: u64,
}

/// A label and when it became known.
#[derive(Clone, Copy)]
struct Label {
    known_us: i64,
    value: Value,
}

/// What a label says.
#[derive(Clone, Copy)]
enum Value {
    /// A number, or the place of a class.
    Number(f64),
    /// None of the classes.
    Stranger,
}

/// Builds a dataset. The same recipe over the same files gives the same digest and rows.
///
/// Of several labels of an event, the one known last before the cutoff counts; of several feature rows, the first.
/// Rows without features (a struct that is null) are no events.
pub fn build(recipe: &Recipe, features: &Source, labels: &Source) -> Result<Dataset> {
    let columns = column_names(recipe)?;
    let known = read_labels(recipe, labels)?;
    let mut found = read_events(recipe, features, &known)?;
    found.events.sort_by(|a, b| (a.time_us, &a.id).cmp(&(b.time_us, &b.id)));
    let manifest = Manifest {
        format: FORMAT,
        recipe: recipe.clone(),
        features: features.input()?,
        labels: labels.input()?,
        rows: found.events.len() as u64,
        positives: found.events.iter().filter(|event| event.label > 0.0).count() as u64,
        class_rows: class_rows(&recipe.labels.classes, &found.events),
        first_us: found.events.first().map(|event| event.time_us),
        last_us: found.events.last().map(|event| event.time_us),
        repeated: found.repeated,
        unlabelled: found.unlabelled,
        unknown_classes: found.unknown_classes,
        content: content_digest(&columns, &found.events),
        columns,
    };
    let is_text: Vec<bool> =
        recipe.features.inputs.iter().map(|path| recipe.features.categories.contains(path)).collect();
    let rows = to_batch(&manifest.columns, &is_text, &found.events);
    Ok(Dataset { digest: manifest.digest(), manifest, rows })
}

fn class_rows(classes: &[String], events: &[Event]) -> Vec<u64> {
    let mut rows = vec![0; classes.len()];
    for event in events {
        // A label without classes has no place here.
        rows.get_mut(event.label as usize).into_iter().for_each(|rows| *rows += 1);
    }
    rows
}

fn column_names(recipe: &Recipe) -> Result<Vec<String>> {
    let inputs = recipe.features.inputs.iter().map(|path| last_part(path));
    let columns: Vec<String> = [ID, TIME, ENTITY].into_iter().chain(inputs).chain([LABEL]).map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    match columns.iter().find(|column| !seen.insert(column.as_str())) {
        Some(column) => Err(Error::SameName { column: column.clone() }),
        None => Ok(columns),
    }
}

fn read_labels(recipe: &Recipe, source: &Source) -> Result<HashMap<String, Label>> {
    let mut known = HashMap::<String, Label>::new();
    each_label(&recipe.labels, source, |id, label| {
        if label.known_us > recipe.cutoff_us {
            return Ok(());
        }
        if let Value::Number(value) = label.value
            && !value.is_finite()
        {
            return Err(Error::Column {
                place: source.place(),
                column: recipe.labels.target.clone(),
                detail: format!("the label of event {id} is {value}"),
            });
        }
        let best = known.entry(id.to_owned()).or_insert(label);
        if label.known_us >= best.known_us {
            *best = label;
        }
        Ok(())
    })?;
    Ok(known)
}

/// When the label known last became known; none where there is no label.
pub fn newest_label_us(columns: &LabelColumns, source: &Source) -> Result<Option<i64>> {
    let mut newest_us = None;
    each_label(columns, source, |_, label| {
        newest_us = newest_us.max(Some(label.known_us));
        Ok(())
    })?;
    Ok(newest_us)
}

fn each_label(columns: &LabelColumns, source: &Source, mut take: impl FnMut(&str, Label) -> Result<()>) -> Result<()> {
    let (time, delay_us) = match &columns.known {
        Known::Column(column) => (column, 0),
        Known::After { time, delay_us } => (time, *delay_us),
    };
    let place = source.place();
    let paths = top_level([columns.id.as_str(), &columns.target, time]);
    // Outcomes name classes since their pipeline has declared some.
    let since = (!columns.classes.is_empty()).then_some(columns.target.as_str());
    source.each((&paths, since), |batch| {
        let rows = Rows { batch: &batch, place: &place };
        let ids = rows.texts(&columns.id)?;
        let values = values(&rows, columns)?;
        let times = rows.times_us(time)?;
        for (row, value) in values.into_iter().enumerate() {
            let Some(value) = value.filter(|_| ids.is_valid(row) && times.is_valid(row)) else { continue };
            let known_us = times.value(row).saturating_add(delay_us);
            take(ids.value(row), Label { known_us, value })?;
        }
        Ok(())
    })
}

/// The labels of rows; none where one is null.
fn values(rows: &Rows<'_>, LabelColumns { target, classes, .. }: &LabelColumns) -> Result<Vec<Option<Value>>> {
    if classes.is_empty() {
        return Ok(rows.doubles(target)?.iter().map(|value| value.map(Value::Number)).collect());
    }
    let places: HashMap<&str, usize> =
        classes.iter().enumerate().map(|(place, class)| (class.as_str(), place)).collect();
    let value = |class: &str| places.get(class).map_or(Value::Stranger, |place| Value::Number(*place as f64));
    Ok(rows.texts(target)?.iter().map(|class| class.map(value)).collect())
}

fn read_events(recipe: &Recipe, source: &Source, known: &HashMap<String, Label>) -> Result<Found> {
    let columns = &recipe.features;
    let paths = [&columns.id, &columns.time].into_iter().chain(&columns.entity).chain(&columns.inputs);
    let place = source.place();
    let mut found = Found::default();
    source.each((&top_level(paths.map(String::as_str)), None), |batch| {
        let rows = Rows { batch: &batch, place: &place };
        let (ids, times) = (rows.texts(&columns.id)?, rows.times_us(&columns.time)?);
        let entities = columns.entity.as_ref().map(|path| rows.texts(path)).transpose()?;
        let read = |path: &String| Column::read(&rows, path, &columns.categories);
        let inputs: Vec<Column> = columns.inputs.iter().map(read).collect::<Result<_>>()?;
        let around: Vec<_> = columns.inputs.iter().map(|path| rows.around(path)).collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            let absent = around.iter().flatten().any(|nulls| nulls.is_null(row));
            if absent || ids.is_null(row) || times.is_null(row) || !recipe.events_us.contains(&times.value(row)) {
                continue;
            }
            let event = Event {
                time_us: times.value(row),
                id: ids.value(row).to_owned(),
                entity: text_or_empty(entities.as_ref(), row),
                inputs: inputs.iter().map(|input| input.value(row)).collect(),
                label: 0.0,
            };
            found.take(recipe, known, event);
        }
        Ok(())
    })?;
    Ok(found)
}

impl Found {
    fn take(&mut self, recipe: &Recipe, known: &HashMap<String, Label>, mut event: Event) {
        if !self.seen.insert(event.id.clone()) {
            self.repeated += 1;
            return;
        }
        let silence_us = recipe.cutoff_us.saturating_sub(event.time_us);
        event.label = match (known.get(&event.id), recipe.unlabelled) {
            (Some(Label { value: Value::Number(value), .. }), _) => *value,
            (Some(Label { value: Value::Stranger, .. }), _) => {
                self.unknown_classes += 1;
                return;
            }
            (None, Unlabelled::ZeroAfter { horizon_us }) if silence_us >= horizon_us => 0.0,
            (None, _) => {
                self.unlabelled += 1;
                return;
            }
        };
        self.events.push(event);
    }
}

fn text_or_empty(texts: Option<&StringArray>, row: usize) -> String {
    match texts {
        Some(texts) if texts.is_valid(row) => texts.value(row).to_owned(),
        _ => String::new(),
    }
}

fn to_batch(columns: &[String], is_text: &[bool], events: &[Event]) -> RecordBatch {
    let utc_us = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let times = TimestampMicrosecondArray::from_iter_values(events.iter().map(|event| event.time_us));
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(events.iter().map(|event| &event.id))),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(events.iter().map(|event| &event.entity))),
    ];
    let inputs = columns.len() - 4;
    let number =
        |event: &Event, input: usize| if let Input::Number(value) = event.inputs[input] { value } else { None };
    fn text(event: &Event, input: usize) -> Option<&str> {
        if let Input::Text(value) = &event.inputs[input] { value.as_deref() } else { None }
    }
    for (input, is_text) in is_text.iter().enumerate() {
        arrays.push(match is_text {
            true => Arc::new(events.iter().map(|event| text(event, input)).collect::<StringArray>()),
            false => Arc::new(Float64Array::from_iter(events.iter().map(|event| number(event, input)))),
        });
    }
    arrays.push(Arc::new(Float64Array::from_iter_values(events.iter().map(|event| event.label))));
    let kind = |at| match at {
        0 | 2 => DataType::Utf8,
        1 => utc_us.clone(),
        at if at >= 3 && is_text.get(at - 3) == Some(&true) => DataType::Utf8,
        _ => DataType::Float64,
    };
    let is_input = |at| (3..3 + inputs).contains(&at);
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(at, name)| Field::new(name, kind(at), is_input(at))).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("the columns were made for this schema")
}

/// Digest of the values in order. Text goes in with its length before it, numbers as little-endian bits, null as a
/// mark of its own, and every NaN as the same one.
fn content_digest(columns: &[String], events: &[Event]) -> String {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, value: &str| {
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value);
    };
    hash.update((columns.len() as u64).to_le_bytes());
    columns.iter().for_each(|column| text(&mut hash, column));
    for event in events {
        text(&mut hash, &event.id);
        hash.update(event.time_us.to_le_bytes());
        text(&mut hash, &event.entity);
        for input in &event.inputs {
            match input {
                Input::Number(number) => {
                    hash.update([u8::from(number.is_some())]);
                    let value = number.unwrap_or(0.0);
                    let value = if value.is_nan() { f64::NAN } else { value };
                    hash.update(value.to_bits().to_le_bytes());
                }
                Input::Text(found) => {
                    hash.update([u8::from(found.is_some())]);
                    text(&mut hash, found.as_deref().unwrap_or_default());
                }
            }
        }
        hash.update(event.label.to_bits().to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
