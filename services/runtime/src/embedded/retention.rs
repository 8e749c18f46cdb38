//! What is deleted from the log: up to an offset, by age, or by size.
//!
//! As on Kafka limits are a topic's, sizes are counted per partition, and a topic that is compacted has none. Other than on
//! Kafka whoever asks for deletion says what is still needed, and nothing of that is deleted, however old or large.

use std::sync::Arc;

use super::Embedded;
use super::compaction::{Superseded, compact};
use super::frame::StartEntry;
use super::index::SegmentIndex;
use super::rebase;
use super::state::{Chapter, Partition, Run, Slot};
use super::writer::{Append, Shared};
use crate::log::{Error, Log, Needed, Result, Retained, TopicPartition, TopicSpec};

/// Deletes the records of a partition before an offset, for good.
pub(super) fn delete(shared: &Shared, tp: &TopicPartition, before: i64) -> Result<()> {
    let slot = {
        let state = shared.state();
        let slot = state.slot(tp)?;
        let Partition { start, visible, .. } = *state.partition(slot);
        if before > visible {
            return Err(Error::OutOfRange { tp: tp.clone(), offset: before, start, end: visible });
        }
        if before <= start {
            return Ok(());
        }
        slot
    };
    begin(shared, vec![entry(slot, before)])
}

fn entry((topic, partition): Slot, before: i64) -> StartEntry {
    StartEntry { topic, partition, start: before, next: before }
}

/// Lets partitions begin later, all in one step.
fn begin(shared: &Shared, starts: Vec<StartEntry>) -> Result<()> {
    if starts.is_empty() {
        return Ok(());
    }
    let lsn = shared.append(Append { starts, ..Append::default() }, |_| Ok(()))?;
    shared.wait_synced(lsn)?;
    rebase::reclaim(shared, &Superseded::new()).map(|_| ())
}

/// Deletes what is beyond the limits of these topics and not needed, and what is superseded in those that are compacted;
/// says what became of each partition with too much.
pub(super) fn retain(log: &Embedded, specs: &[TopicSpec], needed: Needed<'_>) -> Result<Vec<Retained>> {
    let now_ms = (log.inner.shared.clock)();
    let (mut found, mut starts) = (Vec::new(), Vec::new());
    for spec in specs.iter().filter(|spec| spec.is_limited()) {
        for partition in 0..log.partitions(&spec.name)?.unwrap_or(0) {
            let tp = TopicPartition::new(spec.name.as_str(), partition);
            let (start, wanted) = excess(log, spec, &tp, now_ms)?;
            if wanted <= start {
                continue;
            }
            let begins = needed(&tp)?.map_or(wanted, |needed| needed.clamp(start, wanted));
            let slot = log.inner.shared.state().slot(&tp)?;
            let bytes = bytes_between(&log.inner.shared, slot, start, begins)?;
            starts.extend((begins > start).then(|| entry(slot, begins)));
            found.push(Retained { tp, start, begins, wanted, bytes });
        }
    }
    begin(&log.inner.shared, starts)?;
    compact(log, specs, needed)?;
    Ok(found)
}

/// Where a partition begins, and where it would by the limits of its topic.
fn excess(log: &Embedded, spec: &TopicSpec, tp: &TopicPartition, now_ms: i64) -> Result<(i64, i64)> {
    let (start, end) = log.watermarks(tp)?;
    let too_old = match spec.retention_ms {
        Some(age_ms) => log.offset_at(tp, now_ms.saturating_sub(age_ms))?.unwrap_or(end),
        None => start,
    };
    let too_many = match spec.retention_bytes {
        Some(bytes_max) => {
            let state = log.inner.shared.state();
            beyond(state.partition(state.slot(tp)?), bytes_max)
        }
        None => start,
    };
    Ok((start, too_old.max(too_many).min(end)))
}

/// Bytes of the runs that begin within these offsets.
fn bytes_between(shared: &Shared, slot: Slot, from: i64, to: i64) -> Result<u64> {
    let is_within = |run: &&Run| (from..to).contains(&run.base);
    let of = |runs: &[Run]| runs.iter().filter(is_within).map(|run| u64::from(run.len)).sum::<u64>();
    let (mut bytes, mut old) = (0, Vec::new());
    {
        let state = shared.state();
        let within = |chapter: &&Chapter| chapter.end > from && chapter.base < to;
        for chapter in state.partition(slot).chapters.iter().filter(within) {
            match &chapter.runs {
                _ if chapter.base >= from && chapter.end <= to => bytes += chapter.bytes,
                Some(runs) => bytes += of(runs),
                None => old.push((chapter.segment, state.segment(chapter.segment).clone())),
            }
        }
    }
    for (number, segment) in old {
        let index: Arc<SegmentIndex> = shared.old.get(number, &segment)?;
        bytes += index.get(&slot).map_or(0, |runs| of(runs));
    }
    Ok(bytes)
}

/// Where a partition begins that has no more than these bytes, to within a segment, and no fewer if it has them.
fn beyond(partition: &Partition, bytes_max: u64) -> i64 {
    let mut bytes: u64 = partition.chapters.iter().map(|chapter| chapter.bytes).sum();
    let mut begins = partition.start;
    for chapter in &partition.chapters {
        if bytes - chapter.bytes < bytes_max {
            break;
        }
        bytes -= chapter.bytes;
        begins = chapter.end;
    }
    begins
}
