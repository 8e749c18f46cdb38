//! The shell's loop: when to poll, to commit, and to start over.

use super::worker::Worker;
use super::{Error, Options, Service};
use crate::log::Log;
use crate::patience::start_over;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// Runs a service until `stop` is set, an error ends it, or its tasks stop.
pub fn run(log: &dyn Log, options: &Options, service: &mut dyn Service, stop: &AtomicBool) -> Result<(), Error> {
    let outside = |error: &Error| matches!(error, Error::Log(error) if error.is_retriable() || error.is_fenced());
    let mut sessions = 0;
    start_over(&options.name, stop, outside, |progress| {
        if sessions > 0 {
            options.stats.restarted();
        }
        sessions += 1;
        let served = serve(log, options, service, stop, progress);
        // A group that refuses this member works: others are in its place.
        *progress |= matches!(&served, Err(Error::Log(error)) if error.is_fenced());
        served
    })
}

/// One session from joining to leaving.
fn serve(
    log: &dyn Log,
    options: &Options,
    service: &mut dyn Service,
    stop: &AtomicBool,
    progress: &mut bool,
) -> Result<(), Error> {
    let mut worker = Worker::join(log, options)?;
    let mut committed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let polled = Instant::now();
        let records = worker.step(service)?;
        if committed.elapsed() >= options.commit_interval || worker.is_full() {
            worker.commit()?;
            committed = Instant::now();
            *progress = true;
        }
        let idle = options.poll_floor.saturating_sub(polled.elapsed());
        if records > 0 && records < options.poll_records_max && !idle.is_zero() {
            thread::sleep(idle);
        }
    }
    worker.close()
}
