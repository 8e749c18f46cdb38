//! Deleting from an embedded log what is beyond the pipeline's `retention`, and what later records of the same key supersede
//! in compacted topics: by a job beside the services, or once by command. Nothing goes that a task of the pipeline still needs ([`Needs`]). On Kafka brokers delete by themselves.

mod needs;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use runtime::log::{self, Retained, TopicPartition, TopicSpec};
use runtime::shell::Stats;
use tracing::{info, warn};

use crate::environment::Environment;
use crate::error::Error;
use crate::services::Job;

pub use needs::Needs;

/// The job, in logs and metrics.
const RETENTION: &str = "retention";
/// Time between two looks at signals.
const NOTICE: Duration = Duration::from_millis(100);

/// A partition that held more than its topic's retention, and who needs what of it stays.
pub struct Kept {
    /// What became of it.
    pub retained: Retained,
    /// The task that needs the oldest record that is needed.
    pub holder: Option<String>,
}

/// The topics from which something may go: those with a retention, and compacted ones.
pub fn shrinking(environment: &Environment) -> Vec<TopicSpec> {
    let specs = environment.context.topic_specs().into_iter();
    specs.filter(|spec| spec.compacted || spec.is_limited()).collect()
}

/// Deletes what is beyond the retention of these topics, or only looks.
pub fn retain(
    environment: &Environment,
    specs: &[TopicSpec],
    needs: &Needs<'_>,
    dry_run: bool,
) -> Result<Vec<Kept>, Error> {
    let (found, failed) = (RefCell::new(HashMap::new()), RefCell::new(None));
    let needed = |tp: &TopicPartition| match needs.oldest(tp) {
        Ok(None) => Ok(dry_run.then_some(0)),
        Ok(Some((offset, holder))) => {
            found.borrow_mut().insert(tp.clone(), (offset, holder));
            Ok(Some(if dry_run { 0 } else { offset }))
        }
        Err(error) => {
            let (doing, detail) = (format!("asking who needs {tp}"), error.to_string());
            *failed.borrow_mut() = Some(error);
            Err(log::Error::Refused { doing, detail })
        }
    };
    let retained = environment.context.log.retain(specs, &needed);
    if let Some(error) = failed.take() {
        return Err(error);
    }
    let mut found = found.take();
    let kept = retained?.into_iter().map(|mut retained| {
        let need = found.remove(&retained.tp);
        if dry_run {
            let wanted = retained.wanted;
            retained.begins = need.as_ref().map_or(wanted, |(offset, _)| *offset).clamp(retained.start, wanted);
        }
        Kept { holder: need.filter(|_| retained.held() > 0).map(|(_, holder)| holder), retained }
    });
    Ok(kept.collect())
}

/// The job that does so every now and then; none where the log is not this process's own, or nothing is ever to go.
pub fn job(environment: &Environment) -> Option<Job> {
    let is_own = environment.brokers.is_none() && environment.remote.is_none();
    let (interval, specs) = (environment.retention_interval, shrinking(environment));
    if !is_own || interval.is_zero() || specs.is_empty() {
        return None;
    }
    let (environment, stats) = (environment.clone(), Arc::new(Stats::new(RETENTION)));
    let counted = stats.clone();
    let run = move |stop: &AtomicBool| {
        let needs = Needs::of(&environment);
        let mut since = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(NOTICE.min(interval));
            if since.elapsed() < interval {
                continue;
            }
            match retain(&environment, &specs, &needs, false) {
                Ok(kept) => tell(&kept, &counted),
                // A log that cannot be written ends the services themselves.
                Err(error) => warn!(%error, "nothing is deleted from the log for now, and it is tried again"),
            }
            since = Instant::now();
        }
        Ok(())
    };
    let name = RETENTION.to_owned();
    Some(Job { name, stats: Some(stats), reads: Vec::new(), finite: false, run: Box::new(run) })
}

fn tell(kept: &[Kept], stats: &Stats) {
    let retained: Vec<Retained> = kept.iter().map(|kept| kept.retained.clone()).collect();
    stats.retained(&retained);
    for one in retained.iter().filter(|one| one.records() > 0) {
        let Retained { tp, begins, bytes, .. } = one;
        info!(%tp, records = one.records(), bytes, begins, "records beyond the topic's retention are deleted");
    }
    let mut held = kept.iter().filter(|kept| kept.retained.held() > 0);
    if let Some(Kept { retained, holder: Some(by) }) = held.next() {
        let records: u64 = retained.held() + held.map(|kept| kept.retained.held()).sum::<u64>();
        info!(records, tp = %retained.tp, by, "records beyond their topics' retention stay, as they are needed");
    }
}

#[cfg(test)]
mod tests;
