//! Telling when everything is read and committed.

use flow::plan::Service;
use runtime::context::Context;
use runtime::log::TopicPartition;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Time between two questions about commits.
const ASK: Duration = Duration::from_millis(500);

/// Tells when everything is read and committed, in two looks that saw the same ends.
pub struct Settled<'a> {
    context: &'a Context,
    reads: Vec<(String, Vec<TopicPartition>)>,
    last: RefCell<(Instant, Vec<i64>)>,
}

impl<'a> Settled<'a> {
    /// For all services but trainers, and archivers if there is one.
    pub fn new(context: &'a Context, is_archived: bool) -> Self {
        let is_read = |service| service != Service::Trainer && (is_archived || service != Service::Archiver);
        let tasks = context.plan.tasks.iter().filter(|task| is_read(task.service));
        let reads = tasks.map(|task| {
            let tps = task.reads.iter().flat_map(|topic| super::partitions(context, topic)).collect();
            (task.group_id.clone(), tps)
        });
        Settled { context, reads: reads.collect(), last: RefCell::new((Instant::now(), Vec::new())) }
    }

    /// Whether it is so now; asks every now and then only.
    pub fn look(&self) -> bool {
        let mut last = self.last.borrow_mut();
        if last.0.elapsed() < ASK {
            return false;
        }
        let mut ends = Vec::new();
        for (group, tps) in &self.reads {
            let committed = self.context.log.committed(group, tps).unwrap();
            for (tp, committed) in tps.iter().zip(committed) {
                let (start, end) = self.context.log.watermarks(tp).unwrap();
                if committed.map_or(start, |committed| committed.offset) < end {
                    *last = (Instant::now(), Vec::new());
                    return false;
                }
                ends.push(end);
            }
        }
        let same = ends == last.1;
        *last = (Instant::now(), ends);
        same
    }
}
