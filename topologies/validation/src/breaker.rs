//! Stops a task that dead-letters nearly everything: then the pipeline is wrong and not the records, and draining the
//! topic into the dead letters would only hide it.

use flow::config::BreakerLimits;

/// Counts since this process took the partition over; not part of the task's state.
#[derive(Debug, Clone)]
pub struct Breaker {
    limits: BreakerLimits,
    consecutive: u64,
    seen: u64,
    dead: u64,
}

impl Breaker {
    /// A breaker with these limits.
    pub fn new(limits: BreakerLimits) -> Self {
        Breaker { limits, consecutive: 0, seen: 0, dead: 0 }
    }

    /// Counts one record; the error says which limit it broke.
    pub fn count(&mut self, dead: bool) -> Result<(), String> {
        self.seen += 1;
        self.dead += u64::from(dead);
        self.consecutive = if dead { self.consecutive + 1 } else { 0 };
        let BreakerLimits { consecutive_max, share_max_percent, window_records } = self.limits;
        if self.consecutive > consecutive_max {
            return Err(format!("more than {consecutive_max} records in a row were rejected"));
        }
        if self.seen == window_records {
            if self.dead * 100 > window_records * share_max_percent {
                return Err(format!("{} of the last {window_records} records were rejected", self.dead));
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
        let mut breaker = Breaker::new(BreakerLimits { consecutive_max: 2, ..BreakerLimits::default() });
        for dead in [true, true, false, true, true] {
            breaker.count(dead).unwrap();
        }
        assert!(breaker.count(true).unwrap_err().contains("more than 2"));
    }

    #[test]
    fn breaks_on_a_window_that_is_mostly_dead() {
        let records = BreakerLimits::default().window_records;
        let mut breaker = Breaker::new(BreakerLimits::default());
        let broken = (0..records).find_map(|n| breaker.count(n % 3 != 0).err());
        assert!(broken.unwrap().contains("of the last"));
        let mut breaker = Breaker::new(BreakerLimits::default());
        assert!((0..2 * records).all(|n| breaker.count(n % 2 == 0).is_ok()));
        let limits = BreakerLimits { share_max_percent: 10, window_records: 20, ..BreakerLimits::default() };
        let mut breaker = Breaker::new(limits);
        let broken = (0..20).find_map(|n| breaker.count(n < 3).err());
        assert_eq!(broken.unwrap(), "3 of the last 20 records were rejected");
    }
}
