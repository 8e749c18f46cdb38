//! Aggregates of one key that see late events, and others that do not.

use super::super::{Engine, event, group, label};
use crate::spec::Group;
use crate::window::Error;
use crate::window::plan::EVENTS;

/// Each aggregate twice: one that sees late events, one that skips them.
fn both(windows: &[&str], aggregates: &[&str]) -> Group {
    let names: Vec<String> = (0..2 * aggregates.len()).map(|number| format!("f{number}")).collect();
    let twice = names.iter().zip(aggregates.iter().flat_map(|aggregate| [*aggregate; 2]));
    let named: Vec<(&str, &str)> = twice.map(|(name, aggregate)| (name.as_str(), aggregate)).collect();
    group(windows, "0s", &named).skipping_late([false, true].into_iter().cycle())
}

#[test]
fn a_late_event_that_is_skipped_is_seen_by_none() {
    let aggregates = [("s", "sum(a)"), ("n", "count()"), ("l", "last(a)")];
    let group = group(&["10us"], "0s", &aggregates).skipping_late([true; 3]);
    let mut engine = Engine::new(&group, 100);
    let mut at = |time_us, value| event(&mut engine, 0, time_us, &[Some(value)]);
    assert_eq!(at(0, 1.0), [Some(1.0), Some(1.0), None]);
    assert_eq!(at(8, 2.0), [Some(3.0), Some(2.0), Some(1.0)]);
    assert_eq!(at(5, 64.0), [Some(1.0), Some(1.0), Some(1.0)], "the features of its time without itself");
    assert_eq!(at(8, 4.0), [Some(7.0), Some(3.0), Some(2.0)], "one at the newest time is not late");
    assert_eq!(at(9, 8.0), [Some(15.0), Some(4.0), Some(4.0)]);
}

#[test]
fn of_two_aggregates_one_sees_a_late_event_and_the_other_does_not() {
    let group = both(&["10us"], &["sum(a)", "count()", "last(a)", "max(a)"]);
    let mut engine = Engine::new(&group, 100);
    let mut at = |time_us, value| event(&mut engine, 0, time_us, &[Some(value)]);
    let some = |values: [f64; 8]| values.map(Some);
    assert_eq!(at(0, 1.0), [Some(1.0), Some(1.0), Some(1.0), Some(1.0), None, None, Some(1.0), Some(1.0)]);
    assert_eq!(at(8, 2.0), some([3.0, 3.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]));
    // The late one itself: one feature has it in its window, the other has what was there before.
    assert_eq!(at(5, 64.0), some([65.0, 1.0, 2.0, 1.0, 1.0, 1.0, 64.0, 1.0]));
    assert_eq!(at(6, 32.0), some([97.0, 1.0, 3.0, 1.0, 64.0, 1.0, 64.0, 1.0]));
    assert_eq!(at(9, 8.0), some([107.0, 11.0, 5.0, 3.0, 2.0, 2.0, 64.0, 8.0]));
    // All of them have left.
    assert_eq!(at(18, 4.0), some([12.0, 12.0, 2.0, 2.0, 8.0, 8.0, 8.0, 8.0]));
}

#[test]
fn the_event_before_may_be_a_late_one_or_the_newest_that_was_not() {
    let group = both(&["10s"], &["time_since_last()", "decayed_count(1s)", "rate()"]);
    let mut engine = Engine::new(&group, 20_000_000);
    let mut at = |time_us| event(&mut engine, 0, time_us, &[]);
    assert_eq!(at(2_000_000), [None, None, Some(1.0), Some(1.0), Some(0.1), Some(0.1)]);
    assert_eq!(at(6_000_000), [Some(4.0), Some(4.0), Some(1.0625), Some(1.0625), Some(0.2), Some(0.2)]);
    assert_eq!(at(5_000_000), [Some(3.0), Some(3.0), Some(1.125), Some(0.125), Some(0.2), Some(0.1)]);
    assert_eq!(at(5_000_000), [Some(0.0), Some(3.0), Some(2.125), Some(0.125), Some(0.3), Some(0.1)]);
    // 12 s: the first event has left; 7 s and 6 s ago are 2^-7 twice and 2^-6.
    let expected = [6.0, 6.0, 1.0 + 2.0 / 128.0 + 1.0 / 64.0, 1.0 + 1.0 / 64.0, 0.4, 0.2];
    assert_eq!(at(12_000_000), expected.map(Some));
}

#[test]
fn labels_are_seen_whenever_they_come() {
    let aggregates = [("n", "count()"), ("m", "count()"), ("r", "count(y)")];
    let group = group(&["10us"], "0s", &aggregates).skipping_late([false, true, true]);
    let mut engine = Engine::new(&group, 100);
    event(&mut engine, 0, 9, &[]);
    label(&mut engine, 0, 4, 1.0);
    label(&mut engine, 0, 2, 1.0);
    assert_eq!(event(&mut engine, 0, 5, &[]), [Some(1.0), Some(0.0), Some(2.0)]);
    assert_eq!(event(&mut engine, 0, 10, &[]), [Some(3.0), Some(2.0), Some(2.0)]);
}

#[test]
fn columns_are_shared_by_aggregates_that_see_the_same() {
    let stored = |skips: [bool; 5]| {
        let aggregates =
            [("n", "count()"), ("s", "sum(a)"), ("m", "max(a)"), ("g", "time_since_last()"), ("r", "sum(y)")];
        let engine = Engine::new(&group(&["10us"], "0s", &aggregates).skipping_late(skips), 0);
        engine.plan.series[EVENTS].columns.len()
    };
    assert_eq!(stored([false; 5]), 1, "`a`; who counts events needs none");
    assert_eq!(stored([true; 5]), 1, "late events are not stored at all");
    assert_eq!(stored([false, false, false, false, true]), 1, "an aggregate of the label skips nothing");
    assert_eq!(stored([false, true, true, false, false]), 1);
    assert_eq!(stored([false, true, false, false, false]), 2, "`a` of all events, and `a` without late ones");
    assert_eq!(stored([true, false, false, true, false]), 2, "`a`, and the ones that two aggregates count");
}

#[test]
fn state_of_another_policy_is_refused() {
    let grouped = |skips: [bool; 2]| group(&["10us"], "0s", &[("s", "sum(a)"), ("t", "sum(a)")]).skipping_late(skips);
    let mut engine = Engine::new(&grouped([false, true]), 100);
    event(&mut engine, 0, 5, &[Some(1.0)]);
    event(&mut engine, 0, 3, &[Some(2.0)]);
    let mut bytes = Vec::new();
    engine.snapshot(&mut bytes);
    let mut restored = Engine::new(&grouped([false, true]), 100);
    restored.restore(&bytes).unwrap();
    assert_eq!(event(&mut restored, 0, 6, &[Some(4.0)]), [Some(7.0), Some(5.0)]);
    assert_eq!(Engine::new(&grouped([false, false]), 100).restore(&bytes), Err(Error::Layout));
    assert_eq!(Engine::new(&grouped([true, false]), 100).restore(&bytes), Err(Error::Layout));
}
