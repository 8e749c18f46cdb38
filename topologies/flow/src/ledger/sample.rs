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

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;
    use std::collections::{BTreeMap, VecDeque};

    const BUCKETS: u64 = 3;

    /// What a process writes at once, of a task that has come to a position: the rows of some buckets, then how far it is.
    fn told(process: &str, position: i64, buckets: impl Iterator<Item = u64>) -> Vec<(String, Entry)> {
        let row = |bucket: u64| Row {
            side: Side::Read,
            from: "a".into(),
            to: "b".into(),
            source: "s".into(),
            source_partition: 0,
            bucket: bucket as i64,
            counts: Counts { emitted: position.unsigned_abs() * (bucket + 1), ..Counts::default() },
            closed: false,
        };
        let writer = Writer::new(1).process(process.to_owned());
        let keyed = |row: Option<Row>| {
            let entry = Entry { task: "t".into(), log: "b".into(), partition: 0, position, row };
            (writer.encode(&entry).0, entry)
        };
        buckets.map(row).map(Some).chain([None]).map(keyed).collect()
    }

    /// As Kafka does it: of the records of one key that were looked at only the last one stays.
    fn compacted(all: &[(String, Entry)], looked_at: usize) -> Vec<(String, Entry)> {
        let last: BTreeMap<&str, usize> =
            all[..looked_at].iter().enumerate().map(|(at, (key, _))| (&**key, at)).collect();
        let stays = |(at, (key, _)): &(usize, &(String, Entry))| *at >= looked_at || last[&**key] == *at;
        all.iter().enumerate().filter(stays).map(|(_, one)| one.clone()).collect()
    }

    #[test]
    fn compaction_changes_nothing_that_is_said_whoever_wakes_up_late() {
        for seed in 0..300_u64 {
            let mut drawn = seed;
            let mut below = |limit: u64| {
                drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (drawn >> 33) % limit
            };
            let (mut all, mut late) = (Vec::new(), VecDeque::new());
            for (process, first) in [("p", 0), ("q", 4), ("r", 8)] {
                // From some position on what the process writes comes late, when its heir has long gone on.
                let falls_asleep = if process == "r" { 20 } else { first + below(5) as i64 };
                for position in first..first + 6 {
                    let changed = below(BUCKETS) + 1;
                    let rows = told(process, position, (0..BUCKETS).filter(|bucket| *bucket < changed));
                    if position >= falls_asleep {
                        late.extend(rows)
                    } else {
                        all.extend(rows)
                    }
                    if process != "p" {
                        all.extend(late.drain(..below(5).min(late.len() as u64) as usize));
                    }
                }
            }
            all.extend(late);
            all.extend(told("r", 20, 0..0));
            let sample = |entries: &[(String, Entry)]| {
                let mut sample = Sample::default();
                entries.iter().for_each(|(_, entry)| sample.take(entry.clone()));
                (sample.summed(), sample.position("t", "b", 0))
            };
            let looked_at = below(all.len() as u64 + 1) as usize;
            let fewer = compacted(&all, looked_at);
            assert_eq!(sample(&fewer), sample(&all), "seed {seed}, {} of {} are left", fewer.len(), all.len());
        }
    }
}
