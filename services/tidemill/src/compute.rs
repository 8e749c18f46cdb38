//! Features of a whole table, by the engine that computes them in the stream.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit};
use features::offline::{Feature, Labels, Table, compute as run};
use features::stage::{derived, group};
use flow::config::{ColumnKind, Pipeline};
use flow::sql::Expression;
use schemas::key::key_text;

use crate::error::Error;
use crate::publish::{Columns, Options, check_map, convert};

/// A table with features, and how it came about.
pub struct Computed {
    /// The event's columns that features or models read, id and time first; features in the pipeline's order; the label
    /// where there is one, named as the models' target.
    pub table: RecordBatch,
    /// Repeated events that were left out.
    pub repeated: usize,
    /// Name of the column that labels were taken from.
    pub label_column: Option<String>,
}

/// Computes all features of the events in `batches`.
pub fn compute(
    pipeline: &Pipeline,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    options: &Options,
) -> Result<Computed, Error> {
    let wanted = wanted(pipeline)?;
    let known: Vec<&str> = pipeline.events.schema.columns.iter().map(|column| column.name.as_str()).collect();
    check_map(&options.map, &known)?;
    let columns = Columns::find(&wanted, schema, &options.map, Some(&pipeline.events.event_time))?;
    let label = label_column(pipeline, schema, options)?;
    let (mut events, mut labels, mut before) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        events.push(columns.convert(batch, &wanted, before)?);
        if let Some(at) = label {
            labels.push(label_of(pipeline, (batch.column(at), schema.field(at).name()), before)?);
        }
        before += batch.num_rows() as u64;
    }
    let mut events = concat_batches(&wanted, &events).map_err(failed)?;
    let parts: Vec<&dyn Array> = labels.iter().map(AsRef::as_ref).collect();
    let labels = if parts.is_empty() { None } else { Some(arrow::compute::concat(&parts).map_err(failed)?) };
    let kept = first_copies(pipeline, &events)?;
    let repeated = kept.iter().filter(|kept| **kept == Some(false)).count();
    let mut labels = labels;
    if repeated > 0 {
        let flags = BooleanArray::from(kept);
        events = filter_record_batch(&events, &flags).map_err(failed)?;
        labels = labels.map(|labels| arrow::compute::filter(&labels, &flags)).transpose().map_err(failed)?;
    }
    let table = features(pipeline, &events, labels.as_ref(), options.label_delay_us)?;
    Ok(Computed { table, repeated, label_column: label.map(|at| schema.field(at).name().clone()) })
}

/// The event's columns that anything reads.
fn wanted(pipeline: &Pipeline) -> Result<SchemaRef, Error> {
    let events = &pipeline.events;
    let whole = schemas::codec::arrow_schema(&events.schema.json.to_string());
    let whole = whole.map_err(|error| Error::Input(format!("schema {}: {error}", events.schema.path)))?;
    let mut read = vec![events.id.as_str(), events.event_time.as_str()];
    for entity in &pipeline.features.entities {
        read.push(&entity.key);
        read.extend(entity.aggregates.iter().flat_map(|one| &one.expression.columns).map(String::as_str));
    }
    let sql = pipeline.features.row.iter().chain(&pipeline.features.derived);
    read.extend(sql.flat_map(|one| &one.expression.columns).map(String::as_str));
    read.extend(pipeline.models.iter().flat_map(|model| &model.inputs).map(String::as_str));
    let fields = whole.fields().iter().filter(|field| read.contains(&field.name().as_str()));
    Ok(Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>())))
}

/// The column with labels, if there is one or one is named.
fn label_column(pipeline: &Pipeline, table: &Schema, options: &Options) -> Result<Option<usize>, Error> {
    let Some(target) = pipeline.target() else {
        return match &options.label_column {
            None => Ok(None),
            Some(column) => Err(crate::publish::Error::NoLabels(column.clone()).into()),
        };
    };
    let map = options.label_column.iter().map(|column| (target.to_owned(), column.clone())).collect();
    let needed = options.label_column.is_some() || pipeline.features.entities.iter().any(|entity| entity.label_derived);
    let found = Columns::one(target, table, &map);
    if needed { Ok(Some(found?)) } else { Ok(found.ok()) }
}

/// A column of labels as numbers, or where they have classes as the texts of these.
fn label_of(pipeline: &Pipeline, (array, column): (&ArrayRef, &str), before: u64) -> Result<ArrayRef, Error> {
    let field = |data_type| Field::new(pipeline.target().unwrap_or_default(), data_type, true);
    let Some(labels) = pipeline.labels.as_ref().filter(|labels| !labels.classes.is_empty()) else {
        return truth(array, column, &field(DataType::Float64), before);
    };
    // By way of the type that they are published with, so that 3.0 is the class 3 here, too.
    let kind = labels.schema.column(&labels.target).map(|column| column.kind);
    let published = match kind {
        Some(ColumnKind::Integer) => DataType::Int64,
        Some(ColumnKind::Boolean) => DataType::Boolean,
        _ => DataType::Utf8,
    };
    let values = convert(array, column, &field(published), before)?;
    cast(&values, &DataType::Utf8).map_err(failed)
}

/// A column of labels as numbers; texts may be numbers or truth values.
fn truth(array: &ArrayRef, column: &str, field: &Field, before: u64) -> Result<ArrayRef, Error> {
    if let Ok(numbers) = convert(array, column, field, before) {
        return Ok(numbers);
    }
    let flag = Field::new(field.name(), DataType::Boolean, true);
    let flags = convert(array, column, &flag, before)?;
    cast(&cast(&flags, &DataType::Int8).map_err(failed)?, &DataType::Float64).map_err(failed)
}

