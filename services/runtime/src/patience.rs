//! Waiting for the outside world: tries again, says so, and gives up only when the service is stopped.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::shell::ATTEMPTS_MAX;
use tracing::{info, warn};

/// First pause between two attempts; it doubles each time.
const PAUSE_MS: u64 = 100;
/// Longest such pause.
const PAUSE_MS_MAX: u64 = 5_000;
/// How soon a pause notices that the service is stopped.
const NOTICE_MS: u64 = 50;
/// Longest pause before a service starts over; the first is [`PAUSE_MS`], and each is twice the one before.
const RESTART_MS_MAX: u64 = 10_000;

/// The service was stopped during a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Tries until something succeeds or the service is stopped.
#[derive(Debug, Clone)]
pub struct Patience {
    stop: Arc<AtomicBool>,
}

impl Patience {
    /// Patience that ends with this flag.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Patience { stop }
    }

    /// Tries until an attempt succeeds. Nothing is rejected or committed meanwhile.
    pub fn until<T, E: Display>(&self, what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, Stopped> {
        let mut pause_ms = PAUSE_MS;
        loop {
            match attempt() {
                Ok(value) => {
                    if pause_ms > PAUSE_MS {
                        info!(what, "answered again");
                    }
                    return Ok(value);
                }
                Err(error) => warn!(what, %error, pause_ms, "waiting; nothing is rejected meanwhile"),
            }
            pause(&self.stop, pause_ms)?;
            pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
        }
    }
}

/// Runs a service: where the outside world failed it starts over, [`ATTEMPTS_MAX`] times in a row, and then ends with the
/// error. `serve` returns when it is stopped; it sets its flag when it got on.
pub fn start_over<E: Display>(
    service: &str,
    stop: &AtomicBool,
    retriable: impl Fn(&E) -> bool,
    mut serve: impl FnMut(&mut bool) -> Result<(), E>,
) -> Result<(), E> {
    let (mut attempts, mut pause_ms) = (0, PAUSE_MS);
    loop {
        let mut progress = false;
        let error = match serve(&mut progress) {
            Ok(()) => return Ok(()),
            Err(error) if retriable(&error) => error,
            Err(error) => return Err(error),
        };
        if progress {
            (attempts, pause_ms) = (0, PAUSE_MS);
        }
        attempts += 1;
        if attempts >= ATTEMPTS_MAX {
            return Err(error);
        }
        warn!(service, %error, attempts, pause_ms, "starting over from what is done");
        if pause(stop, pause_ms).is_err() {
            return Err(error);
        }
        pause_ms = (pause_ms * 2).min(RESTART_MS_MAX);
    }
}

fn pause(stop: &AtomicBool, pause_ms: u64) -> Result<(), Stopped> {
    let mut left_ms = pause_ms;
    while left_ms > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        let slice_ms = left_ms.min(NOTICE_MS);
        thread::sleep(Duration::from_millis(slice_ms));
        left_ms -= slice_ms;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
