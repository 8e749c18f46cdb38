//! A flag that one session sleeps on until there is something for it, and the record of when it last polled.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug, Default)]
struct Flag {
    raised: bool,
    idle_since: Option<Instant>,
}

/// A flag with a place to sleep. Raised by writers, lowered and awaited by its one owner.
#[derive(Debug, Default)]
pub(super) struct Signal {
    flag: Mutex<Flag>,
    changed: Condvar,
}

impl Signal {
    fn flag(&self) -> MutexGuard<'_, Flag> {
        self.flag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the flag; the owner is woken once however often this is called.
    pub fn notify(&self) {
        let mut flag = self.flag();
        if !flag.raised {
            flag.raised = true;
            self.changed.notify_one();
        }
    }

    /// Lowers the flag at the begin of a look around: what happens from now on raises it again.
    pub fn clear(&self) {
        let mut flag = self.flag();
        flag.raised = false;
        flag.idle_since = None;
    }

    /// Notes that the owner went back to its own work.
    pub fn end_poll(&self) {
        self.flag().idle_since = Some(Instant::now());
    }

    /// When the owner's last poll ended; `None` while it is in one.
    pub fn idle_since(&self) -> Option<Instant> {
        self.flag().idle_since
    }

    /// Sleeps until the flag is raised, or until then.
    pub fn wait_until(&self, deadline: Instant) {
        let mut flag = self.flag();
        while !flag.raised {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            flag = self.changed.wait_timeout(flag, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
