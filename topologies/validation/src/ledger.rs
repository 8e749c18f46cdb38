//! The rows that a validator writes into the ledger.

use std::sync::Arc;

use flow::ledger::{Counts, OUTSIDE, Row, Side, Sums};

use crate::source::Source;

/// A bucket's rows, for all buckets that changed: what was read of the source, and what was written to each of `targets`
/// and to the topics of late and dead records. `changed` says of each bucket whether it is closed.
pub fn rows(
    source: &Source,
    source_partition: u16,
    targets: &[&Arc<str>],
    changed: impl IntoIterator<Item = (Sums, bool)>,
) -> Vec<Row> {
    let outside: Arc<str> = OUTSIDE.into();
    let mut rows = Vec::new();
    for (sums, closed) in changed {
        let mut row = |side: Side, from: &Arc<str>, to: &Arc<str>, counts: Counts| {
            if counts.total() > 0 {
                let (from, to, source) = (from.clone(), to.clone(), source.topic.clone());
                rows.push(Row { side, from, to, source, source_partition, bucket: sums.bucket, counts, closed });
            }
        };
        let [accepted, late, dead] = std::array::from_fn(|fate| Counts {
            emitted: sums.counts[fate],
            digest: sums.digests[fate],
            ..Counts::default()
        });
        let mut read = accepted;
        (read.late, read.dead) = (late.emitted, dead.emitted);
        read.digest = sums.digests.iter().fold(0, |all, one| all.wrapping_add(*one));
        row(Side::Read, &outside, &source.topic, read);
        targets.iter().for_each(|target| row(Side::Written, &source.topic, target, accepted));
        row(Side::Written, &source.topic, &source.late, late);
        row(Side::Written, &source.topic, &source.dead, dead);
    }
    rows
}
