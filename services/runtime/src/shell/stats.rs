//! Counters of one shell, read by the metrics page.

use crate::log::Retained;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::now_ms;

/// What a shell counted since it started.
#[derive(Debug, Default)]
pub struct Stats {
    name: String,
    records_in: AtomicU64,
    records_out: AtomicU64,
    polls: AtomicU64,
    commits: AtomicU64,
    restarts: AtomicU64,
    restores: AtomicU64,
    records_again: AtomicU64,
    partitions: AtomicI64,
    delay_ms: AtomicI64,
    evicted_keys: AtomicU64,
    evicted_entries: AtomicU64,
    deleted_records: AtomicU64,
    deleted_bytes: AtomicU64,
    held_records: AtomicU64,
    failed: Mutex<BTreeMap<Failed, u64>>,
    labels: Mutex<BTreeMap<&'static str, u64>>,
}

/// One counter.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    /// Its name, with its unit.
    pub name: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// How many.
    pub value: u64,
}

/// What became of records that failed something, and the name of what they failed.
pub type Failed = (&'static str, Arc<str>);

impl Stats {
    /// Counters of the service with this name.
    pub fn new(name: &str) -> Self {
        Stats { name: name.to_owned(), ..Stats::default() }
    }

    /// Name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every counter.
    pub fn counts(&self) -> [Count; 14] {
        let count = |name, what, counter: &AtomicU64| Count { name, what, value: counter.load(Ordering::Relaxed) };
        let partitions = self.partitions.load(Ordering::Relaxed).max(0).unsigned_abs();
        let delay_ms = self.delay_ms.load(Ordering::Relaxed).max(0).unsigned_abs();
        [
            count("records_in", "Records read", &self.records_in),
            count("records_out", "Records written", &self.records_out),
            count("polls", "Polls that brought records", &self.polls),
            count("commits", "Commits of offsets with their state", &self.commits),
            count("restarts", "Starts after a failure that may pass", &self.restarts),
            count("restores", "Tasks whose state was restored", &self.restores),
            count("records_again", "Records read once more to restore a state", &self.records_again),
            count(
                "evicted_keys",
                "Keys that the limits of an entity pushed out, in the tasks owned now",
                &self.evicted_keys,
            ),
            count("evicted_entries", "Entries of keys that the limits of an entity pushed out", &self.evicted_entries),
            count(
                "deleted_records",
                "Records of the embedded log that its topics' retention deleted",
                &self.deleted_records,
            ),
            count("deleted_bytes", "Bytes of the embedded log that its topics' retention deleted", &self.deleted_bytes),
            count(
                "held_records",
                "Records of the embedded log beyond their topics' retention that tasks still need",
                &self.held_records,
            ),
            Count {
                name: "delay_ms",
                what: "How old the newest record of the last poll was when it was handled",
                value: delay_ms,
            },
            Count { name: "partitions", what: "Partitions owned now", value: partitions },
        ]
    }

    /// What limits of an entity pushed out in all tasks that the shell has now.
    pub fn evicted(&self, keys: u64, entries: u64) {
        self.evicted_keys.store(keys, Ordering::Relaxed);
        self.evicted_entries.store(entries, Ordering::Relaxed);
    }

    /// What retention deleted, and how much beyond it is there still because somebody needs it.
    pub fn retained(&self, all: &[Retained]) {
        let records = all.iter().map(Retained::records).sum();
        self.deleted_records.fetch_add(records, Ordering::Relaxed);
        self.deleted_bytes.fetch_add(all.iter().map(|one| one.bytes).sum(), Ordering::Relaxed);
        self.held_records.store(all.iter().map(Retained::held).sum(), Ordering::Relaxed);
    }

    /// Labels by what became of them, in all tasks that the shell has now.
    pub fn labelled(&self, labels: BTreeMap<&'static str, u64>) {
        *self.labels.lock().unwrap_or_else(PoisonError::into_inner) = labels;
    }

    /// The same, as it was told last.
    pub fn labels(&self) -> BTreeMap<&'static str, u64> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts records that failed something.
    pub fn failed(&self, what: Failed, records: u64) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += records;
    }

    /// All records that failed something so far.
    pub fn failures(&self) -> Vec<(Failed, u64)> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.iter().map(|(what, records)| (what.clone(), *records)).collect()
    }

    pub(super) fn polled(&self, records: usize) {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.records_in.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// How long ago the log had taken the newest record of a poll when it was handled, by this machine's clock.
    pub(super) fn handled(&self, newest_ms: i64) {
        self.delay_ms.store(now_ms().saturating_sub(newest_ms), Ordering::Relaxed);
    }

    pub(super) fn published(&self, records: usize) {
        self.records_out.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(super) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restored(&self, again: u64) {
        self.restores.fetch_add(1, Ordering::Relaxed);
        self.records_again.fetch_add(again, Ordering::Relaxed);
    }

    pub(super) fn owns(&self, partitions: usize) {
        self.partitions.store(partitions as i64, Ordering::Relaxed);
    }
}
