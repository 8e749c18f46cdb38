//! Which partition a key belongs to, as Java clients decide it.
//!
//! A public topic's records must lie where a Java producer would have put them, so that its consumers may join by key.

use schemas::key::public_partition;

/// The partition of a key among `partitions`: `toPositive(murmur2(key)) % partitions`.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    debug_assert!(partitions > 0, "a topic has partitions");
    public_partition(key, partitions.cast_unsigned()).cast_signed()
}

/// A partition for a record without a key: any will do, `draw` picks it.
pub fn partition_of_null(draw: u64, partitions: i32) -> i32 {
    debug_assert!(partitions > 0, "a topic has partitions");
    let spread = (draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32;
    (spread & 0x7fff_ffff).cast_signed() % partitions
}
