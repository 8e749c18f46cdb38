//! Stops a task that dead-letters nearly everything: then the pipeline is wrong and not the records, and draining the
//! topic into the dead letters would only hide it.

/// Dead letters in a row, with nothing accepted between, after which the task stops.
pub const CONSECUTIVE_MAX: u64 = 10_000;
/// Records over which the share of dead letters is taken.
pub const WINDOW_RECORDS: u64 = 50_000;
/// Share of a full window that may be dead letters, in percent.
pub const SHARE_MAX_PERCENT: u64 = 50;

/// Counts since this process took the partition over; not part of the task's state.
#[derive(Debug, Clone)]
pub struct Breaker {
    consecutive_max: u64,
    consecutive: u64,
    seen: u64,
    dead: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new(CONSECUTIVE_MAX)
    }
}

impl Breaker {
    /// A breaker with its own limit of consecutive dead letters.
    pub fn new(consecutive_max: u64) -> Self {
        Breaker { consecutive_max, consecutive: 0, seen: 0, dead: 0 }
    }

    /// Counts one record; the error says which limit it broke.
    pub fn count(&mut self, dead: bool) -> Result<(), String> {
        self.seen += 1;
        self.dead += u64::from(dead);
        self.consecutive = if dead { self.consecutive + 1 } else { 0 };
        if self.consecutive > self.consecutive_max {
            return Err(format!("more than {} records in a row were rejected", self.consecutive_max));
        }
        if self.seen == WINDOW_RECORDS {
            if self.dead * 100 > WINDOW_RECORDS * SHARE_MAX_PERCENT {
                return Err(format!("{} of the last {WINDOW_RECORDS} records were rejected", self.dead));
            }
            (self.seen, self.dead) = (0, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn breaks_on_a_run_of_dead_letters_only() {
        let mut breaker = Breaker::new(2);
        for dead in [true, true, false, true, true] {
            breaker.count(dead).unwrap();
        }
        assert!(breaker.count(true).unwrap_err().contains("more than 2"));
    }

    #[test]
    fn breaks_on_a_window_that_is_mostly_dead() {
        let mut breaker = Breaker::default();
        let broken = (0..WINDOW_RECORDS).find_map(|n| breaker.count(n % 3 != 0).err());
        assert!(broken.unwrap().contains("of the last"));
        let mut breaker = Breaker::default();
        assert!((0..2 * WINDOW_RECORDS).all(|n| breaker.count(n % 2 == 0).is_ok()));
    }
}
