//! Columns as the validator reads them: texts of ids and keys, times in microseconds, numbers as doubles.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use schemas::key::key_text;

/// Canonical texts of a key column, nulls kept. A text column is its own; nothing is copied then.
pub fn texts(array: &ArrayRef) -> StringArray {
    if array.data_type() == &DataType::Utf8 {
        return array.as_string::<i32>().clone();
    }
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut text = String::new();
    for row in 0..array.len() {
        text.clear();
        match key_text(array, row, &mut text) {
            Some(()) => builder.append_value(&text),
            None => builder.append_null(),
        }
    }
    builder.finish()
}

/// Microseconds of a timestamp column; `None` where a value is null or does not fit.
pub fn times_us(array: &dyn Array) -> Vec<Option<i64>> {
    fn scaled(array: &dyn Array, values: &[i64], scale: impl Fn(i64) -> Option<i64>) -> Vec<Option<i64>> {
        match array.nulls() {
            None => values.iter().map(|value| scale(*value)).collect(),
            Some(nulls) => {
                values.iter().enumerate().map(|(row, value)| nulls.is_valid(row).then(|| scale(*value))?).collect()
            }
        }
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            scaled(array, array.as_primitive::<TimestampSecondType>().values(), |s| s.checked_mul(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            scaled(array, array.as_primitive::<TimestampMillisecondType>().values(), |ms| ms.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            scaled(array, array.as_primitive::<TimestampMicrosecondType>().values(), Some)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            scaled(array, array.as_primitive::<TimestampNanosecondType>().values(), |ns| Some(ns.div_euclid(1_000)))
        }
        other => unreachable!("a time column was checked to be a timestamp and is {other}"),
    }
}

/// A numeric column as doubles, with the null value standing for anything; `None` for other types.
pub fn doubles(array: &dyn Array) -> Option<Cow<'_, [f64]>> {
    Some(match array.data_type() {
        DataType::Float64 => Cow::Borrowed(array.as_primitive::<Float64Type>().values()),
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect(),
        DataType::Int32 => array.as_primitive::<Int32Type>().values().iter().map(|v| f64::from(*v)).collect(),
        DataType::Int64 => array.as_primitive::<Int64Type>().values().iter().map(|v| *v as f64).collect(),
        DataType::Boolean => array.as_boolean().values().iter().map(|v| f64::from(u8::from(v))).collect(),
        _ => return None,
    })
}
