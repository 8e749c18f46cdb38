//! How far the readers of the internal logs are behind. While one is too far, validators wait: what they accepted would
//! only lie longer in a log, which keeps records for so long whether they were read or not. In a source they can wait as
//! long as its owner said.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flow::plan::{Service, Task};
use runtime::context::Context;
use runtime::log::{self, TopicPartition};
use tracing::{debug, info, warn};

/// Records that a reader of an internal log may be behind.
pub const RECORDS_MAX: u64 = 1_000_000;
/// Time between two looks, in milliseconds. Each asks for the commits of some seven groups.
pub const LOOK_MS: u64 = 10_000;

/// How much may lie unread, and how often to look.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Records of all partitions that one task may be behind.
    pub records_max: u64,
    /// Time between two looks.
    pub every: Duration,
}

impl Default for Limit {
    fn default() -> Self {
        Limit { records_max: RECORDS_MAX, every: Duration::from_millis(LOOK_MS) }
    }
}

/// A thread that looks, as asking may take longer than a round of the shell may.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks from now on, and says in `is_long` whether validators are to wait.
    pub(crate) fn start(context: &Context, limit: Limit, is_long: Arc<AtomicBool>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (context, stopped) = (context.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match longest(&context) {
                    Ok(longest) => judge(longest, limit, &is_long),
                    Err(error) => debug!(%error, "nobody knows how far readers are behind"),
                }
                thread::park_timeout(limit.every);
            }
        });
        Watch { stop, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ended by a panic of its own, which was told; or as it should.
            let _ = thread.join();
        }
    }
}

/// The task that is behind most, and its records. One that has never committed was never begun, and nobody waits for it.
pub(crate) fn longest(context: &Context) -> log::Result<Option<(&Task, u64)>> {
    let mut longest = None;
    for task in
        [Service::Featurizer, Service::Scorer, Service::Monitor].into_iter().flat_map(|of| context.plan.tasks_of(of))
    {
        let behind = behind(context, task)?;
        if longest.is_none_or(|(_, records)| records < behind) {
            longest = Some((task, behind));
        }
    }
    Ok(longest)
}

fn behind(context: &Context, task: &Task) -> log::Result<u64> {
    let topics = task.reads.iter().filter_map(|name| context.plan.topic(name));
    let tps =
        topics.flat_map(|topic| (0..topic.partitions as i32).map(|at| TopicPartition::new(topic.name.as_str(), at)));
    let tps: Vec<TopicPartition> = tps.collect();
    let mut behind = 0;
    for (tp, committed) in tps.iter().zip(context.log.committed(&task.group_id, &tps)?) {
        if let Some(committed) = committed {
            let (_, end) = context.log.watermarks(tp)?;
            behind += end.saturating_sub(committed.offset).max(0).unsigned_abs();
        }
    }
    Ok(behind)
}

/// Waiting begins above the limit and ends below half of it.
pub(crate) fn judge(longest: Option<(&Task, u64)>, limit: Limit, is_long: &AtomicBool) {
    let (group, records) = longest.map_or(("", 0), |(task, records)| (task.group_id.as_str(), records));
    let was_long = is_long.load(Ordering::Relaxed);
    if !was_long && records > limit.records_max {
        warn!(group, records, records_max = limit.records_max, "a reader is too far behind; sources wait for it");
        is_long.store(true, Ordering::Relaxed);
    } else if was_long && records <= limit.records_max / 2 {
        info!(group, records, "readers have caught up; sources are read again");
        is_long.store(false, Ordering::Relaxed);
    }
}
