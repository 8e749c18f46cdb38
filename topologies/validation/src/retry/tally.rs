//! What is counted of retries, by the bucket of their source records. Old and new buckets come in any order, so all stay.

use std::collections::{BTreeMap, BTreeSet};

use flow::ledger::{SavedSums, Sums};

/// What became of a record in a topic of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Written to the logs.
    Accepted,
    /// The same attempt came before.
    Repeated,
    /// Written to the dead letters once more.
    Dead,
}

/// Sums by bucket, each by end in their order.
#[derive(Debug, Default)]
pub struct Tally {
    sums: BTreeMap<i64, Sums>,
    changed: BTreeSet<i64>,
}

impl Tally {
    /// Counts a record.
    pub fn add(&mut self, bucket: i64, end: End, hash: u128) {
        let empty = Sums { bucket, counts: [0; 3], digests: [0; 3] };
        let sums = self.sums.entry(bucket).or_insert(empty);
        let at = end as usize;
        sums.counts[at] += 1;
        sums.digests[at] = sums.digests[at].wrapping_add(hash);
        self.changed.insert(bucket);
    }

    /// The buckets that changed since the last call.
    pub fn changed(&mut self) -> Vec<Sums> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|bucket| self.sums.get(bucket).copied()).collect()
    }

    /// As the metadata carries them.
    pub fn save(&self) -> Vec<SavedSums> {
        self.sums.values().map(Sums::save).collect()
    }

    /// Reads saved sums; `None` when one is not hex. Nobody knows whether the ledger has them, so they count as changed.
    pub fn restore(saved: &[SavedSums]) -> Option<Self> {
        let sums = saved.iter().map(|saved| Sums::restore(saved).map(|sums| (sums.bucket, sums)));
        let sums: BTreeMap<i64, Sums> = sums.collect::<Option<_>>()?;
        Some(Tally { changed: sums.keys().copied().collect(), sums })
    }
}
