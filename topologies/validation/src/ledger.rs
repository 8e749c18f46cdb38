//! What the ledger compares across an edge of the graph: per bucket of source offsets, how many records were accepted
//! and an order-free digest of where they came from.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Source offsets of one bucket.
pub const BUCKET_OFFSETS: i64 = 65_536;

/// Buckets whose digests travel in the metadata: the open one and the one closed last.
const BUCKETS_KEPT: usize = 2;

/// The bucket of a source offset.
pub fn bucket(offset: i64) -> i64 {
    offset.div_euclid(BUCKET_OFFSETS)
}

/// Hashes origins of one source partition to 128 bits.
#[derive(Debug, Clone, Copy)]
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
    pub fn of(&self, offset: i64) -> u128 {
        xxh3_128_with_seed(&offset.to_le_bytes(), self.seed)
    }
}

/// Sums of a partition's buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    sums: Vec<(i64, u64, u128)>,
}

impl Buckets {
    /// Counts an accepted record. Offsets rise.
    pub fn add(&mut self, offset: i64, hash: u128) {
        let bucket = bucket(offset);
        match self.sums.last_mut() {
            Some((last, count, sum)) if *last == bucket => {
                *count += 1;
                *sum = sum.wrapping_add(hash);
            }
            _ => {
                self.sums.push((bucket, 1, hash));
                if self.sums.len() > BUCKETS_KEPT {
                    self.sums.remove(0);
                }
            }
        }
    }

    /// As the metadata carries them: bucket, count, sum in hex.
    pub fn save(&self) -> Vec<(i64, u64, String)> {
        self.sums.iter().map(|(bucket, count, sum)| (*bucket, *count, format!("{sum:032x}"))).collect()
    }

    /// Reads saved sums; `None` when one is not hex.
    pub fn restore(saved: &[(i64, u64, String)]) -> Option<Self> {
        let read =
            |(bucket, count, sum): &(i64, u64, String)| Some((*bucket, *count, u128::from_str_radix(sum, 16).ok()?));
        Some(Buckets { sums: saved.iter().map(read).collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sums_do_not_depend_on_order_but_on_origin() {
        let hash = OriginHash::new("t", 1);
        let sum = |offsets: &[i64]| {
            let mut buckets = Buckets::default();
            offsets.iter().for_each(|offset| buckets.add(*offset, hash.of(*offset)));
            buckets.save()
        };
        assert_eq!(sum(&[1, 2, 3]), sum(&[3, 1, 2]));
        assert_ne!(sum(&[1, 2, 3]), sum(&[1, 2, 4]));
        assert_ne!(hash.of(1), OriginHash::new("t", 2).of(1));
    }

    #[test]
    fn open_and_last_closed_bucket_are_kept_and_restored() {
        let mut buckets = Buckets::default();
        for offset in [0, 65_535, 65_536, 200_000] {
            buckets.add(offset, 1);
        }
        assert_eq!(buckets.save(), [(1, 1, format!("{:032x}", 1)), (3, 1, format!("{:032x}", 1))]);
        assert_eq!(Buckets::restore(&buckets.save()).unwrap(), buckets);
        assert_eq!(Buckets::restore(&[(0, 1, "x".into())]), None);
    }
}