/// Which events are no repeats: of those with one id within the pipeline's horizon the first by time counts.
fn first_copies(pipeline: &Pipeline, events: &RecordBatch) -> Result<Vec<Option<bool>>, Error> {
    let times = times_us(pipeline, events)?;
    let ids = column(events, &pipeline.events.id)?;
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|row| times[*row]);
    let mut kept = vec![Some(true); times.len()];
    let mut seen: HashMap<String, i64> = HashMap::with_capacity(times.len());
    let mut id = String::new();
    for row in order {
        id.clear();
        if key_text(ids, row, &mut id).is_none() {
            continue;
        }
        match seen.get(&id) {
            Some(first) if times[row] - first <= pipeline.events.dedupe_horizon_us => kept[row] = Some(false),
            _ => drop(seen.insert(id.clone(), times[row])),
        }
    }
    Ok(kept)
}

fn features(
    pipeline: &Pipeline,
    events: &RecordBatch,
    labels: Option<&ArrayRef>,
    delay_us: i64,
) -> Result<RecordBatch, Error> {
    let times = times_us(pipeline, events)?;
    let known: Vec<i64> = times.iter().map(|time_us| time_us.saturating_add(delay_us)).collect();
    let entities = &pipeline.features.entities;
    let groups = entities.iter().map(|entity| group(pipeline, entity)).collect::<Result<Vec<_>, _>>();
    let groups = groups.map_err(|error| Error::Input(error.to_string()))?;
    let row = row_features(pipeline, events)?;
    let known_at = |labels: &Float64Array| Labels { values: labels.clone(), known_us: &known };
    let table = Table {
        ids: Some(column(events, &pipeline.events.id)?.clone()),
        times_us: &times,
        origins: None,
        keys: entities.iter().map(|entity| column(events, &entity.key).cloned()).collect::<Result<_, _>>()?,
        columns: named(events),
        // Nothing is computed of classes.
        labels: labels.and_then(|labels| labels.as_primitive_opt::<Float64Type>()).map(known_at),
    };
    let computed = run(&groups, &table)?;
    let (mut fields, mut arrays) = event_columns(pipeline, events)?;
    let mut features: Vec<Feature> = row.into_iter().chain(computed).collect();
    features.extend(derived_features(pipeline, events, &features)?);
    for Feature { name, values } in features {
        fields.push(Field::new(name, DataType::Float64, true));
        arrays.push(Arc::new(values));
    }
    if let (Some(labels), Some(target)) = (labels, pipeline.target()) {
        fields.push(Field::new(target, labels.data_type().clone(), true));
        arrays.push(labels.clone());
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(failed)
}

/// The event's columns as they are written: id and time first, the others in the schema's order.
fn event_columns(pipeline: &Pipeline, events: &RecordBatch) -> Result<(Vec<Field>, Vec<ArrayRef>), Error> {
    let first = [&pipeline.events.id, &pipeline.events.event_time];
    let schema = events.schema();
    let others = schema.fields().iter().map(|field| field.name()).filter(|name| !first.contains(name));
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for name in first.into_iter().chain(others) {
        let field = schema.field_with_name(name).map_err(failed)?;
        fields.push(field.clone());
        arrays.push(column(events, name)?.clone());
    }
    Ok((fields, arrays))
}

fn row_features(pipeline: &Pipeline, events: &RecordBatch) -> Result<Vec<Feature>, Error> {
    let feature = |row: &flow::config::RowFeature| {
        let values = Expression::compile(&row.expression.text, events.schema_ref()).and_then(|sql| sql.doubles(events));
        let values = values.map_err(|error| Error::Input(format!("row feature {}: {error}", row.name)))?;
        Ok(Feature { name: row.output.clone(), values })
    };
    pipeline.features.row.iter().map(feature).collect()
}

fn derived_features(pipeline: &Pipeline, events: &RecordBatch, before: &[Feature]) -> Result<Vec<Feature>, Error> {
    let derived = derived(pipeline).map_err(|error| Error::Input(error.to_string()))?;
    let feature = |name: &str| before.iter().find(|feature| feature.name == name);
    let column = |name: &str| match feature(name) {
        Some(feature) => Some(Arc::new(feature.values.clone()) as ArrayRef),
        None => events.column_by_name(name).cloned(),
    };
    let values = derived.compute(events.num_rows(), column).map_err(failed)?;
    let names = pipeline.features.derived.iter().map(|feature| feature.output.clone());
    Ok(names.zip(values).map(|(name, values)| Feature { name, values }).collect())
}

/// Columns that aggregates may read.
fn named(events: &RecordBatch) -> Vec<(String, ArrayRef)> {
    let fields = events.schema_ref().fields().iter().zip(events.columns());
    fields.map(|(field, array)| (field.name().clone(), array.clone())).collect()
}

fn times_us(pipeline: &Pipeline, events: &RecordBatch) -> Result<Vec<i64>, Error> {
    let times = column(events, &pipeline.events.event_time)?;
    let zone = match times.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let times = cast(times, &DataType::Timestamp(TimeUnit::Microsecond, zone)).map_err(failed)?;
    let times = cast(&times, &DataType::Int64).map_err(failed)?;
    Ok(times.as_primitive::<Int64Type>().values().to_vec())
}

fn column<'b>(events: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, Error> {
    events.column_by_name(name).ok_or_else(|| Error::Input(format!("the schema has no column {name}")))
}

fn failed(error: arrow::error::ArrowError) -> Error {
    Error::Failed(error.to_string())
}
