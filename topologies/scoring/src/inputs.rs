//! From columns and features to the rows that a network reads.

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Fields, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

/// Why a model cannot be fed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither a column nor a feature has the name.
    #[error("input {0} is neither a column of the event nor a feature; train the model on this feature set")]
    Unknown(String),
    /// The column's type is no number.
    #[error("input {name} is {data_type}, not a number; make a number of it in a row feature")]
    NotANumber {
        /// The input.
        name: String,
        /// Its type.
        data_type: DataType,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Event,
    Features,
}

/// Where each input of a model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    columns: Vec<(Part, usize)>,
}

impl Inputs {
    /// Finds each name among the columns of the event, then among the features.
    pub fn find(names: &[String], event: &Fields, features: &Fields) -> Result<Self, Error> {
        let find = |name: &String| {
            let found = event.find(name).map(|(at, field)| (Part::Event, at, field));
            let found = found.or_else(|| features.find(name).map(|(at, field)| (Part::Features, at, field)));
            let (part, at, field) = found.ok_or_else(|| Error::Unknown(name.clone()))?;
            let data_type = field.data_type();
            if !is_number(data_type) {
                return Err(Error::NotANumber { name: name.clone(), data_type: data_type.clone() });
            }
            Ok((part, at))
        };
        Ok(Inputs { columns: names.iter().map(find).collect::<Result<_, _>>()? })
    }

    /// How many inputs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The given rows one after the other. A number goes through `f64` to `f32`, true is 1 and false is 0, and a null is
    /// NaN, for which the network has a fill.
    #[must_use]
    pub fn rows(&self, event: Option<&StructArray>, features: Option<&StructArray>, rows: &[usize]) -> Vec<f32> {
        let mut matrix = vec![f32::NAN; rows.len() * self.columns.len()];
        for (input, (part, at)) in self.columns.iter().enumerate() {
            let part = match part {
                Part::Event => event,
                Part::Features => features,
            };
            let Some(part) = part else { continue };
            let cells = matrix[input..].iter_mut().step_by(self.columns.len());
            fill(part, part.column(*at).as_ref(), rows.iter().copied().zip(cells));
        }
        matrix
    }
}

fn is_number(data_type: &DataType) -> bool {
    let float = matches!(data_type, DataType::Float64 | DataType::Float32);
    float || data_type.is_integer() || *data_type == DataType::Boolean
}

/// Writes the values of one column into their cells; nulls are left as they are.
fn fill<'a>(part: &StructArray, column: &dyn Array, cells: impl Iterator<Item = (usize, &'a mut f32)>) {
    // A null record has no columns, whatever stands in their arrays.
    let cells = cells.filter(|(row, _)| part.is_valid(*row) && column.is_valid(*row));
    match column.data_type() {
        DataType::Float64 => numbers::<Float64Type>(column, cells, |value| value),
        DataType::Float32 => numbers::<Float32Type>(column, cells, f64::from),
        DataType::Int64 => numbers::<Int64Type>(column, cells, |value| value as f64),
        DataType::Int32 => numbers::<Int32Type>(column, cells, f64::from),
        DataType::Int16 => numbers::<Int16Type>(column, cells, f64::from),
        DataType::Int8 => numbers::<Int8Type>(column, cells, f64::from),
        DataType::UInt64 => numbers::<UInt64Type>(column, cells, |value| value as f64),
        DataType::UInt32 => numbers::<UInt32Type>(column, cells, f64::from),
        DataType::UInt16 => numbers::<UInt16Type>(column, cells, f64::from),
        DataType::UInt8 => numbers::<UInt8Type>(column, cells, f64::from),
        DataType::Boolean => {
            let values = column.as_boolean();
            cells.for_each(|(row, cell)| *cell = if values.value(row) { 1.0 } else { 0.0 });
        }
        other => unreachable!("{other} is not a number, see `is_number`"),
    }
}

fn numbers<'a, T: ArrowPrimitiveType>(
    column: &dyn Array,
    cells: impl Iterator<Item = (usize, &'a mut f32)>,
    number: impl Fn(T::Native) -> f64,
) {
    let values = column.as_primitive::<T>().values();
    cells.for_each(|(row, cell)| *cell = number(values[row]) as f32);
}
