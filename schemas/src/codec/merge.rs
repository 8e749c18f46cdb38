//! Puts the rows of several batches of one schema into one, in input order.

use std::sync::Arc;

use arrow::array::{ArrayData, make_array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

/// One accepted record's place: (index in the input, batch, row in the batch).
pub(super) type Place = (usize, usize, usize);

/// The rows of `batches` in the order of their input index.
pub(super) fn in_input_order(
    schema: &SchemaRef,
    mut batches: Vec<RecordBatch>,
    mut places: Vec<Place>,
) -> Result<RecordBatch, ArrowError> {
    if batches.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    if batches.len() == 1 {
        return Ok(batches.swap_remove(0));
    }
    share_symbols(&mut batches)?;
    places.sort_unstable();
    let rows: Vec<(usize, usize)> = places.into_iter().map(|(_, batch, row)| (batch, row)).collect();
    let all: Vec<&RecordBatch> = batches.iter().collect();
    interleave_record_batch(&all, &rows)
}

/// Lets equal enum dictionaries be the same buffers. Arrow would otherwise join them end to end, and an enum's keys
/// would no longer be its symbols' positions.
fn share_symbols(batches: &mut [RecordBatch]) -> Result<(), ArrowError> {
    let Some((first, rest)) = batches.split_first_mut() else { return Ok(()) };
    for batch in rest {
        if !batch.schema_ref().fields().iter().any(|field| has_symbols(field.data_type())) {
            continue;
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, reference) in batch.columns().iter().zip(first.columns()) {
            columns.push(match has_symbols(column.data_type()) {
                true => make_array(shared(column.to_data(), &reference.to_data())?),
                false => Arc::clone(column),
            });
        }
        *batch = RecordBatch::try_new(batch.schema(), columns)?;
    }
    Ok(())
}

fn shared(data: ArrayData, reference: &ArrayData) -> Result<ArrayData, ArrowError> {
    let children = data.child_data().iter().zip(reference.child_data());
    let dictionary = matches!(data.data_type(), DataType::Dictionary(..));
    let children: Vec<ArrayData> = children
        .map(|(child, other)| match dictionary && child == other {
            true => Ok(other.clone()),
            false => shared(child.clone(), other),
        })
        .collect::<Result<_, _>>()?;
    if children.is_empty() {
        return Ok(data);
    }
    data.into_builder().child_data(children).build()
}

fn has_symbols(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::List(item) | DataType::Map(item, _) => has_symbols(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_symbols(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_symbols(field.data_type())),
        _ => false,
    }
}
