//! What the engine takes of events: numbers gathered from the batches they came in, in the order they are applied, null
//! where a condition does not hold.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, RecordBatch, RecordBatchOptions};
use arrow::buffer::NullBuffer;
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use flow::sql::{self, Expression};
use schemas::key::{key_hash, key_text};

use crate::spec::{Condition, Group, Input};
use crate::window::Column;

/// A condition that cannot be compiled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("aggregates.{aggregate}: `{condition}`: {detail}")]
pub struct Error {
    /// The aggregate that has it.
    pub aggregate: String,
    /// Its text.
    pub condition: String,
    /// What is wrong.
    pub detail: String,
}

/// The inputs of a group, compiled.
#[derive(Debug)]
pub struct Inputs {
    inputs: Vec<Taken>,
    conditions: Vec<Expression>,
    /// The columns that conditions read.
    read: SchemaRef,
}

/// Where an input comes from.
#[derive(Debug)]
struct Taken {
    column: Option<String>,
    hashed: bool,
    /// Number of its condition.
    condition: Option<usize>,
}

/// One input of many events.
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

impl Inputs {
    /// Compiles the conditions of a group over the events' columns.
    ///
    /// # Errors
    ///
    /// All conditions that are not SQL over these columns, or neither true nor false.
    pub fn new(group: &Group, schema: &Schema) -> Result<Inputs, Vec<Error>> {
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let whole: SchemaRef = Arc::new(Schema::new(schema.fields().iter().map(nullable).collect::<Vec<_>>()));
        let mut found: Vec<&Condition> = Vec::new();
        let mut inputs = Vec::new();
        for Input { column, hashed, condition } in group.inputs() {
            let condition = condition.as_ref().map(|condition| {
                found.iter().position(|other| other.text == condition.text).unwrap_or_else(|| {
                    found.push(condition);
                    found.len() - 1
                })
            });
            inputs.push(Taken { column: column.clone(), hashed: *hashed, condition });
        }
        let compile = |schema: &SchemaRef| -> Result<Vec<Expression>, Vec<Error>> {
            let (mut expressions, mut errors) = (Vec::new(), Vec::new());
            for condition in &found {
                compiled(condition, schema).map_or_else(|error| errors.push(error), |one| expressions.push(one));
            }
            if errors.is_empty() { Ok(expressions) } else { Err(errors) }
        };
        let read = sql::read(&compile(&whole)?, &whole);
        Ok(Inputs { inputs, conditions: compile(&read)?, read })
    }

    /// The inputs of events, each named by its batch and its row there; `column` finds a column of a batch.
    ///
    /// # Errors
    ///
    /// Batches whose columns are of different types.
    pub fn gather<'a>(
        &self,
        batches: usize,
        rows: &[(usize, usize)],
        column: impl Fn(usize, &str) -> Option<&'a ArrayRef>,
    ) -> Result<Vec<Gathered>, ArrowError> {
        let holds = self.evaluate(batches, rows, &column)?;
        let mut text = String::new();
        let gather_one = |Taken { column: name, hashed, condition }: &Taken| {
            let arrays: Vec<Option<&ArrayRef>> =
                (0..batches).map(|batch| name.as_ref().and_then(|name| column(batch, name))).collect();
            let value = |(at, (batch, row)): (usize, &(usize, usize))| {
                let excluded = condition.is_some_and(|condition| !holds[condition].value(at));
                match name {
                    _ if excluded => None,
                    None => Some(1.0),
                    Some(_) if *hashed => arrays[*batch].and_then(|array| hash(array, *row, &mut text)),
                    Some(_) => arrays[*batch].and_then(|array| number(array, *row)),
                }
            };
            let found: Vec<Option<f64>> = rows.iter().enumerate().map(value).collect();
            let nulls = found.iter().any(Option::is_none).then(|| found.iter().map(Option::is_some).collect());
            Gathered { values: found.into_iter().map(Option::unwrap_or_default).collect(), nulls }
        };
        Ok(self.inputs.iter().map(gather_one).collect())
    }

    /// Whether each condition is true of each event.
    fn evaluate<'a>(
        &self,
        batches: usize,
        rows: &[(usize, usize)],
        column: impl Fn(usize, &str) -> Option<&'a ArrayRef>,
    ) -> Result<Vec<BooleanArray>, ArrowError> {
        if self.conditions.is_empty() {
            return Ok(Vec::new());
        }
        let picked = |field: &Arc<Field>| {
            let arrays: Vec<Option<&ArrayRef>> = (0..batches).map(|batch| column(batch, field.name())).collect();
            // A batch without the column contributes no row; any array stands in for it.
            let Some(any) = arrays.iter().flatten().next() else {
                return Ok(arrow::array::new_null_array(field.data_type(), rows.len()));
            };
            let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.unwrap_or(any).as_ref()).collect();
            interleave(&arrays, rows)
        };
        let columns = self.read.fields().iter().map(picked).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.read.clone(), columns, &options)?;
        Ok(self.conditions.iter().map(|condition| truths(condition, &batch)).collect())
    }
}

fn compiled(condition: &Condition, schema: &SchemaRef) -> Result<Expression, Error> {
    let Condition { text, aggregate } = condition;
    let bad = |detail: String| Error { aggregate: aggregate.clone(), condition: text.clone(), detail };
    let expression = Expression::compile(text, schema).map_err(|error: sql::Error| bad(error.detail))?;
    match expression.returns() {
        DataType::Boolean | DataType::Null => Ok(expression),
        _ => Err(bad("is neither true nor false".to_owned())),
    }
}

/// True where the condition is; what it fails on, it is not true of.
fn truths(condition: &Expression, batch: &RecordBatch) -> BooleanArray {
    let mut truths = BooleanBuilder::with_capacity(batch.num_rows());
    sql::apart(
        batch,
        |part| condition.evaluate(part),
        |_, found| match found {
            Ok(values) => match values.as_boolean_opt() {
                Some(values) => values.iter().for_each(|value| truths.append_value(value == Some(true))),
                None => truths.append_n(values.len(), false),
            },
            Err(_) => truths.append_value(false),
        },
    );
    truths.finish()
}

/// The number that stands for a text: the 53 upper bits of its XXH3-64, as a whole number.
fn hash(array: &ArrayRef, row: usize, text: &mut String) -> Option<f64> {
    /// Bits of a hash that a double has no room for.
    const LOST_BITS: u32 = 64 - f64::MANTISSA_DIGITS;
    text.clear();
    key_text(array, row, text)?;
    Some((key_hash(text) >> LOST_BITS) as f64)
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
