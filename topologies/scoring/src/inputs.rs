//! From columns and features to the rows that a network reads.

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Fields, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use model::{Model, Vocabulary, vocabulary};
use schemas::key::{category_text, is_category_type};
use std::sync::Arc;

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
    /// The column's type has no categories.
    #[error("input {name} is {data_type}, which cannot be a category; train the model on this feature set")]
    NotACategory {
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

/// Where an input stands, and the words of one that is a category.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    part: Part,
    column: usize,
    words: Option<Arc<Vocabulary>>,
}

/// Where each input of a model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    sources: Vec<Source>,
}

impl Inputs {
    /// Finds the inputs of a model.
    pub fn of(model: &Model, event: &Fields, features: &Fields) -> Result<Self, Error> {
        Self::find(&model.manifest().inputs, model.vocabularies(), event, features)
    }

    /// Finds each name among the columns of the event, then among the features. Inputs with a vocabulary are categories.
    pub fn find(
        names: &[String],
        vocabularies: &[Arc<Vocabulary>],
        event: &Fields,
        features: &Fields,
    ) -> Result<Self, Error> {
        let find = |name: &String| {
            let found = event.find(name).map(|(at, field)| (Part::Event, at, field));
            let found = found.or_else(|| features.find(name).map(|(at, field)| (Part::Features, at, field)));
            let (part, at, field) = found.ok_or_else(|| Error::Unknown(name.clone()))?;
            let words = vocabularies.iter().find(|words| words.input() == name).cloned();
            let (name, data_type) = (name.clone(), field.data_type().clone());
            match &words {
                None if !is_number(&data_type) => Err(Error::NotANumber { name, data_type }),
                Some(_) if !is_category_type(&data_type) => Err(Error::NotACategory { name, data_type }),
                _ => Ok(Source { part, column: at, words }),
            }
        };
        Ok(Inputs { sources: names.iter().map(find).collect::<Result<_, _>>()? })
    }

    /// How many inputs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The given rows one after the other. A number goes through `f64` to `f32`, true is 1 and false is 0, a category is
    /// the slot of its text, and a null is NaN, for which the network has a fill or a vector.
    #[must_use]
    pub fn rows(&self, event: Option<&StructArray>, features: Option<&StructArray>, rows: &[usize]) -> Vec<f32> {
        let mut matrix = vec![f32::NAN; rows.len() * self.sources.len()];
        let mut text = String::new();
        for (input, source) in self.sources.iter().enumerate() {
            let part = match source.part {
                Part::Event => event,
                Part::Features => features,
            };
            let Some(part) = part else { continue };
            let column = part.column(source.column).as_ref();
            let cells = rows.iter().copied().zip(matrix[input..].iter_mut().step_by(self.sources.len()));
            // A null record has no columns, whatever stands in their arrays.
            let cells = cells.filter(|(row, _)| part.is_valid(*row) && column.is_valid(*row));
            match &source.words {
                None => fill(column, cells),
                Some(words) => categories(column, words, &mut text, cells),
            }
        }
        matrix
    }

    /// Of rows that [`Inputs::rows`] gave: categories that have texts unknown to the model, and how many.
    pub fn unknown<'a>(&'a self, matrix: &'a [f32]) -> impl Iterator<Item = (&'a str, u64)> {
        let count = |(input, source): (usize, &'a Source)| {
            let cells = matrix.iter().skip(input).step_by(self.sources.len());
            let count = cells.filter(|cell| **cell == vocabulary::UNKNOWN as f32).count() as u64;
            source.words.as_ref().filter(|_| count > 0).map(|words| (words.input(), count))
        };
        self.sources.iter().enumerate().filter(|(_, source)| source.words.is_some()).filter_map(count)
    }
}

/// Writes the slots of one column's texts into their cells. One text serves all rows.
fn categories<'a>(
    column: &dyn Array,
    words: &Vocabulary,
    text: &mut String,
    cells: impl Iterator<Item = (usize, &'a mut f32)>,
) {
    for (row, cell) in cells {
        text.clear();
        *cell = words.cell(category_text(column, row, text).map(|()| text.as_str()));
    }
}

fn is_number(data_type: &DataType) -> bool {
    let float = matches!(data_type, DataType::Float64 | DataType::Float32);
    float || data_type.is_integer() || *data_type == DataType::Boolean
}

/// Writes the numbers of one column into their cells.
fn fill<'a>(column: &dyn Array, cells: impl Iterator<Item = (usize, &'a mut f32)>) {
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
