#![allow(clippy::unwrap_used)]

//! Counts over windows that slide, against counting anew, over more values than the engine's tests can have.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::{PLACES_KEPT, PLACES_MAX, Tallied, Tally};

/// How many values are in each window; those beyond a window's length leave it, the longest first as in declared order.
const WINDOWS: [usize; 3] = [900, 7, 60];
const OF: Tallied = Tallied { word: 1, windows: WINDOWS.len(), mode: true };

/// Values one after the other: each new and greater, each new and less, few, in pairs, many, one for a long time.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let stretch = prop_oneof![
        (0..600_i32).prop_map(|from| (from..from + 500).map(f64::from).collect::<Vec<f64>>()),
        (0..600_i32).prop_map(|from| (from..from + 500).rev().map(f64::from).collect()),
        (0..600_i32).prop_map(|from| (from..from + 300).flat_map(|value| [f64::from(value); 2]).collect()),
        prop::collection::vec((-3..4_i32).prop_map(f64::from), 100..400),
        prop::collection::vec((-400..400_i32).prop_map(f64::from), 100..600),
        prop::collection::vec(prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, -1.0]), 1..50),
        Just(vec![7.0; 950]),
    ];
    prop::collection::vec(stretch, 1..6).prop_map(|stretches| stretches.concat())
}

/// The values of a window with how often each is there, in ascending order.
#[derive(Default)]
struct Naive {
    values: VecDeque<f64>,
    counts: BTreeMap<u64, (f64, u32)>,
}

impl Naive {
    /// Where a value stands in ascending order.
    fn order(value: f64) -> u64 {
        let bits = (value + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    }

    fn add(&mut self, value: f64) {
        self.values.push_back(value);
        self.counts.entry(Naive::order(value)).or_insert((value + 0.0, 0)).1 += 1;
    }

    fn remove(&mut self) -> f64 {
        let value = self.values.pop_front().unwrap();
        let count = self.counts.get_mut(&Naive::order(value)).unwrap();
        count.1 -= 1;
        if count.1 == 0 {
            self.counts.remove(&Naive::order(value));
        }
        value
    }

    fn mode(&self) -> Option<u64> {
        let first_of_most = |best: (f64, u32), next: (f64, u32)| if next.1 > best.1 { next } else { best };
        self.counts.values().copied().reduce(first_of_most).map(|(value, _)| value.to_bits())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn values_are_counted_while_windows_slide(values in values(), single in any::<bool>()) {
        let (mut tally, mut naive) = (Tally::default(), WINDOWS.map(|_| Naive::default()));
        for value in values {
            // Late events are counted window by window, others in all at once.
            if single {
                (0..WINDOWS.len()).for_each(|window| tally.add(OF, value, window));
            } else {
                tally.add_all(OF, value);
            }
            for (window, naive) in naive.iter_mut().enumerate() {
                naive.add(value);
                let places_max = PLACES_MAX * naive.counts.len() + PLACES_KEPT;
                prop_assert!(tally.heaps[window].len() <= places_max, "values that are gone are not kept");
                if naive.values.len() > WINDOWS[window] {
                    tally.remove(OF, naive.remove(), window);
                }
                prop_assert_eq!(tally.distinct(window) as usize, naive.counts.len());
                prop_assert_eq!(tally.mode(window).map(f64::to_bits), naive.mode());
            }
        }
        for (window, naive) in naive.iter_mut().enumerate() {
            while !naive.values.is_empty() {
                tally.remove(OF, naive.remove(), window);
                prop_assert_eq!(tally.mode(window).map(f64::to_bits), naive.mode());
            }
            prop_assert_eq!((tally.distinct(window), tally.heaps[window].len()), (0, 0));
        }
    }
}
