//! What is deleted from the log: up to an offset, by age, or by size.
//!
//! As on Kafka limits are a topic's, sizes are counted per partition, and a topic that is compacted has none. Other than on
//! Kafka whoever asks for deletion says what is still needed, and nothing of that is deleted, however old or large.

use super::Embedded;
use super::frame::StartEntry;
use super::rebase;
use super::state::Partition;
use super::writer::{Append, Shared};
use crate::log::{Error, Log, Needed, Result, TopicPartition, TopicSpec};

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
    let entry = StartEntry { topic: slot.0, partition: slot.1, start: before, next: before };
    let lsn = shared.append(Append { starts: vec![entry], ..Append::default() }, |_| Ok(()))?;
    shared.wait_synced(lsn)?;
    rebase::reclaim(shared).map(|_| ())
}

/// Deletes what is beyond the limits of these topics and not needed; says how many records that were.
pub(super) fn retain(log: &Embedded, specs: &[TopicSpec], needed: Needed<'_>) -> Result<u64> {
    let now_ms = (log.inner.shared.clock)();
    let mut deleted = 0;
    for spec in specs.iter().filter(|spec| spec.is_limited()) {
        for partition in 0..log.partitions(&spec.name)?.unwrap_or(0) {
            let tp = TopicPartition::new(spec.name.as_str(), partition);
            deleted += retain_partition(log, spec, &tp, now_ms, needed)?;
        }
    }
    Ok(deleted)
}

fn retain_partition(
    log: &Embedded,
    spec: &TopicSpec,
    tp: &TopicPartition,
    now_ms: i64,
    needed: Needed<'_>,
) -> Result<u64> {
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
    let wanted = too_old.max(too_many).min(end);
    if wanted <= start {
        return Ok(0);
    }
    let before = needed(tp)?.map_or(wanted, |needed| needed.min(wanted));
    if before <= start {
        return Ok(0);
    }
    delete(&log.inner.shared, tp, before)?;
    tracing::info!(%tp, start, before, "records beyond the topic's retention are deleted");
    Ok(before.abs_diff(start))
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
