//! Event ids already applied, within an event-time horizon. What is remembered depends on the applied events alone.

use hashbrown::HashMap;
use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_128;

/// The horizon is kept in this many slices; an id is forgotten with its slice.
const SLICES: i64 = 64;

/// Ids by their 128-bit hash. Two ids in a billion collide with a chance below 1e-20.
#[derive(Debug)]
pub struct Seen {
    slice_us: i64,
    newest: i64,
    ids: HashMap<u128, i64>,
    slices: VecDeque<(i64, Vec<u128>)>,
}

impl Seen {
    /// Remembers ids for at least `horizon_us` of event time.
    pub fn new(horizon_us: i64) -> Self {
        let slice_us = (horizon_us / SLICES).max(1);
        Seen { slice_us, newest: i64::MIN, ids: HashMap::new(), slices: VecDeque::new() }
    }

    /// Whether the id was seen within the horizon; it is remembered either way.
    pub fn repeats(&mut self, id: &str, time_us: i64) -> bool {
        let slice = time_us.div_euclid(self.slice_us);
        if slice > self.newest {
            self.newest = slice;
            self.forget();
        }
        let hash = xxh3_128(id.as_bytes());
        if self.ids.contains_key(&hash) {
            return true;
        }
        self.ids.insert(hash, slice);
        match self.slices.binary_search_by_key(&slice, |(at, _)| *at) {
            Ok(at) => self.slices[at].1.push(hash),
            Err(at) => self.slices.insert(at, (slice, vec![hash])),
        }
        false
    }

    fn forget(&mut self) {
        let oldest = self.newest.saturating_sub(SLICES + 1);
        while self.slices.front().is_some_and(|(slice, _)| *slice < oldest) {
            let Some((_, hashes)) = self.slices.pop_front() else { return };
            for hash in hashes {
                self.ids.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_repeats_within_the_horizon_only() {
        let mut seen = Seen::new(6_400);
        assert!(!seen.repeats("a", 0));
        assert!(seen.repeats("a", 6_000));
        assert!(!seen.repeats("b", 20_000));
        assert!(!seen.repeats("a", 20_000));
        assert!(seen.repeats("b", 13_000));
    }
}
