//! Events made up for any pipeline: each with keys of its own, everything else the same.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use flow::config::Pipeline;

use crate::error::Error;

/// Rows of a batch.
const BATCH: u64 = 8_192;
/// Time of the first event, microseconds: the beginning of 2026.
const BEGIN_US: i64 = 1_767_225_600_000_000;
/// Time between two events.
const STEP_US: i64 = 1_000;

/// How rows are made up.
pub struct Keyed {
    schema: SchemaRef,
    id: String,
    event_time: String,
    keys: Vec<String>,
}

impl Keyed {
    /// Rows with the columns of the pipeline's events.
    pub fn new(pipeline: &Pipeline) -> Result<Self, Error> {
        let events = &pipeline.events;
        let schema = schemas::codec::arrow_schema(&events.schema.json.to_string())
            .map_err(|error| Error::Failed(format!("{}: {error}", events.schema.path)))?;
        let keys = pipeline.features.entities.iter().map(|entity| entity.key.clone()).collect();
        Ok(Keyed { schema, id: events.id.clone(), event_time: events.event_time.clone(), keys })
    }

    /// Their columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows with these keys; ids and times go on from `from`.
    pub fn batches(&self, keys: Range<u64>, from: u64) -> impl Iterator<Item = Result<RecordBatch, Error>> {
        let starts = keys.clone().step_by(BATCH as usize);
        starts.map(move |start| self.batch(start..keys.end.min(start + BATCH), from))
    }

    fn batch(&self, keys: Range<u64>, from: u64) -> Result<RecordBatch, Error> {
        let numbers: Vec<i64> = keys.map(u64::cast_signed).collect();
        let ids: Vec<i64> = numbers.iter().map(|number| number + from.cast_signed()).collect();
        let column = |field: &Arc<Field>| {
            let name = field.name();
            if *name == self.event_time {
                let times = ids.iter().map(|id| BEGIN_US + id * STEP_US);
                let times: ArrayRef = Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter_values(times));
                return cast(&times, field.data_type()).map_err(|error| unfit(field, &error.to_string()));
            }
            match (*name == self.id, self.keys.contains(name)) {
                (true, _) => values(field, &ids),
                (_, true) => values(field, &numbers),
                _ if field.is_nullable() => Ok(new_null_array(field.data_type(), ids.len())),
                _ => values(field, &vec![1; ids.len()]),
            }
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let schema = Schema::new(self.schema.fields().clone());
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| Error::Failed(error.to_string()))
    }
}

fn values(field: &Field, numbers: &[i64]) -> Result<ArrayRef, Error> {
    let numbers = numbers.iter().copied();
    Ok(match field.data_type() {
        DataType::Int32 => Arc::new(Int32Array::from_iter_values(numbers.map(|number| number as i32))),
        DataType::Int64 => Arc::new(Int64Array::from_iter_values(numbers)),
        DataType::Float32 => Arc::new(Float32Array::from_iter_values(numbers.map(|number| number as f32))),
        DataType::Float64 => Arc::new(Float64Array::from_iter_values(numbers.map(|number| number as f64))),
        DataType::Utf8 => Arc::new(StringArray::from_iter_values(numbers.map(|number| number.to_string()))),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(numbers.map(|number| Some(number % 2 == 0)))),
        other => return Err(unfit(field, &format!("no value is made up for {other}"))),
    })
}

fn unfit(field: &Field, why: &str) -> Error {
    Error::Input(format!("events of this pipeline cannot be made up: column {}: {why}", field.name()))
}
