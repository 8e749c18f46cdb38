//! Keys: their canonical text, the hash that places them, and the partition on internal logs and public topics.
//!
//! Internal logs hash the canonical text with XXH3-64 into 256 fixed groups and groups into partitions. Public topics
//! use the text's bytes as Kafka key and are partitioned as Java clients do.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Number of key groups of every internal log. State and snapshots are per group.
pub const KEY_GROUPS: u32 = 256;
/// Longest canonical text of a key; longer ones are rejected as `KEY_INVALID`.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Appends the canonical text of the key at `row`: integers in decimal, strings as they are, booleans as `true` or
/// `false`, enum symbols by name.
///
/// `None`, with `text` as it was, when the value is null or of a type that cannot be a key; [`is_key_type`] tells the
/// two apart.
pub fn key_text(array: &dyn Array, row: usize, text: &mut String) -> Option<()> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => text.push_str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text.push_str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => text.push_str(array.as_string_view().value(row)),
        DataType::Boolean => text.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => decimal(text, array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => decimal(text, array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => decimal(text, array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => decimal(text, array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => decimal(text, array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => decimal(text, array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => decimal(text, array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => decimal(text, array.as_primitive::<UInt64Type>().value(row)),
        DataType::Dictionary(key, _) if **key == DataType::Int32 => {
            let dictionary = array.as_dictionary::<Int32Type>();
            return key_text(dictionary.values(), dictionary.key(row)?, text);
        }
        _ => return None,
    }
    Some(())
}

/// True for the types whose values have a canonical text.
pub fn is_key_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => true,
        DataType::Dictionary(key, value) => **key == DataType::Int32 && is_key_type(value),
        other => other.is_integer(),
    }
}

/// Appends the canonical text of the category at `row`: that of a key, and for a floating-point number its shortest
/// decimal, so that 3 is one category whether a column holds whole numbers or doubles, and 0 and -0 are one.
///
/// `None`, with `text` as it was, for a null, a number that is not finite, and a type that cannot be a category;
/// [`is_category_type`] tells the latter apart.
pub fn category_text(array: &dyn Array, row: usize, text: &mut String) -> Option<()> {
    let number = match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        _ => return key_text(array, row, text),
    };
    if array.is_null(row) || !number.is_finite() {
        return None;
    }
    decimal(text, number + 0.0);
    Some(())
}

/// True for the types whose values may be categories.
pub fn is_category_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64) || is_key_type(data_type)
}

fn decimal(text: &mut String, number: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{number}");
}

/// XXH3-64 of the canonical text. Placement on internal logs, routes and samples derive from it.
pub fn key_hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The key group of a hash: its highest eight bits.
pub fn key_group(hash: u64) -> u32 {
    (hash >> 56) as u32
}

/// The partition that holds a group on an internal log of `partitions` partitions. Groups stay in order, so a
/// partition holds a contiguous range of them.
pub fn internal_partition(group: u32, partitions: u32) -> u32 {
    assert!(group < KEY_GROUPS, "key group {group} is not below {KEY_GROUPS}");
    assert!((1..=KEY_GROUPS).contains(&partitions), "{partitions} partitions: allowed are 1 to {KEY_GROUPS}");
    group * partitions / KEY_GROUPS
}

/// The partition of a canonical text on an internal log.
pub fn log_partition(text: &str, partitions: u32) -> u32 {
    internal_partition(key_group(key_hash(text)), partitions)
}

/// Bits of [`grouped_id`] below the group.
const ID_BITS: u32 = u128::BITS - KEY_GROUPS.ilog2();

/// A hash of an id that is kept for a key group, which is in the highest eight bits: what is known by ids can then be
/// handed over group by group.
pub fn grouped_id(id: &str, group: u32) -> u128 {
    xxh3_128(id.as_bytes()) & (u128::MAX >> (u128::BITS - ID_BITS)) | u128::from(group) << ID_BITS
}

/// The key group in a [`grouped_id`].
pub fn group_of_id(grouped: u128) -> u32 {
    (grouped >> ID_BITS) as u32
}

/// The partition of a key on a public topic of `partitions` partitions, as Kafka's Java client places it.
pub fn public_partition(key: &[u8], partitions: u32) -> u32 {
    assert!(partitions > 0, "a topic has at least one partition");
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// The 32-bit MurmurHash2 with Kafka's seed.
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MULTIPLIER: u32 = 0x5bd1_e995;
    const SHIFT: u32 = 24;
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        k ^= k >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests;
