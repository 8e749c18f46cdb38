//! Laying out a stage's output: event columns gathered from the batches they came in, features behind those that came
//! along.

use super::Error;
use crate::Group;
use crate::derived::Derived;
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

/// What a stage computes.
#[derive(Debug, Clone, Copy)]
pub struct Computed<'a> {
    /// In the first stage, of the event alone.
    pub row: &'a [Expression],
    pub group: &'a Group,
    /// In the last stage, of all features.
    pub derived: &'a Derived,
    /// All features' names, derived ones last.
    pub names: &'a [String],
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
    computed: &Computed<'_>,
) -> Result<Vec<(&'static str, ArrayRef)>, Stop> {
    let events: Vec<Option<&StructArray>> = sources.iter().map(|source| source.items.event()).collect();
    let event = gather(&events, &parts.from)?;
    let Computed { row, group, derived, names } = *computed;
    let mut features: Vec<ArrayRef> = Vec::new();
    if !row.is_empty() {
        let batch = RecordBatch::from(strip(&event));
        for expression in row {
            features.push(Arc::new(expression.doubles_or_null(&batch)));
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
    if !derived.is_empty() {
        let feature = |name: &str| names.iter().position(|other| other == name).and_then(|at| features.get(at));
        let column = |name: &str| feature(name).or_else(|| event.column_by_name(name)).cloned();
        let values = derived.compute(event.len(), column).map_err(flow::wire::Error::from)?;
        features.extend(values.into_iter().map(|values| Arc::new(values) as ArrayRef));
    }
    let fields: Fields = (0..features.len()).map(|at| Field::new(format!("f{at}"), DataType::Float64, true)).collect();
    let features = StructArray::try_new(fields, features, None).map_err(flow::wire::Error::from)?;
    Ok(vec![("event", Arc::new(event) as ArrayRef), ("features", Arc::new(features))])
}

/// The same event columns without nullability on the record itself: accepted events are never null.
fn strip(event: &StructArray) -> StructArray {
    StructArray::new(event.fields().clone(), event.columns().to_vec(), None)
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
