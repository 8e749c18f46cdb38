//! The clock of one partition: since when it has been quiet. Wall time lives here and never in the core.

use std::time::{Duration, Instant};

/// How many timeouts a partition may be quiet although its log has an end that was not reached; the end of a
/// transaction is such an end.
const UNREAD_TIMEOUTS: u32 = 4;

/// Since when a partition has been quiet.
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    next: i64,
    since: Instant,
    idle: bool,
}

impl Quiet {
    /// A partition just taken; its clock starts now.
    pub fn new(next: i64, now: Instant) -> Self {
        Quiet { next, since: now, idle: false }
    }

    /// Whether the partition counts as idle: after the timeout, or at once at the offset where publishers are `done`.
    /// `next` is the offset it will read next, `end` says where its log ends, and is asked only when the answer matters.
    pub fn judge<E>(
        &mut self,
        next: i64,
        now: Instant,
        timeout: Duration,
        done: Option<i64>,
        end: impl FnOnce() -> Result<i64, E>,
    ) -> Result<bool, E> {
        if next != self.next {
            *self = Quiet::new(next, now);
        }
        let quiet = now.saturating_duration_since(self.since);
        if !self.idle && (quiet >= timeout || done == Some(next)) {
            self.idle = quiet >= timeout * UNREAD_TIMEOUTS || end()? <= next;
        }
        Ok(self.idle)
    }

    /// Starts the clock again: a partition that waits for others is not quiet.
    pub fn restart(&mut self, now: Instant) {
        *self = Quiet::new(self.next, now);
    }
}
