//! Rows to train on or to evaluate.

mod category;
#[cfg(test)]
mod tests;

pub use category::Category;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use model::Vocabulary;
use sha2::{Digest, Sha256};
use std::borrow::{Borrow, Cow};

/// Microseconds of a day, which is what "a day" means for capacities: a day of UTC.
pub const DAY_US: i64 = 86_400_000_000;

/// Why a dataset cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A column has another number of rows than the labels.
    #[error("column {column} has {got} values, expected {expected}")]
    Length {
        /// The column.
        column: &'static str,
        /// Its length.
        got: usize,
        /// The number of labels, times the number of inputs for the rows.
        expected: usize,
    },
    /// A label is neither 0 nor 1.
    #[error("label of row {row} is {value}, allowed are 0 and 1")]
    Label {
        /// The row.
        row: usize,
        /// Its label.
        value: f32,
    },
    /// Only one class, or no rows.
    #[error("dataset has {positives} positive of {rows} rows, both classes are needed")]
    OneClass {
        /// Positive rows.
        positives: usize,
        /// All rows.
        rows: usize,
    },
    /// A label is no class.
    #[error("label of row {row} is {value}, allowed are 0 to {last}, the positions of the classes", last = classes - 1)]
    Class {
        /// The row.
        row: usize,
        /// Its label.
        value: f32,
        /// How many classes there are.
        classes: usize,
    },
    /// Rows of fewer than two classes.
    #[error("dataset has rows of {present} of {classes} classes, at least 2 are needed")]
    FewClasses {
        /// Classes that have rows.
        present: usize,
        /// All classes.
        classes: usize,
    },
    /// A label is no number that an `f32` holds.
    #[error("label of row {row} is {value}, allowed are finite numbers")]
    Number {
        /// The row.
        row: usize,
        /// Its label.
        value: f32,
    },
    /// Other inputs are categories than those that a model or a configuration names.
    #[error("the categories of the dataset are {found}, expected {wanted}; build it again")]
    Categories {
        /// Of the dataset.
        found: String,
        /// Of the model.
        wanted: String,
    },
    /// Too few rows to learn a number from.
    #[error("dataset has {0} rows, at least 2 are needed")]
    TooFew(usize),
    /// A column is not there.
    #[error("column {0} is missing")]
    ColumnMissing(String),
    /// A column has a type or a null that its use does not allow.
    #[error("column {column} {problem}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What labels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// 1 for what is to be found, else 0; both must occur.
    Binary,
    /// Finite numbers.
    Regression,
    /// Positions of so many classes, from 0; at least two of them must occur.
    Multiclass(usize),
}

/// Rows, one value per row in each vector but `rows`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// Names of the inputs.
    pub inputs: Vec<String>,
    /// Inputs, row after row; NaN is null. Cells of categories are NaN until [`Dataset::cells`] fills them.
    pub rows: Vec<f32>,
    /// The inputs that are categories, in the order of the inputs.
    pub categories: Vec<Category>,
    /// 1 for what is to be found, else 0; or the position of a class; or the number to be predicted.
    pub label: Vec<f32>,
    /// Event time.
    pub time_us: Vec<i64>,
    /// Event id.
    pub id: Vec<String>,
    /// Whom alerts are about (a card, say), for [`crate::metrics::entity_precision`].
    pub entity: Vec<String>,
}

/// Which columns of a table play which part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Inputs of the model, in order.
    pub inputs: Vec<String>,
    /// Those of them that are categories.
    pub categories: Vec<String>,
    /// The label.
    pub label: String,
    /// Event time, a timestamp or microseconds.
    pub time: String,
    /// Event id.
    pub id: String,
    /// Entity.
    pub entity: String,
}

