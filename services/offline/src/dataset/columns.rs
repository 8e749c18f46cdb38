//! Takes columns of any fitting type, inside structs too, as the types a dataset has.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, StringBuilder};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};

use schemas::key::{category_text, is_category_type, is_key_type};

use super::{Error, Result};

/// Rows with the name of where they come from.
pub(super) struct Rows<'a> {
    pub(super) batch: &'a RecordBatch,
    pub(super) place: &'a str,
}

/// A column, and where the structs around it are present.
struct Found {
    values: ArrayRef,
    around: Option<NullBuffer>,
}

/// Top-level columns that hold these paths, each once.
pub(super) fn top_level<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for path in paths {
        let name = path.split('.').next().unwrap_or(path);
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The name of a column in the dataset.
pub(super) fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

impl Rows<'_> {
    /// Numbers and booleans as doubles.
    pub(super) fn doubles(&self, path: &str) -> Result<Float64Array> {
        let found = self.find(path)?;
        let values = self.cast(path, &found.values, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        Ok(Float64Array::new(values.values().clone(), NullBuffer::union(values.nulls(), found.around.as_ref())))
    }

    /// Timestamps of any unit, or integers that count microseconds.
    pub(super) fn times_us(&self, path: &str) -> Result<Int64Array> {
        let found = self.find(path)?;
        let (values, nulls) = match found.values.data_type() {
            DataType::Timestamp(..) => {
                let values = self.cast(path, &found.values, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let values = values.as_primitive::<TimestampMicrosecondType>();
                (values.values().clone(), values.nulls().cloned())
            }
            kind if kind.is_integer() => {
                let values = self.cast(path, &found.values, &DataType::Int64)?;
                let values = values.as_primitive::<Int64Type>();
                (values.values().clone(), values.nulls().cloned())
            }
            other => return Err(self.unfit(path, format!("it is {other}, not a time"))),
        };
        Ok(Int64Array::new(values, NullBuffer::union(nulls.as_ref(), found.around.as_ref())))
    }

    /// Canonical text of integers, strings, booleans and symbols of enums.
    pub(super) fn texts(&self, path: &str) -> Result<StringArray> {
        let found = self.find(path)?;
        let kind = found.values.data_type();
        if !is_key_type(kind) {
            return Err(self.unfit(path, format!("it is {kind}, which has no canonical text")));
        }
        let values = self.cast(path, &found.values, &DataType::Utf8)?;
        let values = values.as_string::<i32>();
        let nulls = NullBuffer::union(values.nulls(), found.around.as_ref());
        Ok(StringArray::new(values.offsets().clone(), values.values().clone(), nulls))
    }

    /// Canonical texts of categories: those of [`Rows::texts`], and of numbers the shortest decimals.
    pub(super) fn categories(&self, path: &str) -> Result<StringArray> {
        let found = self.find(path)?;
        if !is_category_type(found.values.data_type()) {
            return Err(self.unfit(path, format!("it is {}, which cannot be a category", found.values.data_type())));
        }
        let (mut texts, mut text) = (StringBuilder::new(), String::new());
        for row in 0..found.values.len() {
            text.clear();
            let around = found.around.as_ref().is_none_or(|around| around.is_valid(row));
            let there = around && category_text(&found.values, row, &mut text).is_some();
            texts.append_option(there.then_some(&text));
        }
        Ok(texts.finish())
    }

    /// Whether the structs around a column are there, row by row; `None` if they always are.
    pub(super) fn around(&self, path: &str) -> Result<Option<NullBuffer>> {
        Ok(self.find(path)?.around)
    }

    fn find(&self, path: &str) -> Result<Found> {
        let mut parts = path.split('.');
        let first = parts.next().unwrap_or(path);
        let schema = self.batch.schema();
        let top = self.batch.column_by_name(first);
        let mut values = top.ok_or_else(|| self.missing(path, schema.fields()))?.clone();
        let mut around = None;
        for part in parts {
            let Some(parent) = values.as_struct_opt() else {
                return Err(self.unfit(path, format!("`{part}` is looked for inside {}", values.data_type())));
            };
            around = NullBuffer::union(around.as_ref(), parent.nulls());
            let inner = parent.column_by_name(part).ok_or_else(|| self.missing(path, parent.fields()))?.clone();
            values = inner;
        }
        Ok(Found { values, around })
    }

    fn cast(&self, path: &str, values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        cast(values, to).map_err(|e| self.unfit(path, e.to_string()))
    }

    pub(super) fn unfit(&self, path: &str, detail: String) -> Error {
        Error::Column { place: self.place.to_owned(), column: path.to_owned(), detail }
    }

    fn missing<'f>(&self, path: &str, fields: impl IntoIterator<Item = &'f std::sync::Arc<Field>>) -> Error {
        let names: Vec<&str> = fields.into_iter().map(|field| field.name().as_str()).collect();
        Error::NoColumn { place: self.place.to_owned(), column: path.to_owned(), available: names.join(", ") }
    }
}
