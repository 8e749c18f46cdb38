//! Laying out a stage's output: event columns gathered from the batches they came in, features behind those that came
//! along.

use super::Error;
use crate::Group;
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StructArray, make_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Fields, SchemaRef};
use flow::config::Pipeline;
use flow::items::Items;
use flow::processor::Stop;
use flow::sql::Expression;
use std::sync::Arc;

/// A decoded batch that emitted events come from.
#[derive(Debug)]
pub struct Source {
    pub items: Arc<Items>,
}

/// Where a chunk's events come from, and what was computed for them, row by row.
#[derive(Debug, Default)]
pub struct Parts {
    pub from: Vec<(usize, usize)>,
    pub computed: Vec<Option<f64>>,
}

/// The events' columns.
pub fn event_schema(pipeline: &Pipeline) -> Result<SchemaRef, Error> {
    let text = pipeline.events.schema.json.to_string();
    let schema = schemas::codec::arrow_schema(&text);
    schema.map_err(|error| Error::Topic(format!("{}: {error}", pipeline.events.schema.path)))
}

/// Compiles the pipeline's row features over the event's columns.
pub fn row_expressions(pipeline: &Pipeline) -> Result<Vec<Expression>, Error> {
    let schema = event_schema(pipeline)?;
    let compile = |feature: &flow::config::RowFeature| {
        Expression::compile(&feature.expression.text, &schema)
            .map_err(|source| Error::Row { feature: feature.name.clone(), source })
    };
    pipeline.features.row.iter().map(compile).collect()
}

/// The `event` and `features` columns of a chunk.
pub fn columns(
    sources: &[Source],
    parts: Parts,
    row: &[Expression],
    group: &Group,
) -> Result<Vec<(&'static str, ArrayRef)>, Stop> {
    let events: Vec<Option<&StructArray>> = sources.iter().map(|source| source.items.event()).collect();
    let event = gather(&events, &parts.from)?;
    let mut features: Vec<ArrayRef> = Vec::new();
    if !row.is_empty() {
        let batch = RecordBatch::from(strip(&event));
        for expression in row {
            // A row expression that fails on a value gives null: the event was accepted, and a feature may be missing.
            let values = expression.doubles(&batch).unwrap_or_else(|_| by_row(expression, &batch));
            features.push(Arc::new(values));
        }
    }
    let before: Vec<Option<&StructArray>> = sources.iter().map(|source| source.items.features()).collect();
    if before.iter().any(Option::is_some) {
        features.extend(gather(&before, &parts.from)?.columns().iter().cloned());
    }
    let width = group.outputs().len();
    for at in 0..width {
        let values = parts.computed.iter().skip(at).step_by(width).copied();
        features.push(Arc::new(values.collect::<Float64Array>()));
    }
    let fields: Fields = (0..features.len()).map(|at| Field::new(format!("f{at}"), DataType::Float64, true)).collect();
    let features = StructArray::try_new(fields, features, None).map_err(flow::wire::Error::from)?;
    Ok(vec![("event", Arc::new(event) as ArrayRef), ("features", Arc::new(features))])
}

/// The same event columns without nullability on the record itself: accepted events are never null.
fn strip(event: &StructArray) -> StructArray {
    StructArray::new(event.fields().clone(), event.columns().to_vec(), None)
}

fn by_row(expression: &Expression, batch: &RecordBatch) -> Float64Array {
    let one = |row: usize| {
        let values = expression.doubles(&batch.slice(row, 1)).ok()?;
        values.is_valid(0).then(|| values.value(0))
    };
    (0..batch.num_rows()).map(one).collect()
}

/// Rows of a struct part, picked from several batches, column by column.
fn gather(parts: &[Option<&StructArray>], from: &[(usize, usize)]) -> Result<StructArray, Stop> {
    let Some(first) = parts.iter().flatten().next() else {
        return Ok(StructArray::new_empty_fields(from.len(), None));
    };
    let whole =
        parts.len() == 1 && from.len() == first.len() && from.iter().enumerate().all(|(at, (_, row))| at == *row);
    if whole {
        return Ok((*first).clone());
    }
    // A batch without the part contributes no row; any array stands in for it.
    let of = |column: usize| -> Vec<&dyn Array> {
        parts.iter().map(|part| part.unwrap_or(first).column(column).as_ref()).collect()
    };
    let columns = (0..first.num_columns())
        .map(|column| interleave(&of(column), from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(flow::wire::Error::from)?;
    let columns = columns.into_iter().map(|column| make_array(column.to_data())).collect();
    Ok(StructArray::try_new(first.fields().clone(), columns, None).map_err(flow::wire::Error::from)?)
}
