//! The shell's loop: when to poll, to commit, and to start over.

use super::worker::Worker;
use super::{ATTEMPTS_MAX, Error, Options, Service};
use crate::log::Log;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tracing::warn;

/// First pause after the outside world failed; it doubles each time.
const BACKOFF_MS: u64 = 100;
/// Longest such pause.
const BACKOFF_MS_MAX: u64 = 10_000;

/// Runs a service until `stop` is set, an error ends it, or its tasks stop.
pub fn run(log: &dyn Log, options: &Options, service: &mut dyn Service, stop: &AtomicBool) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        let mut progress = false;
        let error = match serve(log, options, service, stop, &mut progress) {
            Ok(()) => return Ok(()),
            Err(Error::Log(error)) if error.is_retriable() || error.is_fenced() => error,
            Err(error) => return Err(error),
        };
        attempts = if progress || error.is_fenced() { 1 } else { attempts + 1 };
        if attempts >= ATTEMPTS_MAX || stop.load(Ordering::Relaxed) {
            return Err(error.into());
        }
        warn!(service = %options.name, %error, attempts, "starting over from the last commit");
        options.stats.restarted();
        thread::sleep(Duration::from_millis((BACKOFF_MS << attempts).min(BACKOFF_MS_MAX)));
    }
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
