//! Features over other features: SQL over the event's columns and the features of all stages, computed in the last one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use flow::config::{Features, RowFeature};
use flow::sql::{self, Expression};

/// One that cannot be compiled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("derived feature {feature}: {source}")]
pub struct Error {
    /// Which one.
    pub feature: String,
    /// What is wrong.
    pub source: sql::Error,
}

/// The derived features of a pipeline, compiled, in an order in which each comes after those that it reads.
#[derive(Debug, Default)]
pub struct Derived {
    features: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    name: String,
    expression: Expression,
    /// The columns and features that it reads.
    read: SchemaRef,
}

impl Compiled {
    fn new(feature: &RowFeature, whole: &SchemaRef) -> Result<Compiled, sql::Error> {
        let RowFeature { output, expression, .. } = feature;
        let read = sql::read([&Expression::compile(&expression.text, whole)?], whole);
        let expression = Expression::compile(&expression.text, &read)?;
        if !expression.is_number() {
            let detail = format!("it is {}, and features are numbers", expression.returns());
            return Err(sql::Error { detail });
        }
        Ok(Compiled { name: output.clone(), expression, read })
    }
}

impl Derived {
    /// Compiles them over the events' columns and the other features.
    ///
    /// # Errors
    ///
    /// All that are no SQL over these.
    pub fn new(features: &Features, events: &Schema) -> Result<Derived, Vec<Error>> {
        let mut fields: Vec<Field> =
            events.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let add = |fields: &mut Vec<Field>, name: &str| fields.push(Field::new(name, DataType::Float64, true));
        let derived: Vec<&String> = features.derived.iter().map(|feature| &feature.output).collect();
        features.names().iter().filter(|name| !derived.contains(name)).for_each(|name| add(&mut fields, name));
        let (mut compiled, mut errors) = (Vec::new(), Vec::new());
        for feature in &features.derived {
            match Compiled::new(feature, &Arc::new(Schema::new(fields.clone()))) {
                Ok(one) => compiled.push(one),
                Err(source) => errors.push(Error { feature: feature.name.clone(), source }),
            }
            add(&mut fields, &feature.output);
        }
        if errors.is_empty() { Ok(Derived { features: compiled }) } else { Err(errors) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Computes them for so many events; `column` finds a column of these or one of the other features.
    ///
    /// # Errors
    ///
    /// Columns of other types than those they were compiled for, or of another length.
    pub fn compute(
        &self,
        rows: usize,
        column: impl Fn(&str) -> Option<ArrayRef>,
    ) -> Result<Vec<Float64Array>, ArrowError> {
        let mut found: Vec<Float64Array> = Vec::new();
        for Compiled { expression, read, .. } in &self.features {
            let find = |field: &Arc<Field>| {
                let earlier = self.features.iter().zip(&found).find(|(feature, _)| feature.name == *field.name());
                let earlier = earlier.map(|(_, values)| Arc::new(values.clone()) as ArrayRef);
                let missing = || ArrowError::SchemaError(format!("there is no column `{}`", field.name()));
                earlier.or_else(|| column(field.name())).ok_or_else(missing)
            };
            let columns = read.fields().iter().map(find).collect::<Result<Vec<_>, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(read.clone(), columns, &options)?;
            found.push(expression.doubles_or_null(&batch));
        }
        Ok(found)
    }
}
