//! Compaction by key: of the records of a compacted topic that have the same key only the newest need be kept.
//!
//! As with Kafka's cleaner a reader from the start sees at least the last value of each key, in the order of offsets;
//! records keep their offsets, and gaps are left where others were. A record without a value says that its key is gone,
//! and goes itself once readers have had [`TOMBSTONES_KEPT_MS`] to see it. Other than on Kafka nothing goes that somebody
//! needs, such as the archive. The newest segment is left alone, and the partition's last record, which says where it ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::body::{Body, RECORD_HEADER_BYTES, records};
use super::frame::RunEntry;
use super::state::{Partition, Slot};
use super::{Embedded, rebase};
use crate::log::{Log, Needed, Publish, Record, Result, SessionOptions, TopicPartition, TopicSpec};

/// How long a record without a value is kept, as with Kafka's `delete.retention.ms`.
pub(super) const TOMBSTONES_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// Offsets of records that may go, with about how many bytes each takes.
pub(super) type Superseded = HashMap<Slot, BTreeMap<i64, u64>>;

/// Gives the room of superseded records back where that is worth it. It looks once per segment that was finished.
pub(super) fn compact(log: &Embedded, specs: &[TopicSpec], needed: Needed<'_>) -> Result<()> {
    let shared = &log.inner.shared;
    let newest = shared.tail().number;
    let mut looked = shared.compacted.lock().unwrap_or_else(PoisonError::into_inner);
    if *looked == Some(newest) || shared.state().first_segment as usize == newest {
        return Ok(());
    }
    let mut found = Superseded::new();
    for spec in specs.iter().filter(|spec| spec.compacted) {
        for partition in 0..log.partitions(&spec.name)?.unwrap_or(0) {
            let tp = TopicPartition::new(spec.name.as_str(), partition);
            let below = needed(&tp)?.unwrap_or(i64::MAX);
            let slot = shared.state().slot(&tp)?;
            let superseded = superseded(log, &tp, below)?;
            if !superseded.is_empty() {
                found.insert(slot, superseded);
            }
        }
    }
    rebase::reclaim(shared, &found)?;
    *looked = Some(newest);
    Ok(())
}

/// A key's newest record so far.
struct Newest {
    offset: i64,
    bytes: u64,
    /// When it said that the key is gone.
    gone_ms: Option<i64>,
}

/// What of a partition is superseded by a later record of its key and not needed.
fn superseded(log: &Embedded, tp: &TopicPartition, below: i64) -> Result<BTreeMap<i64, u64>> {
    let now_ms = (log.inner.shared.clock)();
    let (mut newest, mut found) = (HashMap::<Vec<u8>, Newest>::new(), BTreeMap::new());
    let (start, end) = log.watermarks(tp)?;
    let mut session = log.session(SessionOptions::assigned("compaction", vec![(tp.clone(), start)]))?;
    let mut next = start;
    while next < end {
        let read: Vec<Record> = session.poll(Duration::ZERO)?.records.into_iter().flat_map(|(_, read)| read).collect();
        let Some(last) = read.last() else { break };
        next = last.offset + 1;
        for record in read {
            let Some(key) = &record.key else { continue };
            let bytes = RECORD_HEADER_BYTES + key.len() + record.value.as_ref().map_or(0, Bytes::len);
            let gone_ms = record.value.is_none().then_some(record.append_time_ms);
            let one = Newest { offset: record.offset, bytes: bytes as u64, gone_ms };
            if let Some(before) = newest.insert(key.to_vec(), one) {
                found.insert(before.offset, before.bytes);
            }
        }
    }
    session.close()?;
    let is_over = |gone_ms: i64| gone_ms.saturating_add(TOMBSTONES_KEPT_MS) <= now_ms;
    let words = newest.into_values().filter(|newest| newest.gone_ms.is_some_and(is_over));
    found.extend(words.map(|newest| (newest.offset, newest.bytes)));
    found.retain(|offset, _| *offset < below.min(end - 1));
    Ok(found)
}

/// How many bytes of which segment are superseded.
pub(super) fn by_segment(partition: &Partition, superseded: &BTreeMap<i64, u64>) -> HashMap<u32, u64> {
    let mut bytes = HashMap::new();
    for (offset, record_bytes) in superseded {
        if let Some(chapter) = partition.chapters.get(partition.chapter_at(*offset)) {
            *bytes.entry(chapter.segment).or_default() += record_bytes;
        }
    }
    bytes
}

/// The runs that are left of one: its records that stay, those that follow each other together.
pub(super) fn thinned(run: &RunEntry, body: Bytes, superseded: &BTreeMap<i64, u64>) -> Vec<(RunEntry, Bytes)> {
    let mut left: Vec<(i64, Body)> = Vec::new();
    for record in records(body, run.base, run.count, 0, run.base) {
        let Record { offset, key, value, headers, .. } = record;
        if superseded.contains_key(&offset) {
            continue;
        }
        if left.last().is_none_or(|(base, body)| base + i64::from(body.count()) != offset) {
            left.push((offset, Body::new(BytesMut::new())));
        }
        if let Some((_, body)) = left.last_mut() {
            body.push(&Publish { topic: "".into(), partition: None, key, value, headers });
        }
    }
    let entry = |(base, body): (i64, Body)| {
        let (count, bytes) = (body.count(), body.finish());
        let (len, crc) = (bytes.len() as u32, crc32fast::hash(&bytes));
        (RunEntry { base, count, len, crc, ..*run }, bytes)
    };
    left.into_iter().map(entry).collect()
}
