//! Numeric columns of events from several batches, gathered in the order they are applied.

use super::Apply;
use super::build::Source;
use crate::window::Column;
use arrow::array::{Array, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};

/// One column, gathered.
#[derive(Debug)]
pub struct Gathered {
    values: Vec<f64>,
    nulls: Option<NullBuffer>,
}

impl Gathered {
    /// As the engine takes it.
    pub fn column(&self) -> Column<'_> {
        Column { values: &self.values, nulls: self.nulls.as_ref() }
    }
}

/// The named columns of all events among the steps.
pub fn gather(sources: &[Source], steps: &[Apply], columns: &[String]) -> Vec<Gathered> {
    let gather_one = |name: &String| {
        let arrays: Vec<_> = sources.iter().map(|source| source.items.event_column(name)).collect();
        let events = steps.iter().filter(|step| step.label.is_none());
        let found: Vec<Option<f64>> =
            events.map(|step| arrays[step.source].and_then(|array| number(array, step.row))).collect();
        let nulls = found.iter().any(Option::is_none).then(|| found.iter().map(Option::is_some).collect());
        Gathered { values: found.into_iter().map(Option::unwrap_or_default).collect(), nulls }
    };
    columns.iter().map(gather_one).collect()
}

/// A value as a double; truth values count 0 and 1, what is no number is null.
fn number(array: &dyn Array, row: usize) -> Option<f64> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        DataType::Int32 => f64::from(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as f64,
        DataType::Boolean => f64::from(u8::from(array.as_boolean().value(row))),
        _ => return None,
    })
}