impl Dataset {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.label.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.label.is_empty()
    }

    /// Rows with label 1.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.label.iter().filter(|&&l| l == 1.0).count()
    }

    /// Rows of each of so many classes, by position.
    #[must_use]
    pub fn class_rows(&self, classes: usize) -> Vec<u64> {
        let mut rows = vec![0; classes];
        // What is no position counts nowhere, and is refused elsewhere.
        self.label.iter().filter_map(|label| position(*label, classes)).for_each(|class| rows[class] += 1);
        rows
    }

    /// Inputs of one row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.inputs.len()..][..self.inputs.len()]
    }

    /// The rows at these positions, in this order.
    #[must_use]
    pub fn select(&self, at: &[usize]) -> Self {
        Self {
            inputs: self.inputs.clone(),
            rows: at.iter().flat_map(|&r| self.row(r)).copied().collect(),
            categories: self.categories.iter().map(|one| one.select(at)).collect(),
            label: at.iter().map(|&r| self.label[r]).collect(),
            time_us: at.iter().map(|&r| self.time_us[r]).collect(),
            id: at.iter().map(|&r| self.id[r].clone()).collect(),
            entity: at.iter().map(|&r| self.entity[r].clone()).collect(),
        }
    }

    /// The rows with categories as the slots that these vocabularies give them; they must be those of the dataset's
    /// categories.
    pub fn cells<V: Borrow<Vocabulary>>(&self, vocabularies: &[V]) -> Result<Cow<'_, [f32]>, Error> {
        let words = || vocabularies.iter().map(<V as Borrow<Vocabulary>>::borrow);
        let inputs = |one: &Category| self.inputs[one.input].as_str();
        if !words().map(Vocabulary::input).eq(self.categories.iter().map(inputs)) {
            let (found, wanted) = (self.categories.iter().map(inputs), words().map(Vocabulary::input));
            return Err(Error::categories(found, wanted));
        }
        if vocabularies.is_empty() {
            return Ok(Cow::Borrowed(&self.rows));
        }
        let (mut rows, width) = (self.rows.clone(), self.inputs.len());
        for (one, words) in self.categories.iter().zip(words()) {
            one.fill(words, rows[one.input..].iter_mut().step_by(width));
        }
        Ok(Cow::Owned(rows))
    }

    /// Checks lengths and labels, and that there is something to learn from.
    pub fn validate(&self, task: Task) -> Result<(), Error> {
        self.check_lengths()?;
        let rows = self.len();
        match task {
            Task::Binary => {
                if let Some(row) = self.label.iter().position(|&l| l != 0.0 && l != 1.0) {
                    return Err(Error::Label { row, value: self.label[row] });
                }
                let positives = self.positives();
                if positives == 0 || positives == rows { Err(Error::OneClass { positives, rows }) } else { Ok(()) }
            }
            Task::Regression => match self.label.iter().position(|l| !l.is_finite()) {
                Some(row) => Err(Error::Number { row, value: self.label[row] }),
                None if rows < 2 => Err(Error::TooFew(rows)),
                None => Ok(()),
            },
            Task::Multiclass(classes) => {
                if let Some(row) = self.label.iter().position(|label| position(*label, classes).is_none()) {
                    return Err(Error::Class { row, value: self.label[row], classes });
                }
                match self.class_rows(classes).into_iter().filter(|rows| *rows > 0).count() {
                    present if present < 2 => Err(Error::FewClasses { present, classes }),
                    _ => Ok(()),
                }
            }
        }
    }

    fn check_lengths(&self) -> Result<(), Error> {
        let expected = self.len();
        let lengths = [
            ("rows", self.rows.len(), expected * self.inputs.len()),
            ("time_us", self.time_us.len(), expected),
            ("id", self.id.len(), expected),
            ("entity", self.entity.len(), expected),
        ];
        let categories = self.categories.iter().map(|one| ("category", one.len(), expected));
        let lengths = lengths.into_iter().chain(categories);
        for (column, got, expected) in lengths {
            if got != expected {
                return Err(Error::Length { column, got, expected });
            }
        }
        Ok(())
    }

    /// Digest of the content, the order of rows included: training depends on it.
    ///
    /// Text goes in with its length before it, numbers as little-endian bits, every NaN as the same one, categories last.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        text_into(&mut hash, "tidemill dataset 1");
        hash.update((self.inputs.len() as u64).to_le_bytes());
        self.inputs.iter().for_each(|name| text_into(&mut hash, name));
        for row in 0..self.len() {
            text_into(&mut hash, &self.id[row]);
            text_into(&mut hash, &self.entity[row]);
            hash.update(self.time_us[row].to_le_bytes());
            hash.update(self.label[row].to_bits().to_le_bytes());
            for &value in self.row(row) {
                let bits = if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
                hash.update(bits.to_le_bytes());
            }
            for text in self.categories.iter().map(|one| one.text(row)) {
                hash.update([u8::from(text.is_some())]);
                text.into_iter().for_each(|value| text_into(&mut hash, value));
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Takes rows from tables; numbers of any type become `f32`, and a null input NaN.
    pub fn from_batches(batches: &[RecordBatch], columns: &Columns) -> Result<Self, Error> {
        let categories = category::empty(&columns.inputs, &columns.categories)?;
        let mut dataset = Self { inputs: columns.inputs.clone(), categories, ..Self::default() };
        for batch in batches {
            for one in &mut dataset.categories {
                let name = &columns.inputs[one.input];
                one.extend(column(batch, name)?).map_err(|problem| Error::Column { column: name.clone(), problem })?;
            }
            let is_category = |name: &String| columns.categories.contains(name);
            let input = |name: &String| match is_category(name) {
                true => Ok(vec![f32::NAN; batch.num_rows()]),
                false => input(batch, name),
            };
            let inputs: Vec<Vec<f32>> = columns.inputs.iter().map(input).collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                dataset.rows.extend(inputs.iter().map(|column| column[row]));
            }
            dataset.label.extend(full::<Float32Type>(batch, &columns.label, &DataType::Float32)?);
            dataset.time_us.extend(time(batch, &columns.time)?);
            dataset.id.extend(text(batch, &columns.id)?);
            dataset.entity.extend(text(batch, &columns.entity)?);
        }
        Ok(dataset)
    }
}

