//! Compaction beside the archiving: a thread that merges small files from time to time, and deletes what was merged once
//! nobody reads it any more. It shares nothing with the archiving but the store, and does not hold it up.

use offline::archive::{self, Archive, CompactOptions, GRACE_PERIOD_S};
use registry::store::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::warn;

/// Fewest neighbouring small files that are merged meanwhile: merging a few again and again would cost more than it saves.
const FILES_MIN: usize = 8;
/// How often it looks whether to stop.
const LOOK_MS: u64 = 200;

/// Compacts these topics every `interval` until `stop` is set. Errors are told, and it is tried again.
pub(crate) fn run(store: &Store, topics: &[String], interval: Duration, stop: &AtomicBool) {
    let archive = Archive::new(store.clone());
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(LOOK_MS).min(interval));
        if last.elapsed() < interval {
            continue;
        }
        for topic in topics {
            compact(&archive, topic, stop);
        }
        last = Instant::now();
    }
}

/// What is wrong with one partition does not keep the others from being merged.
fn compact(archive: &Archive, topic: &str, stop: &AtomicBool) {
    let partitions = archive.partitions(topic).unwrap_or_else(|error| {
        warn!(%error, topic, "the archive's partitions are not known; its small files stay as they are for now");
        Vec::new()
    });
    for partition in partitions {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        match compact_partition(archive, topic, partition, stop) {
            Ok(()) | Err(archive::Error::Interrupted) => {}
            Err(error) => warn!(%error, topic, partition, "small files of the archive stay as they are for now"),
        }
    }
}

fn compact_partition(archive: &Archive, topic: &str, partition: i32, stop: &AtomicBool) -> archive::Result<()> {
    let options = CompactOptions { files_min: FILES_MIN, ..CompactOptions::default() };
    let grace = Some(Duration::from_secs(GRACE_PERIOD_S));
    let mut watch = |_| match stop.load(Ordering::Relaxed) {
        true => Err(archive::Error::Interrupted),
        false => Ok(()),
    };
    let now_ms = runtime::clock::now_ms();
    archive.compact(topic, partition, &options, now_ms, &mut watch)?;
    archive.sweep(topic, partition, grace, now_ms, &mut watch)?;
    Ok(())
}

#[cfg(test)]
mod tests;
