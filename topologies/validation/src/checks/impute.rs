//! Values in place of others. Which rows get one, and what it is, depends on the row alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options, interleave, take_record_batch};
use arrow::datatypes::DataType;
use flow::sql::{self, Expression, apart};
use schemas::reject::Code;

use super::columns::finite;
use super::work::Work;
use crate::source::{Error, Kind, Source};

/// What is put into a column.
#[derive(Debug)]
pub struct Imputing {
    column: usize,
    name: Arc<str>,
    nullable: bool,
    value: Expression,
}

impl Imputing {
    /// Compiles SQL over a source's columns for one of them.
    pub fn compile(source: &Source, name: &str, sql: &str) -> Result<Self, Error> {
        let wrong = |detail: String| Error::Column {
            topic: source.topic.to_string(),
            column: name.to_owned(),
            role: "imputed field",
            detail,
        };
        let found = source.schema.fields().find(name);
        let (column, field) = found.ok_or_else(|| wrong("the schema has no such field".to_owned()))?;
        let is_identity = match &source.kind {
            Kind::Events { time, keys, .. } => column == source.id || column == *time || keys.contains(&column),
            Kind::Labels { .. } => true,
        };
        if is_identity {
            return Err(wrong("it says which event this is, or when it happened, or whose it is".to_owned()));
        }
        let plain = field.data_type().is_numeric()
            || matches!(field.data_type(), DataType::Boolean | DataType::Utf8 | DataType::Timestamp(..));
        if !plain {
            return Err(wrong(format!("values of type {} cannot be replaced", field.data_type())));
        }
        let value = Expression::compile(sql, &source.schema).map_err(|error| wrong(error.detail))?;
        if !can_cast_types(value.returns(), field.data_type()) {
            return Err(wrong(format!("`{sql}` is {} and cannot become {}", value.returns(), field.data_type())));
        }
        Ok(Imputing { column, name: name.into(), nullable: field.is_nullable(), value })
    }

    /// Replaces the values of these rows, which rise. A row whose new value cannot be computed is rejected.
    pub fn apply(&self, rows: &[usize], work: &mut Work) {
        if rows.is_empty() {
            return;
        }
        let mut arrays = vec![work.batch.column(self.column).clone()];
        let mut places: Vec<(usize, usize)> = (0..work.batch.num_rows()).map(|row| (0, row)).collect();
        let chosen = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
        let chosen = match take_record_batch(&work.batch, &chosen) {
            Ok(chosen) => chosen,
            Err(error) => return rows.iter().for_each(|row| self.refuse(*row, &error.to_string(), work)),
        };
        apart(
            &chosen,
            |part| self.values(part),
            |first, values| match values {
                Ok(values) => {
                    let part = &rows[first..first + values.len()];
                    part.iter().enumerate().for_each(|(at, row)| places[*row] = (arrays.len(), at));
                    arrays.push(values);
                }
                Err(error) => self.refuse(rows[first], &error.detail, work),
            },
        );
        for row in rows {
            let (array, at) = places[*row];
            if array == 0 {
                continue;
            }
            if !self.nullable && arrays[array].is_null(at) {
                self.refuse(*row, "it is null", work);
                places[*row] = (0, *row);
            } else if !finite(&arrays[array], at) {
                self.refuse(*row, "it is no finite number", work);
            } else {
                work.findings.imputed.push((*row, self.name.clone()));
            }
        }
        let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        let mut columns = work.batch.columns().to_vec();
        let schema = work.batch.schema();
        let replaced = interleave(&parts, &places).and_then(|column| {
            columns[self.column] = column;
            RecordBatch::try_new(schema, columns)
        });
        match replaced {
            Ok(batch) => work.batch = batch,
            Err(error) => rows.iter().for_each(|row| self.refuse(*row, &error.to_string(), work)),
        }
    }

    /// New values for all rows of a batch.
    fn values(&self, batch: &RecordBatch) -> Result<ArrayRef, sql::Error> {
        let values = self.value.evaluate(batch)?;
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        Ok(cast_with_options(&values, batch.column(self.column).data_type(), &strict)?)
    }

    fn refuse(&self, row: usize, why: &str, work: &mut Work) {
        work.faults.push(row, Code::RuleError, format!("the value imputed for {} cannot be used: {why}", self.name));
    }
}
