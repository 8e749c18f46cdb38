//! The same engines over whole columns: features of a table, as the pipeline would have computed them.
//!
//! Rows are put in the order of `ordering: event_time`: by time, labels before events at equal time, ties by event id,
//! then by source partition and offset. A label applies at the later of the time it became known and its event's time.
//! Ids compare as they do in the stream (`flow::hold::id_order`): shorter ones first, then by bytes, so whole numbers
//! compare as numbers.
//!
//! Copies of an id are not looked for: the caller drops them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use flow::config::nearest;
use flow::hold::id_order;
use schemas::key::{is_key_type, key_hash, key_text};

use crate::Key;
use crate::input::{self, Gathered, Inputs};
use crate::spec::Group;
use crate::window::{Column, Engine, Row};

/// Rows applied at once.
const BATCH_ROWS: usize = 4_096;

/// Why features cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Columns that are not of one length.
    #[error("{what} has {found} rows, the table has {rows}")]
    Length {
        /// Which one.
        what: String,
        /// Its rows.
        found: usize,
        /// Those of the table.
        rows: usize,
    },
    /// Not one key column per group.
    #[error("{keys} key columns for {groups} groups; give one for each")]
    Keys {
        /// How many there are.
        keys: usize,
        /// How many there should be.
        groups: usize,
    },
    /// A column that cannot be an id or a key.
    #[error("{what} is of type {found}; ids and keys are integers, strings or booleans")]
    KeyType {
        /// Which one.
        what: String,
        /// Its type.
        found: String,
    },
    /// A column that a group reads and the table lacks.
    #[error("group {group} reads column `{column}`, which the table does not have; {help}")]
    Column {
        /// The group.
        group: String,
        /// The column.
        column: String,
        /// What was perhaps meant.
        help: String,
    },
    /// A condition of an aggregate.
    #[error("group {group}: {detail}")]
    Condition {
        /// The group.
        group: String,
        /// What is wrong.
        detail: String,
    },
    /// An event without an id.
    #[error("row {0} has no id; every event needs one")]
    NoId(usize),
}

/// Events in any order, column by column.
#[derive(Debug, Clone, Default)]
pub struct Table<'a> {
    /// Event ids; only their order matters here.
    pub ids: Option<ArrayRef>,
    /// Event times.
    pub times_us: &'a [i64],
    /// Source partition and offset of each event; nothing where ids are unique.
    pub origins: Option<&'a [(i32, i64)]>,
    /// Key column of each group.
    pub keys: Vec<ArrayRef>,
    /// Named columns that groups may read, of the types they have in the stream. Features of earlier groups are added on
    /// the way.
    pub columns: Vec<(String, ArrayRef)>,
    /// Labels, if there are any.
    pub labels: Option<Labels<'a>>,
}

/// Labels of a table's events.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    /// The label of each event; null where there is none.
    pub values: Float64Array,
    /// When each became known.
    pub known_us: &'a [i64],
}

/// A feature, one value per row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Float64Array,
}

/// Runs the table through a chain of groups and returns all features, group after group.
///
/// # Errors
///
/// Columns that are missing, of another length, or of a type that is no key.
pub fn compute(groups: &[Group], table: &Table<'_>) -> Result<Vec<Feature>, Error> {
    check(groups, table)?;
    let steps = order(table)?;
    let mut columns = table.columns.clone();
    let mut features = Vec::new();
    for (group, keys) in groups.iter().zip(&table.keys) {
        for feature in run(group, keys, &columns, table, &steps)? {
            columns.push((feature.name.clone(), Arc::new(feature.values.clone()) as ArrayRef));
            features.push(feature);
        }
    }
    Ok(features)
}

fn check(groups: &[Group], table: &Table<'_>) -> Result<(), Error> {
    let rows = table.times_us.len();
    if table.keys.len() != groups.len() {
        return Err(Error::Keys { keys: table.keys.len(), groups: groups.len() });
    }
    let mut lengths: Vec<(String, usize)> = Vec::new();
    let mut types: Vec<(String, &ArrayRef)> = Vec::new();
    types.extend(table.ids.iter().map(|ids| ("the id column".to_owned(), ids)));
    types.extend(groups.iter().zip(&table.keys).map(|(group, keys)| (format!("key column `{}`", group.key()), keys)));
    lengths.extend(types.iter().map(|(what, array)| (what.clone(), array.len())));
    lengths.extend(table.origins.map(|origins| ("the column of origins".to_owned(), origins.len())));
    lengths.extend(table.columns.iter().map(|(name, values)| (format!("column `{name}`"), values.len())));
    if let Some(labels) = &table.labels {
        lengths.push(("the label column".into(), labels.values.len()));
        lengths.push(("the column of known times".into(), labels.known_us.len()));
    }
    if let Some((what, found)) = lengths.into_iter().find(|(_, found)| *found != rows) {
        return Err(Error::Length { what, found, rows });
    }
    match types.into_iter().find(|(_, array)| !is_key_type(array.data_type())) {
        Some((what, array)) => Err(Error::KeyType { what, found: array.data_type().to_string() }),
        None => Ok(()),
    }
}

/// One step of the run: the event of a row, or its label.
#[derive(Clone, Copy)]
struct Step {
    time_us: i64,
    event: bool,
    /// Place of its event in the order of ids.
    rank: u32,
    row: u32,
}

