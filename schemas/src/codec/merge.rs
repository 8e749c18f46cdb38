//! Puts the rows of several batches of one schema into one, in input order.

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::reshape::{from_keys, to_keys};

/// One accepted record's place: (index in the input, batch, row in the batch).
pub(super) type Place = (usize, usize, usize);

/// The rows of `batches`, all of this schema, in the order of their input index.
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
    places.sort_unstable();
    let rows: Vec<(usize, usize)> = places.into_iter().map(|(_, batch, row)| (batch, row)).collect();
    let columns = (0..schema.fields().len()).map(|index| {
        let parts: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(index)).collect();
        interleave_exactly(&parts, &rows)
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}

/// Interleaves, but lets enums keep their symbols: Arrow would join equal dictionaries end to end, and an enum's keys
/// would no longer be its symbols' positions.
fn interleave_exactly(parts: &[&ArrayRef], rows: &[(usize, usize)]) -> Result<ArrayRef, ArrowError> {
    let mut all = parts.iter().map(|part| to_keys(part)).collect::<Result<Vec<_>, _>>()?;
    let arrays: Vec<&dyn Array> = all.iter().map(|(keys, _)| keys.as_ref()).collect();
    let joined = interleave(&arrays, rows)?;
    // Resolution gave every part the reader's symbols.
    from_keys(&joined, parts[0].data_type(), all.swap_remove(0).1)
}
