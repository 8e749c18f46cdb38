//! The ledger: how many records and items crossed each edge of the graph, counted at both ends.
//!
//! An edge leads from what a task reads to what it writes. Its writer and each of its readers count every item once, by
//! the partition and the bucket of offsets that the item's source record lies in, and add up a hash of where it came
//! from. The sums do not depend on order, nor on which partitions the items took on their way, so that both ends of an
//! edge must agree bucket by bucket; where they do not, the difference of the sums often names the record.

mod buckets;
mod edges;
mod graph;
mod judge;
mod recount;
mod row;
mod sample;

pub use buckets::{Buckets, Fate, SavedSums, Sums};
pub use edges::{Edges, PART, Saved};
pub(crate) use edges::{Handed, Waits};
pub use graph::{Edge, Whole, edges};
pub use judge::{Judge, Standing, State};
pub use recount::{Item, Oddity, Recount, named};
pub use row::{Entry, OUTSIDE, Row, Side, Writer, decode};
pub use sample::Sample;

use crate::names::Place;
use crate::wire::Origin;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Source offsets of one bucket.
pub const BUCKET_OFFSETS: i64 = 65_536;

/// The bucket of a source offset.
#[inline]
pub fn bucket(offset: i64) -> i64 {
    offset.div_euclid(BUCKET_OFFSETS)
}

/// Hashes origins of one source partition to 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginHash {
    seed: u64,
}

impl OriginHash {
    /// The hash of origins in this partition: XXH3-128 of the offset's little-endian bytes, seeded with the XXH3-64 of
    /// `topic/partition`.
    pub fn new(topic: &str, partition: u16) -> Self {
        OriginHash { seed: xxh3_64(format!("{topic}/{partition}").as_bytes()) }
    }

    /// The hash of one origin.
    #[inline]
    pub fn of(&self, offset: i64) -> u128 {
        xxh3_128_with_seed(&offset.to_le_bytes(), self.seed)
    }
}

/// Where an item is counted at the reading end: its parent's topic by number, and the source bucket it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Topic whose task wrote the item.
    pub parent: u16,
    /// Partition of the source topic.
    pub source: Place,
    /// Bucket of source offsets.
    pub bucket: u32,
}

impl Spot {
    /// The spot of an item with this parent and origin.
    #[inline]
    pub fn of(parent: u16, origin: Origin) -> Self {
        Spot { parent, source: origin.place, bucket: bucket(origin.offset) as u32 }
    }
}

/// How an item ended that a task took from its log. An item without an end waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It became items or records further on.
    Emitted,
    /// It ended here: left out by a rule, or applied to state without an item of its own.
    Filtered,
    /// Its id had been taken before.
    Duplicate,
    /// It was refused, and is told of in a topic.
    Dead,
}

/// Counts of one side of an edge, for one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Written, or emitted further on by the reader.
    pub emitted: u64,
    /// Ended without an item.
    pub filtered: u64,
    /// Copies.
    pub duplicate: u64,
    /// Late.
    pub late: u64,
    /// Dead-lettered, or told of in a topic of refusals.
    pub dead: u64,
    /// Without an end yet.
    pub waiting: u64,
    /// Sum of the origins' hashes.
    pub digest: u128,
}

impl Counts {
    /// All of them, however they ended.
    pub fn total(&self) -> u64 {
        self.emitted + self.filtered + self.duplicate + self.late + self.dead + self.waiting
    }

    /// Adds another task's.
    pub fn add(&mut self, other: &Counts) {
        self.emitted += other.emitted;
        self.filtered += other.filtered;
        self.duplicate += other.duplicate;
        self.late += other.late;
        self.dead += other.dead;
        self.waiting += other.waiting;
        self.digest = self.digest.wrapping_add(other.digest);
    }

    /// Whether both count the same records.
    pub fn agrees(&self, other: &Counts) -> bool {
        self.total() == other.total() && self.digest == other.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_topic_partition_and_offset() {
        let hash = OriginHash::new("t", 1);
        assert_ne!(hash.of(1), hash.of(2));
        assert_ne!(hash.of(1), OriginHash::new("t", 2).of(1));
        assert_ne!(hash.of(1), OriginHash::new("u", 1).of(1));
    }

    #[test]
    fn buckets_have_as_many_offsets_as_said() {
        assert_eq!([0, 65_535, 65_536, 200_000].map(bucket), [0, 0, 1, 3]);
    }
}
