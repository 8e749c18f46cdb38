//! What the ledger says at one moment.

use super::Counts;
use super::row::{Entry, Row, Side};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A source partition and a bucket of it.
pub(super) type Bucket = (Arc<str>, u16, i64);
/// A task: its group, and the log and partition that it reads.
type Part = (Arc<str>, Arc<str>, u16);
type RowKey = (Part, Side, Arc<str>, Arc<str>, Bucket);

/// What the ledger says at one moment, and where logs ended after it was read.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    rows: BTreeMap<RowKey, (i64, Row)>,
    /// Rows whose task has not said yet that they are all there.
    loose: BTreeMap<Part, Vec<(i64, Row)>>,
    positions: BTreeMap<Part, i64>,
    /// Ends of source topics and logs, by topic and partition.
    pub ends: BTreeMap<(String, u16), i64>,
}

impl Sample {
    /// Takes an entry in, in the order of the topic. What a task wrote at once counts at once.
    pub fn take(&mut self, entry: Entry) {
        let Entry { task, log, partition, position, row } = entry;
        let part = (task, log, partition);
        if let Some(row) = row {
            self.loose.entry(part).or_default().push((position, row));
            return;
        }
        for (position, row) in self.loose.remove(&part).unwrap_or_default() {
            let bucket = (row.source.clone(), row.source_partition, row.bucket);
            let key = (part.clone(), row.side, row.from.clone(), row.to.clone(), bucket);
            if self.rows.get(&key).is_none_or(|(known, _)| *known <= position) {
                self.rows.insert(key, (position, row));
            }
        }
        let known = self.positions.entry(part).or_insert(position);
        *known = position.max(*known);
    }

    /// The rows that count.
    pub fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Row)> {
        self.rows.iter().map(|(((task, ..), ..), (_, row))| (task, row))
    }

    /// Sums over the partitions of each task.
    pub(super) fn summed(&self) -> Summed {
        let mut sums = Summed::new();
        for (((task, ..), side, from, to, bucket), (_, row)) in &self.rows {
            let key = (task.clone(), *side, from.clone(), to.clone(), bucket.clone());
            sums.entry(key).or_default().add(&row.counts);
        }
        sums
    }

    /// Whether all tasks of a group have passed the ends of the log that they read.
    pub(super) fn passed(&self, group: &str, log: &str, ends: &BTreeMap<(String, u16), i64>) -> bool {
        let mut of_log = ends.iter().filter(|((topic, _), _)| topic == log);
        of_log.all(|((_, partition), end)| self.position(group, log, *partition) >= *end)
    }

    /// How far a task is; 0 when it has not said anything.
    pub fn position(&self, group: &str, log: &str, partition: u16) -> i64 {
        self.positions.get(&(group.into(), log.into(), partition)).copied().unwrap_or(0)
    }

    /// Where a source partition ended.
    pub(super) fn end(&self, topic: &str, partition: u16) -> i64 {
        self.ends.get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }
}

/// Counts by task, side, ends and bucket.
pub(super) type Summed = BTreeMap<(Arc<str>, Side, Arc<str>, Arc<str>, Bucket), Counts>;
