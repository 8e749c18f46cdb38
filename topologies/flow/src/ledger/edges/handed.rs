//! The counts of all tasks of a log, put together and given to those of a new generation of it.
//!
//! Both ends of an edge are compared in sums over all tasks, so it does not matter which task goes on with a count; but
//! what waits must be counted where it ends.

use super::saved::{counts, value};
use super::{Key, PART, Saved};
use crate::ledger::{Counts, Side, Spot};
use crate::snapshot::{Entry, Error};
use std::collections::BTreeMap;

/// How many items wait at each spot.
pub(crate) type Waits = BTreeMap<Spot, u64>;

/// Counts by cell.
#[derive(Debug, Default)]
pub(crate) struct Handed(BTreeMap<Key, Counts>);

impl Handed {
    /// Adds an entry of one of the old tasks.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let foreign = || Error::Entry { part: entry.part, detail: "it is no count of a task's".to_owned() };
        let key = Key::parse(entry.key).ok_or_else(foreign)?;
        let found = entry.value.and_then(counts).ok_or_else(foreign)?;
        self.0.entry(key).or_default().add(&found);
        Ok(())
    }

    /// Gives every count to the first task, but what waits to the tasks where it does, which `each` is told by number.
    /// The cells of each task are returned, as its blob names them.
    pub(crate) fn give(
        mut self,
        waits: &[Waits],
        mut each: impl FnMut(usize, &Entry<'_>),
    ) -> Result<Vec<Vec<Saved>>, Error> {
        let mut given: Vec<BTreeMap<Key, Counts>> = waits.iter().map(|_| BTreeMap::new()).collect();
        for (task, waits) in waits.iter().enumerate() {
            for (Spot { parent, source, bucket }, many) in waits {
                let key = Key { side: Side::Read, topic: *parent, source: *source, bucket: *bucket };
                let left = self.0.get_mut(&key).map(|counts| &mut counts.waiting);
                let left = left.and_then(|left| left.checked_sub(*many).map(|fewer| *left = fewer));
                left.ok_or_else(|| Error::Blob(format!("more items wait than the ledger counts: {key:?}")))?;
                given[task].entry(key).or_default().waiting = *many;
            }
        }
        for (key, counts) in self.0 {
            if counts.waiting > 0 {
                return Err(Error::Blob(format!("fewer items wait than the ledger counts: {key:?}")));
            }
            given[0].entry(key).or_default().add(&counts);
        }
        let mut saved = Vec::with_capacity(given.len());
        for (task, cells) in given.into_iter().enumerate() {
            for (key, counts) in &cells {
                each(task, &Entry { part: PART, key: &key.bytes(), value: Some(&value(counts)) });
            }
            let cell =
                |Key { side, topic, source, bucket }| Saved(side, topic, (source.topic, source.partition), bucket);
            saved.push(cells.into_keys().map(cell).collect());
        }
        Ok(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Place;
    use crate::wire::Origin;

    fn spot(bucket: i64) -> Spot {
        Spot::of(1, Origin { place: Place { topic: 0, partition: 2 }, offset: bucket * crate::ledger::BUCKET_OFFSETS })
    }

    fn handed(rows: &[(i64, Counts)]) -> Handed {
        let mut handed = Handed::default();
        for (bucket, counts) in rows {
            let Spot { parent: topic, source, bucket } = spot(*bucket);
            let key = Key { side: Side::Read, topic, source, bucket };
            handed.add(&Entry { part: PART, key: &key.bytes(), value: Some(&value(counts)) }).unwrap();
        }
        handed
    }

    #[test]
    fn what_waits_is_counted_where_it_waits_and_all_else_once() {
        let counts = |emitted, waiting| Counts { emitted, waiting, digest: 7, ..Counts::default() };
        let rows = [(0, counts(5, 1)), (0, counts(2, 2)), (3, counts(1, 0))];
        let waits = [Waits::new(), Waits::from([(spot(0), 3)])];
        let mut given = Vec::new();
        let saved = handed(&rows).give(&waits, |task, entry| {
            let found = entry.value.and_then(super::counts).unwrap();
            given.push((task, found.emitted, found.waiting, found.digest));
        });
        assert_eq!(given, [(0, 7, 0, 14), (0, 1, 0, 7), (1, 0, 3, 0)]);
        assert_eq!(saved.unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let fewer = [Waits::from([(spot(0), 2)])];
        let more = [Waits::from([(spot(0), 3), (spot(1), 1)])];
        assert!(handed(&rows).give(&fewer, |_, _| {}).is_err() && handed(&rows).give(&more, |_, _| {}).is_err());
    }
}
