//! Which partition a key belongs to, as Java clients decide it.
//!
//! A public topic's records must lie where a Java producer would have put them, so that its consumers may join by key.

/// Kafka's seed for its 32-bit MurmurHash2.
const SEED: u32 = 0x9747_b28c;
/// The multiplier of MurmurHash2.
const MULTIPLIER: u32 = 0x5bd1_e995;

/// The partition of a key among `partitions`: `toPositive(murmur2(key)) % partitions`.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    debug_assert!(partitions > 0, "a topic has partitions");
    (murmur2(key) & 0x7fff_ffff).cast_signed() % partitions
}

/// A partition for a record without a key: any will do, `draw` picks it.
pub fn partition_of_null(draw: u64, partitions: i32) -> i32 {
    debug_assert!(partitions > 0, "a topic has partitions");
    let spread = (draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32;
    (spread & 0x7fff_ffff).cast_signed() % partitions
}

fn mix(word: u32) -> u32 {
    let word = word.wrapping_mul(MULTIPLIER);
    (word ^ (word >> 24)).wrapping_mul(MULTIPLIER)
}

pub(super) fn murmur2(data: &[u8]) -> u32 {
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(MULTIPLIER) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}
