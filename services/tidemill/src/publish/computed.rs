//! Columns that a file does not have and SQL makes of those it has, and of the number of the row.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use flow::sql::Expression;

use super::file::Source;
use super::{Error, Options};

/// The number of a row, from 1, as a column that SQL may name; a file's own column of that name comes first.
const ROW_NUMBER: &str = "row_number";

/// Columns to be added to each batch of a file.
struct Computed {
    /// The file's columns, and the row number where they leave room for it.
    read: SchemaRef,
    /// The file's columns, then the computed ones, each under its text.
    whole: SchemaRef,
    columns: Vec<Expression>,
    rows_before: i64,
}

impl Source {
    /// The same rows with a column for each mapping and label column that is no column of the file but SQL. The column
    /// is named by its text, so that whoever looks for the text finds it.
    pub fn computed(self, options: &Options) -> Result<Self, Error> {
        let mapped = options.map.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let label = options.label_column.iter().map(|text| ("label", text.as_str()));
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        for (name, text) in mapped.chain(label) {
            let known = self.schema.index_of(text).is_ok() || wanted.iter().any(|(_, other)| *other == text);
            if !known && is_sql(text) {
                wanted.push((name, text));
            }
        }
        if wanted.is_empty() {
            return Ok(self);
        }
        let mut computed = Computed::compile(&self.schema, &wanted)?;
        let (schema, rows) = (computed.whole.clone(), self.rows);
        let batches = self.batches.map(move |batch| computed.extend(&batch?));
        Ok(Source { schema, rows, batches: Box::new(batches) })
    }
}

/// Whether a text that names no column is meant as SQL, and not a slip in a name.
fn is_sql(text: &str) -> bool {
    let sign = |letter: char| !letter.is_alphanumeric() && !['_', '-', '.', ' '].contains(&letter);
    text.contains(sign) || text.starts_with(|letter: char| letter.is_ascii_digit()) || text == ROW_NUMBER
}

impl Computed {
    fn compile(table: &SchemaRef, wanted: &[(&str, &str)]) -> Result<Self, Error> {
        let mut fields: Vec<_> = table.fields().iter().cloned().collect();
        if table.index_of(ROW_NUMBER).is_err() {
            fields.push(Arc::new(Field::new(ROW_NUMBER, DataType::Int64, false)));
        }
        let read: SchemaRef = Arc::new(Schema::new(fields));
        let mut whole: Vec<_> = table.fields().iter().cloned().collect();
        let mut columns = Vec::new();
        for (name, text) in wanted {
            let compiled = Expression::compile(text, &read).map_err(|error| Error::Map {
                name: (*name).to_owned(),
                column: (*text).to_owned(),
                detail: format!("no column of the file, and not SQL over them: {error}"),
            })?;
            whole.push(Arc::new(Field::new(*text, compiled.returns().clone(), true)));
            columns.push(compiled);
        }
        Ok(Computed { read, whole: Arc::new(Schema::new(whole)), columns, rows_before: 0 })
    }

    fn extend(&mut self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let rows = batch.num_rows();
        let before = self.rows_before;
        let failed = |row: i64, detail: String| Error::Computed { row, detail };
        let made = |schema: &SchemaRef, columns: Vec<ArrayRef>| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let made = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
            made.map_err(|error| failed(before + 1, error.to_string()))
        };
        let mut columns = batch.columns().to_vec();
        if self.read.fields().len() > columns.len() {
            let numbers = before + 1..=before + rows as i64;
            columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
        }
        let read = made(&self.read, columns)?;
        let mut columns = batch.columns().to_vec();
        for column in &self.columns {
            // A value that SQL cannot make is looked for row by row, so that its row can be named.
            let values = column.evaluate(&read).map_err(|error| {
                let first = (0..rows).find(|row| column.evaluate(&read.slice(*row, 1)).is_err()).unwrap_or(0);
                failed(before + 1 + first as i64, error.to_string())
            });
            columns.push(values?);
        }
        self.rows_before += rows as i64;
        made(&self.whole, columns)
    }
}
