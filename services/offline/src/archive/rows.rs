//! The columns that say where a row stood in its log, and their order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, TimeUnit};
use arrow::error::ArrowError;

/// Column: offset of the Kafka record.
pub const OFFSET: &str = "_offset";
/// Column: item within the record, from 0; null where records carry one event each.
pub const ITEM: &str = "_item";
/// Column: when the log took the record.
pub const APPEND_TIME: &str = "_append_time";

/// Puts the position columns before the columns of the records.
pub fn positioned(
    rows: &RecordBatch,
    offsets: Int64Array,
    items: Int32Array,
    append_times_ms: impl IntoIterator<Item = i64>,
) -> Result<RecordBatch, ArrowError> {
    let times = TimestampMillisecondArray::from_iter_values(append_times_ms).with_timezone("UTC");
    let mut fields = position_fields();
    fields.extend(rows.schema().fields().iter().map(|field| field.as_ref().clone()));
    let mut columns: Vec<ArrayRef> = vec![Arc::new(offsets), Arc::new(items), Arc::new(times)];
    columns.extend(rows.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn position_fields() -> Vec<Field> {
    let utc_ms = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    vec![
        Field::new(OFFSET, DataType::Int64, false),
        Field::new(ITEM, DataType::Int32, true),
        Field::new(APPEND_TIME, utc_ms, false),
    ]
}

/// Refuses rows without the position columns in front.
pub(super) fn check_shape(schema: &Schema) -> Result<(), String> {
    for (at, expected) in position_fields().iter().enumerate() {
        match schema.fields().get(at) {
            Some(field) if field.name() == expected.name() && field.data_type() == expected.data_type() => {}
            _ => return Err(format!("column {at} must be `{}` of type {}", expected.name(), expected.data_type())),
        }
    }
    Ok(())
}

/// Position of a row: the item counts as 0 where there is none.
pub(super) type Position = (i64, i32);

/// Refuses rows that do not rise strictly from `after`, and returns the last position.
pub(super) fn check_order(rows: &RecordBatch, mut after: Option<Position>) -> Result<Option<Position>, String> {
    let offsets = rows.column(0).as_primitive::<Int64Type>();
    let items = rows.column(1).as_primitive::<Int32Type>();
    for row in 0..rows.num_rows() {
        let item = if items.is_null(row) { 0 } else { items.value(row) };
        let position = (offsets.value(row), item);
        if after.is_some_and(|after| after >= position) {
            return Err(format!("position {position:?} comes after {:?}", after.unwrap_or_default()));
        }
        after = Some(position);
    }
    Ok(after)
}

/// The rows whose offset lies in a range. Offsets rise, so they are neighbours.
pub(super) fn within(rows: &RecordBatch, column: usize, range: &std::ops::Range<i64>) -> RecordBatch {
    let offsets = rows.column(column).as_primitive::<Int64Type>().values();
    let first = offsets.partition_point(|offset| *offset < range.start);
    let end = offsets.partition_point(|offset| *offset < range.end);
    rows.slice(first, end.saturating_sub(first))
}
