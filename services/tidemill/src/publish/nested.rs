//! Objects and lists in lines of JSON: columns with their text, which become what a schema wants of them.

use std::collections::HashMap;
use std::io::{BufRead, Cursor, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use serde_json::{Map, Value};

use super::file::Text;

/// Says of a column that its texts are objects or lists.
const MARK: &str = "tidemill.nested";

/// A column of objects or lists as texts.
pub fn field(name: &str) -> Field {
    let mark = HashMap::from([(MARK.to_owned(), String::new())]);
    Field::new(name, DataType::Utf8, true).with_metadata(mark)
}

/// Whether a column's texts are objects or lists.
pub fn is_nested(field: &Field) -> bool {
    field.metadata().contains_key(MARK)
}

/// Whether text can become such a type.
pub fn is_wanted(from: &DataType, to: &DataType) -> bool {
    *from == DataType::Utf8 && to.is_nested()
}

/// Adds columns to batches of the lines' other fields.
pub struct Added {
    lines: Text,
    names: Vec<String>,
}

impl Added {
    /// Reads these fields of the lines.
    pub fn new(lines: Text, names: Vec<String>) -> Self {
        Self { lines, names }
    }

    /// The batch of the next lines, with these fields of them.
    pub fn to(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<StringBuilder> = self.names.iter().map(|_| StringBuilder::new()).collect();
        for _ in 0..batch.num_rows() {
            let object = self.next()?;
            for (name, column) in self.names.iter().zip(&mut columns) {
                column.append_option(object.get(name).filter(|value| !value.is_null()).map(Value::to_string));
            }
        }
        let fields = batch.schema_ref().fields().iter().cloned();
        let fields: Vec<_> = fields.chain(self.names.iter().map(|name| Arc::new(field(name)))).collect();
        let texts = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().iter().cloned().chain(texts).collect())
    }

    fn next(&mut self) -> Result<Map<String, Value>, ArrowError> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(Map::new());
            }
        }
        serde_json::from_str(&line).map_err(|error| ArrowError::JsonError(error.to_string()))
    }
}

/// Texts as such a type; or the row whose text cannot be one, with what is wrong with it.
pub fn read(texts: &StringArray, wanted: &DataType) -> Result<ArrayRef, (usize, String)> {
    let schema = Arc::new(Schema::new(vec![Field::new("value", wanted.clone(), true)]));
    let of = |texts: &StringArray| -> Result<ArrayRef, ArrowError> {
        let mut lines = Vec::new();
        for text in texts {
            writeln!(lines, "{{\"value\": {}}}", text.unwrap_or("null"))?;
        }
        let reader = arrow::json::ReaderBuilder::new(schema.clone()).with_batch_size(texts.len().max(1));
        let mut batches = reader.build(Cursor::new(lines))?;
        let batch = batches.next().transpose()?;
        Ok(batch.map_or_else(|| arrow::array::new_empty_array(wanted), |batch| batch.column(0).clone()))
    };
    of(texts).map_err(|error| {
        let alone = |row: &usize| of(&texts.slice(*row, 1)).is_err();
        ((0..texts.len()).find(alone).unwrap_or_default(), error.to_string())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use arrow::array::{AsArray, Float64Array};
    use arrow::datatypes::Fields;

    #[test]
    fn texts_become_records_and_lists_or_are_named() {
        let parts = Fields::from(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("grams", DataType::Float64, true),
            Field::new("tags", DataType::new_list(DataType::Int64, true), true),
        ]);
        let wanted = DataType::Struct(parts);
        let texts = StringArray::from(vec![
            Some(r#"{"id": "a", "grams": 1.5, "tags": [1, 2], "else": {}}"#),
            None,
            Some(r#"{"id": "b"}"#),
        ]);
        let read_back = read(&texts, &wanted).unwrap();
        let records = read_back.as_struct();
        assert_eq!(records.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(*records.column(1).as_ref(), Float64Array::from(vec![Some(1.5), None, None]));
        assert!(records.is_null(1) && records.column(2).as_list::<i32>().value(0).len() == 2);
        let bad = StringArray::from(vec![Some(r#"{"id": "a"}"#), Some(r#"{"id": "a", "grams": {}}"#)]);
        assert_eq!(read(&bad, &wanted).unwrap_err().0, 1);
    }
}
