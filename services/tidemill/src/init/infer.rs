//! What kind of values the columns of a file have. Texts count as what all of them can be read as.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast, cast_with_options, max, min};
use arrow::datatypes::{DataType, Field, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Error;
use crate::publish::file::Source;
use crate::publish::nested::is_nested;

/// Rows that are looked at.
pub(super) const ROWS_MAX: usize = 100_000;
/// Columns with no more different values keep these: they may be classes.
pub(super) const FEW_MAX: usize = 256;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Other numbers.
    Float,
    /// Points in time.
    Time,
    /// Anything else.
    Text,
}

/// A column of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether values are missing.
    pub nulls: bool,
    /// How many different values it has.
    pub values: usize,
    /// The values of a column that has few, each with its number of rows, in alphabetical order.
    pub few: Vec<(String, usize)>,
    /// Microseconds between the first and the last of its times, where it can be read as times.
    pub span_us: Option<i64>,
}

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Rows that were looked at.
    pub rows: usize,
}

/// What is known so far of a column.
struct Seen {
    name: String,
    possible: Vec<Kind>,
    nulls: bool,
    values: HashMap<String, usize>,
    /// The first and the last time.
    times_us: Option<(i64, i64)>,
}

/// Looks at the rows of a file.
pub fn infer(path: &Path) -> Result<Table, Error> {
    let source = Source::open(path)?;
    // Texts of objects and lists have no place among the columns.
    let kinds = |field: &Field| match field.data_type() {
        _ if is_nested(field) => Vec::new(),
        DataType::Boolean => vec![Kind::Boolean],
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => vec![Kind::Time],
        number if number.is_integer() => vec![Kind::Integer],
        number if number.is_floating() => vec![Kind::Float],
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            vec![Kind::Boolean, Kind::Integer, Kind::Float, Kind::Time, Kind::Text]
        }
        _ => Vec::new(),
    };
    let mut seen: Vec<Seen> = Vec::new();
    for field in source.schema.fields() {
        let possible = kinds(field);
        seen.push(Seen { name: field.name().clone(), possible, nulls: false, values: HashMap::new(), times_us: None });
    }
    let mut rows = 0;
    for batch in source.batches {
        let batch: RecordBatch = batch?;
        rows += batch.num_rows();
        seen.iter_mut().zip(batch.columns()).for_each(|(seen, array)| seen.look(array));
        if rows >= ROWS_MAX {
            break;
        }
    }
    if rows == 0 {
        return Err(Error::Input(format!("{} has no rows, so that nothing can be derived from it", path.display())));
    }
    // A column of lists or structures has no place in an event, and one without any value says nothing.
    let columns = seen.into_iter().filter(|seen| !seen.values.is_empty()).filter_map(|seen| {
        let Seen { name, possible, nulls, values, times_us } = seen;
        let (count, span_us) = (values.len(), times_us.map(|(first, last)| last - first));
        let mut few: Vec<_> = if count > FEW_MAX { Vec::new() } else { values.into_iter().collect() };
        few.sort();
        Some(Column { name, kind: *possible.first()?, nulls, values: count, few, span_us })
    });
    Ok(Table { columns: columns.collect(), rows })
}

impl Seen {
    fn look(&mut self, array: &ArrayRef) {
        self.nulls |= array.null_count() > 0;
        if let [_, _, ..] = self.possible[..] {
            self.possible.retain(|kind| fits(*kind, array));
        }
        if self.possible.contains(&Kind::Time) {
            self.times_us = span(array, self.times_us);
        }
        let Ok(formatter) = ArrayFormatter::try_new(array, &FormatOptions::default()) else { return };
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            *self.values.entry(formatter.value(row).to_string()).or_default() += 1;
        }
    }
}

/// The first and the last time of an array and of those before it.
fn span(array: &ArrayRef, before: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let read = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
    let times = read.as_primitive::<TimestampMicrosecondType>();
    let found = min(times).zip(max(times));
    match (before, found) {
        (Some(before), Some(found)) => Some((before.0.min(found.0), before.1.max(found.1))),
        (before, found) => before.or(found),
    }
}

/// Whether all texts of an array can be read as values of a kind.
fn fits(kind: Kind, array: &ArrayRef) -> bool {
    let to = match kind {
        Kind::Text => return true,
        Kind::Boolean => {
            let word = |text: Option<&str>| text.is_none_or(|text| matches!(text, "true" | "false" | "True" | "False"));
            return array.as_string_opt::<i32>().is_some_and(|texts| texts.iter().all(word));
        }
        Kind::Integer => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
    };
    let options = CastOptions { safe: true, ..CastOptions::default() };
    cast_with_options(array, &to, &options).is_ok_and(|read| read.null_count() == array.null_count())
}
