//! How fast events go out.

use std::time::{Duration, Instant};

/// Shorter waits are saved up: a pause costs more than what it paces.
const WAIT_MS_MIN: u64 = 2;
/// Longest wait at once, so that a request to stop is heard.
const WAIT_MS_MAX: u64 = 200;

/// How fast events go out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as the log takes them.
    Full,
    /// So many a second.
    Rate(f64),
    /// So many times faster than they happened.
    SpeedUp(f64),
}

/// A pace that has begun.
#[derive(Debug)]
pub(super) struct Clock {
    pace: Pace,
    /// When it began, with which event time, after how many events.
    begun: Option<(Instant, i64, u64)>,
}

impl Clock {
    pub fn new(pace: Pace) -> Self {
        Clock { pace, begun: None }
    }

    /// When the event after so many is due; nothing before the first and at full speed.
    pub fn due(&self, sent: u64, time_us: i64) -> Option<Instant> {
        let (begun, first_us, before) = self.begun.filter(|_| self.pace != Pace::Full)?;
        begun.checked_add(due(self.pace, sent - before, time_us.saturating_sub(first_us)))
    }

    /// How long to wait before asking again whether an event may go out; `None`: now.
    pub fn wait(&mut self, sent: u64, time_us: i64) -> Option<Duration> {
        let (begun, first_us, before) = *self.begun.get_or_insert_with(|| (Instant::now(), time_us, sent));
        remaining(due(self.pace, sent - before, time_us.saturating_sub(first_us)), begun.elapsed())
    }
}

/// When an event is due, counted from the first.
fn due(pace: Pace, sent: u64, since_us: i64) -> Duration {
    let seconds = match pace {
        Pace::Full => 0.0,
        Pace::Rate(rate) => sent as f64 / rate,
        Pace::SpeedUp(factor) => since_us.max(0) as f64 / 1e6 / factor,
    };
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn remaining(due: Duration, elapsed: Duration) -> Option<Duration> {
    let wait = due.saturating_sub(elapsed);
    (wait >= Duration::from_millis(WAIT_MS_MIN)).then(|| wait.min(Duration::from_millis(WAIT_MS_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_by_count_or_by_their_time() {
        assert_eq!(due(Pace::Full, 1_000, 5_000_000), Duration::ZERO);
        assert_eq!(due(Pace::Rate(500.0), 1_000, 0), Duration::from_secs(2));
        assert_eq!(due(Pace::SpeedUp(10.0), 1, 5_000_000), Duration::from_millis(500));
        assert_eq!(due(Pace::SpeedUp(10.0), 1, -5), Duration::ZERO);
    }

    #[test]
    fn waits_are_neither_tiny_nor_long() {
        let ms = Duration::from_millis;
        assert_eq!(remaining(ms(10), ms(10)), None);
        assert_eq!(remaining(ms(11), ms(10)), None);
        assert_eq!(remaining(ms(60), ms(10)), Some(ms(50)));
        assert_eq!(remaining(Duration::MAX, ms(10)), Some(ms(200)));
    }
}