/// All steps in their order.
fn order(table: &Table<'_>) -> Result<Vec<Step>, Error> {
    let rows = table.times_us.len();
    let ids = table.ids.as_ref().map(texts).unwrap_or_default();
    if let Some(row) = ids.iter().position(Option::is_none) {
        return Err(Error::NoId(row));
    }
    let mut by_id: Vec<u32> = (0..rows as u32).collect();
    let origin = |row: u32| table.origins.map(|origins| origins[row as usize]);
    by_id.sort_by(|left, right| {
        let id = |row: u32| ids.get(row as usize).and_then(|id| id.as_deref()).unwrap_or_default();
        id_order(id(*left), id(*right)).then_with(|| origin(*left).cmp(&origin(*right)))
    });
    let mut steps = Vec::with_capacity(2 * rows);
    for (rank, row) in by_id.into_iter().enumerate() {
        let (rank, time_us) = (rank as u32, table.times_us[row as usize]);
        steps.push(Step { time_us, event: true, rank, row });
        if let Some(labels) = &table.labels
            && labels.values.is_valid(row as usize)
        {
            steps.push(Step { time_us: time_us.max(labels.known_us[row as usize]), event: false, rank, row });
        }
    }
    steps.sort_unstable_by_key(|step| (step.time_us, step.event, step.rank));
    Ok(steps)
}

/// Canonical texts of a column; null as `None`.
fn texts(array: &ArrayRef) -> Vec<Option<Box<str>>> {
    let mut text = String::new();
    let text_of = |row| {
        text.clear();
        key_text(array, row, &mut text).map(|()| text.as_str().into())
    };
    (0..array.len()).map(text_of).collect()
}

fn run(
    group: &Group,
    keys: &ArrayRef,
    columns: &[(String, ArrayRef)],
    table: &Table<'_>,
    steps: &[Step],
) -> Result<Vec<Feature>, Error> {
    let inputs = inputs(group, columns)?;
    let column = |_, name: &str| columns.iter().find(|(other, _)| other == name).map(|(_, values)| values);
    // In this order nothing is late, so nothing needs to be kept for late rows. What limits count is another matter.
    let mut engine = Engine::new(group, group.limits().map_or(0, |limits| limits.retention_us));
    let (rows, width) = (table.times_us.len(), engine.width());
    let mut results: Vec<Vec<Option<f64>>> = vec![vec![None; rows]; width];
    let mut texts = String::new();
    let mut out = Vec::new();
    for steps in steps.chunks(BATCH_ROWS) {
        texts.clear();
        let spans: Vec<Option<(usize, usize)>> = steps
            .iter()
            .map(|step| {
                let from = texts.len();
                key_text(keys, step.row as usize, &mut texts).map(|()| (from, texts.len()))
            })
            .collect();
        let key = |span: &Option<(usize, usize)>| {
            let text = &texts[span.as_ref()?.0..span.as_ref()?.1];
            Some(Key { hash: key_hash(text), text })
        };
        let batch: Vec<Row<'_>> = steps.iter().zip(&spans).map(|(step, span)| as_row(step, key(span), table)).collect();
        let events: Vec<(usize, usize)> =
            steps.iter().filter(|step| step.event).map(|step| (0, step.row as usize)).collect();
        let condition = |error: ArrowError| Error::Condition { group: group.name().into(), detail: error.to_string() };
        let taken = inputs.gather(1, &events, column).map_err(condition)?;
        let taken: Vec<Column<'_>> = taken.iter().map(Gathered::column).collect();
        out.clear();
        out.resize(events.len() * width, None);
        engine.apply_batch(&batch, &taken, &mut out);
        for ((_, row), features) in events.iter().zip(out.chunks(width.max(1))) {
            results.iter_mut().zip(features).for_each(|(result, value)| result[*row] = *value);
        }
    }
    let names = group.outputs().into_iter().map(|output| output.name);
    Ok(names.zip(results).map(|(name, values)| Feature { name, values: values.into() }).collect())
}

fn as_row<'a>(step: &Step, key: Option<Key<'a>>, table: &Table<'_>) -> Row<'a> {
    let (row, time_us) = (step.row as usize, step.time_us);
    match &table.labels {
        Some(labels) if !step.event => {
            Row::Label { key, time_us: table.times_us[row], value: Some(labels.values.value(row)) }
        }
        _ => Row::Event { key, time_us },
    }
}

fn inputs(group: &Group, columns: &[(String, ArrayRef)]) -> Result<Inputs, Error> {
    let wanted = group.inputs().iter().filter_map(|input| input.column.as_ref());
    if let Some(missing) = wanted.clone().find(|wanted| columns.iter().all(|(name, _)| name != *wanted)) {
        return Err(Error::Column {
            group: group.name().into(),
            column: missing.clone(),
            help: match nearest(missing, columns.iter().map(|(name, _)| name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "map a column of the file to it".into(),
            },
        });
    }
    let fields = columns.iter().map(|(name, values)| Field::new(name, values.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let detail = |errors: Vec<input::Error>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let condition = |errors| Error::Condition { group: group.name().into(), detail: detail(errors) };
    Inputs::new(group, &schema).map_err(condition)
}

#[cfg(test)]
mod tests;
