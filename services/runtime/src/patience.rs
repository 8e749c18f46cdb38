//! Waiting for the outside world: tries again, says so, and gives up only when the service is stopped.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

/// First pause between two attempts; it doubles each time.
const PAUSE_MS: u64 = 100;
/// Longest such pause.
const PAUSE_MS_MAX: u64 = 5_000;
/// How soon a pause notices that the service is stopped.
const NOTICE_MS: u64 = 50;

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
            self.pause(pause_ms)?;
            pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
        }
    }

    fn pause(&self, pause_ms: u64) -> Result<(), Stopped> {
        let mut left_ms = pause_ms;
        while left_ms > 0 {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Stopped);
            }
            let slice_ms = left_ms.min(NOTICE_MS);
            thread::sleep(Duration::from_millis(slice_ms));
            left_ms -= slice_ms;
        }
        Ok(())
    }
}
