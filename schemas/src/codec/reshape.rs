//! The same values under another data type of the same shape: field metadata dropped, enums as keys or as symbols.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, ListArray, MapArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int32Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

/// The type without the metadata of its fields. arrow-avro notes defaults and names there, and not the same ones for
/// every writer schema.
pub(super) fn bare_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(bare_fields(fields)),
        DataType::List(item) => DataType::List(bare_field(item)),
        DataType::Map(entries, sorted) => DataType::Map(bare_field(entries), *sorted),
        other => other.clone(),
    }
}

/// The fields without metadata.
pub(super) fn bare_fields(fields: &Fields) -> Fields {
    fields.iter().map(bare_field).collect()
}

fn bare_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), bare_type(field.data_type()), field.is_nullable()))
}

/// The type with enums as their positions.
fn keys_type(data_type: &DataType) -> DataType {
    let keys_field = |field: &FieldRef| field.as_ref().clone().with_data_type(keys_type(field.data_type()));
    match data_type {
        DataType::Dictionary(key, _) => key.as_ref().clone(),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(keys_field).collect()),
        DataType::List(item) => DataType::List(Arc::new(keys_field(item))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(keys_field(entries)), *sorted),
        other => other.clone(),
    }
}

/// The batch with this schema; no values are copied.
pub(super) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.num_columns() != schema.fields().len() {
        let counts = format!("{} columns instead of {}", batch.num_columns(), schema.fields().len());
        return Err(ArrowError::SchemaError(counts));
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        let differs = |array: &ArrayRef, target: &DataType| {
            Err(ArrowError::SchemaError(format!("it is {} instead of {target}", array.data_type())))
        };
        rebuild(column, field.data_type(), &mut { differs })
            .map_err(|error| ArrowError::SchemaError(format!("column {}: {error}", field.name())))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

/// The column with enums as positions, and their symbols in the order in which they stand in the type.
pub(super) fn to_keys(column: &ArrayRef) -> Result<(ArrayRef, Vec<ArrayRef>), ArrowError> {
    let mut symbols = Vec::new();
    let keys = rebuild(column, &keys_type(column.data_type()), &mut |array, _| {
        let dictionary = array.as_dictionary::<Int32Type>();
        symbols.push(Arc::clone(dictionary.values()));
        Ok(Arc::new(dictionary.keys().clone()))
    })?;
    Ok((keys, symbols))
}

/// The column with positions as enums again; the inverse of [`to_keys`].
pub(super) fn from_keys(keys: &ArrayRef, target: &DataType, symbols: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let mut symbols = symbols.into_iter();
    rebuild(keys, target, &mut |array, _| {
        let missing = || ArrowError::SchemaError("an enum without symbols".to_owned());
        let symbols = symbols.next().ok_or_else(missing)?;
        Ok(Arc::new(DictionaryArray::try_new(array.as_primitive::<Int32Type>().clone(), symbols)?))
    })
}

/// The batch with these symbols in its enums, those of each column in the order in which they stand in its type. Columns that
/// are null throughout have none, and such as were put together may have them in another order.
pub(super) fn with_symbols(batch: &RecordBatch, symbols: &[Vec<ArrayRef>]) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(symbols).map(|(column, symbols)| {
        if symbols.is_empty() {
            return Ok(column.clone());
        }
        let mut wanted = symbols.iter();
        let keys = rebuild(column, &keys_type(column.data_type()), &mut |array, _| {
            let missing = || ArrowError::SchemaError("an enum without symbols".to_owned());
            places(array.as_dictionary::<Int32Type>(), wanted.next().ok_or_else(missing)?)
        })?;
        from_keys(&keys, column.data_type(), symbols.clone())
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

/// The keys of an enum as places among these symbols.
fn places(array: &DictionaryArray<Int32Type>, symbols: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let own = array.values();
    if own.is_empty() || own == symbols {
        return Ok(Arc::new(array.keys().clone()));
    }
    let (own, symbols) = (own.as_string::<i32>(), symbols.as_string::<i32>());
    let place = |symbol| symbols.iter().position(|known| known == symbol).map(|place| place as i32);
    let places: Vec<Option<i32>> = own.iter().map(place).collect();
    let place = |key: i32| {
        let missing = || ArrowError::SchemaError(format!("no symbol `{}`", own.value(key as usize)));
        places[key as usize].ok_or_else(missing)
    };
    let keys = array.keys().iter().map(|key| key.map(place).transpose());
    Ok(Arc::new(keys.collect::<Result<Int32Array, _>>()?))
}

/// The array under the target type; `leaf` turns what is no container and has another type.
fn rebuild(
    array: &ArrayRef,
    target: &DataType,
    leaf: &mut dyn FnMut(&ArrayRef, &DataType) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), target) {
        (from, to) if from == to => Ok(Arc::clone(array)),
        (DataType::Struct(from), DataType::Struct(to)) if from.len() == to.len() => {
            let array = array.as_struct();
            let children = array.columns().iter().zip(to).map(|(child, field)| rebuild(child, field.data_type(), leaf));
            let children = children.collect::<Result<Vec<_>, _>>()?;
            let nulls = array.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(to.clone(), children, nulls, array.len())?))
        }
        (DataType::List(_), DataType::List(to)) => {
            let array = array.as_list::<i32>();
            let values = rebuild(array.values(), to.data_type(), leaf)?;
            Ok(Arc::new(ListArray::try_new(to.clone(), array.offsets().clone(), values, array.nulls().cloned())?))
        }
        (DataType::Map(..), DataType::Map(to, sorted)) => {
            let array = array.as_map();
            let entries: ArrayRef = Arc::new(array.entries().clone());
            let entries = rebuild(&entries, to.data_type(), leaf)?.as_struct().clone();
            let nulls = array.nulls().cloned();
            Ok(Arc::new(MapArray::try_new(to.clone(), array.offsets().clone(), entries, nulls, *sorted)?))
        }
        _ => leaf(array, target),
    }
}
