//! What a validator counts. Its source offsets only rise, and all its state travels in the metadata of its commits: there
//! the open bucket stands and those closed last.

use serde::{Deserialize, Serialize};

/// Buckets whose sums travel in the metadata: the open one, and as many closed ones as may pass before the ledger has
/// them.
const BUCKETS_KEPT: usize = 4;

/// What became of a source record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Written to the logs.
    Accepted,
    /// Written to the late topic.
    Late,
    /// Written to the dead letters.
    Dead,
}

/// Sums of one bucket, by fate in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// The bucket.
    pub bucket: i64,
    /// Records.
    pub counts: [u64; 3],
    /// Sums of the hashes of their offsets.
    pub digests: [u128; 3],
}

/// A bucket in the metadata: number, counts, sums in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSums(i64, [u64; 3], [String; 3]);

impl Sums {
    /// As the metadata carries them.
    pub fn save(&self) -> SavedSums {
        SavedSums(self.bucket, self.counts, self.digests.map(|sum| format!("{sum:x}")))
    }

    /// Reads saved sums; `None` when one is not hex.
    pub fn restore(SavedSums(bucket, counts, sums): &SavedSums) -> Option<Self> {
        let mut digests = [0; 3];
        for (digest, sum) in digests.iter_mut().zip(sums) {
            *digest = u128::from_str_radix(sum, 16).ok()?;
        }
        Some(Sums { bucket: *bucket, counts: *counts, digests })
    }
}

/// Sums of a partition's buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    sums: Vec<Sums>,
    /// How many of the newest buckets changed since they were asked for.
    changed: usize,
}

impl Buckets {
    /// Sums that were found again. Nobody knows whether the ledger has them, so they count as changed.
    pub fn of(sums: Vec<Sums>) -> Self {
        Buckets { changed: sums.len(), sums }
    }

    /// Counts a record. Buckets rise.
    pub fn add(&mut self, bucket: i64, fate: Fate, hash: u128) {
        if self.sums.last().is_none_or(|last| last.bucket != bucket) {
            self.sums.push(Sums { bucket, counts: [0; 3], digests: [0; 3] });
            // What closes changes its row too.
            self.changed += if self.sums.len() > 1 && self.changed == 0 { 2 } else { 1 };
        }
        self.changed = self.changed.max(1);
        let Some(sums) = self.sums.last_mut() else { return };
        let at = fate as usize;
        sums.counts[at] += 1;
        sums.digests[at] = sums.digests[at].wrapping_add(hash);
    }

    /// The buckets that changed since the last call, each with whether it is closed.
    pub fn changed(&mut self) -> Vec<(Sums, bool)> {
        let first = self.sums.len() - self.changed.min(self.sums.len());
        let last = self.sums.len();
        let changed = self.sums.iter().enumerate().skip(first).map(|(at, sums)| (*sums, at + 1 < last)).collect();
        self.changed = 0;
        self.sums.drain(..last.saturating_sub(BUCKETS_KEPT));
        changed
    }

    /// As the metadata carries them.
    pub fn save(&self) -> Vec<SavedSums> {
        let kept = self.sums.iter().skip(self.sums.len().saturating_sub(BUCKETS_KEPT));
        kept.map(Sums::save).collect()
    }

    /// Reads saved sums; `None` when one is not hex. Nobody knows whether the ledger has them, so they count as changed.
    pub fn restore(saved: &[SavedSums]) -> Option<Self> {
        let sums: Vec<Sums> = saved.iter().map(Sums::restore).collect::<Option<_>>()?;
        Some(Buckets::of(sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(buckets: &[i64]) -> Buckets {
        let mut counted = Buckets::default();
        buckets.iter().for_each(|bucket| counted.add(*bucket, Fate::Accepted, 1));
        counted
    }

    #[test]
    fn the_last_buckets_are_kept_and_restored() {
        let buckets = counted(&[0, 0, 1, 2, 5, 7]);
        let saved = buckets.save();
        assert_eq!(saved.iter().map(|sums| sums.0).collect::<Vec<_>>(), [1, 2, 5, 7]);
        let again = Buckets::restore(&saved).unwrap();
        assert_eq!(again.save(), saved);
        let broken = SavedSums(0, [0; 3], ["0".to_owned(), "x".to_owned(), "0".to_owned()]);
        assert_eq!(Buckets::restore(&[broken]), None);
    }

    #[test]
    fn what_changed_is_told_once_and_a_bucket_again_when_it_closes() {
        let mut buckets = counted(&[0, 0, 1]);
        let told = |buckets: &mut Buckets| {
            let row = |(sums, closed): (Sums, bool)| (sums.bucket, sums.counts[0], closed);
            buckets.changed().into_iter().map(row).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut buckets), [(0, 2, true), (1, 1, false)]);
        assert_eq!(told(&mut buckets), []);
        buckets.add(1, Fate::Late, 9);
        assert_eq!(told(&mut buckets), [(1, 1, false)]);
        (2..9).for_each(|bucket| buckets.add(bucket, Fate::Dead, 9));
        let rows = told(&mut buckets);
        assert_eq!((rows.len(), rows[0], rows[7]), (8, (1, 1, true), (8, 0, false)));
        assert_eq!(buckets.save().len(), BUCKETS_KEPT);
    }
}