impl Error {
    /// The categories are others than expected.
    pub(crate) fn categories<'a>(found: impl Iterator<Item = &'a str>, wanted: impl Iterator<Item = &'a str>) -> Self {
        let named = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::Categories { found: named(found.collect()), wanted: named(wanted.collect()) }
    }
}

/// The class that a label stands for.
pub(crate) fn position(label: f32, classes: usize) -> Option<usize> {
    let at = label as usize;
    (at as f32 == label && at < classes && label.is_sign_positive()).then_some(at)
}

fn text_into(hash: &mut Sha256, value: &str) {
    hash.update((value.len() as u64).to_le_bytes());
    hash.update(value);
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Error> {
    batch.column_by_name(name).ok_or_else(|| Error::ColumnMissing(name.into()))
}

fn cast_to(batch: &RecordBatch, name: &str, to: &DataType) -> Result<ArrayRef, Error> {
    cast(column(batch, name)?, to)
        .map_err(|e| Error::Column { column: name.into(), problem: format!("does not convert: {e}") })
}

/// An input: read as double, as features are, and rounded once.
fn input(batch: &RecordBatch, name: &str) -> Result<Vec<f32>, Error> {
    let values = cast_to(batch, name, &DataType::Float64)?;
    Ok(values.as_primitive::<Float64Type>().iter().map(|v| v.map_or(f32::NAN, |v| v as f32)).collect())
}

fn full<T: arrow::datatypes::ArrowPrimitiveType>(
    batch: &RecordBatch,
    name: &str,
    to: &DataType,
) -> Result<Vec<T::Native>, Error> {
    let values = cast_to(batch, name, to)?;
    no_nulls(&values, name)?;
    Ok(values.as_primitive::<T>().values().to_vec())
}

fn time(batch: &RecordBatch, name: &str) -> Result<Vec<i64>, Error> {
    match column(batch, name)?.data_type() {
        DataType::Timestamp(_, _) => {
            full::<TimestampMicrosecondType>(batch, name, &DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        _ => full::<Int64Type>(batch, name, &DataType::Int64),
    }
}

fn text(batch: &RecordBatch, name: &str) -> Result<Vec<String>, Error> {
    let values = cast_to(batch, name, &DataType::Utf8)?;
    no_nulls(&values, name)?;
    Ok(values.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}

fn no_nulls(values: &ArrayRef, name: &str) -> Result<(), Error> {
    match values.null_count() {
        0 => Ok(()),
        n => Err(Error::Column { column: name.into(), problem: format!("has {n} nulls, none are allowed") }),
    }
}
