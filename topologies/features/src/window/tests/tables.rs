//! Cases worked out by hand.

use super::{Engine, event, group, label};

/// Applies events (time, value of `a`) of one key and checks the one feature of each.
#[track_caller]
fn check(windows: &[&str], delay: &str, aggregate: &str, rows: &[(i64, Option<f64>, Option<f64>)]) {
    let group = group(windows, delay, &[("f", aggregate)]);
    let mut engine = Engine::new(&group, 100);
    for (number, (time_us, value, expected)) in rows.iter().enumerate() {
        let values: Vec<Option<f64>> = group.inputs().iter().map(|_| *value).collect();
        let found = event(&mut engine, 0, *time_us, &values)[0];
        let same = found.map(f64::to_bits) == expected.map(f64::to_bits);
        assert!(same, "row {number} at {time_us}: {found:?}, expected {expected:?}");
    }
}

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

#[test]
fn window_is_open_at_its_beginning_and_closed_at_its_end() {
    let rows = [
        (0, None, Some(1.0)),
        (9, None, Some(2.0)),
        (10, None, Some(2.0)),
        (19, None, Some(2.0)),
        (20, None, Some(2.0)),
    ];
    check(&["10us"], "0s", "count()", &rows);
}

#[test]
fn ties_count_in_order_of_application() {
    check(
        &["10us"],
        "0s",
        "count()",
        &[
            (5, None, Some(1.0)),
            (5, None, Some(2.0)),
            (5, None, Some(3.0)),
            (14, None, Some(4.0)),
            (15, None, Some(2.0)),
        ],
    );
}

#[test]
fn delayed_window_leaves_the_newest_out() {
    let rows = [
        (0, None, Some(0.0)),
        (6, None, Some(0.0)),
        (7, None, Some(1.0)),
        (13, None, Some(2.0)),
        (17, None, Some(2.0)),
        (20, None, Some(3.0)),
        (24, None, Some(2.0)),
    ];
    check(&["10us"], "7us", "count()", &rows);
}

#[test]
fn null_is_skipped_and_no_value_is_null() {
    check(
        &["10us"],
        "0s",
        "sum(a)",
        &[(0, None, None), (1, Some(2.5), Some(2.5)), (2, None, Some(2.5)), (11, None, None)],
    );
    check(
        &["10us"],
        "0s",
        "coalesce(sum(a), 0)",
        &[(0, None, Some(0.0)), (1, Some(2.5), Some(2.5)), (11, None, Some(0.0))],
    );
    check(&["10us"], "0s", "count(a)", &[(0, None, Some(0.0)), (1, Some(2.5), Some(1.0)), (11, None, Some(0.0))]);
    check(
        &["10us"],
        "0s",
        "stddev(a)",
        &[(0, Some(1.0), None), (1, Some(4.0), Some(4.5_f64.sqrt())), (10, Some(4.0), Some(0.0))],
    );
}

#[test]
fn nan_is_seen_while_it_is_inside_and_never_after() {
    for aggregate in ["sum(a)", "avg(a)", "min(a)", "max(a)"] {
        let rows = [
            (0, Some(3.0), Some(3.0)),
            (1, Some(NAN), Some(NAN)),
            (10, Some(NAN), Some(NAN)),
            (19, None, Some(NAN)),
            (20, Some(4.0), Some(4.0)),
        ];
        check(&["10us"], "0s", aggregate, &rows);
    }
}

#[test]
fn infinities_pass_through_and_leave_no_trace() {
    check(
        &["10us"],
        "0s",
        "sum(a)",
        &[
            (0, Some(1.0), Some(1.0)),
            (5, Some(INF), Some(INF)),
            (6, Some(-INF), Some(NAN)),
            (15, Some(2.0), Some(-INF)),
            (16, Some(0.5), Some(2.5)),
        ],
    );
    check(
        &["10us"],
        "0s",
        "max(a)",
        &[(0, Some(1.0), Some(1.0)), (5, Some(INF), Some(INF)), (15, Some(2.0), Some(2.0))],
    );
}

#[test]
fn zeros_have_an_order_and_sums_of_zeros_no_sign() {
    check(
        &["10us"],
        "0s",
        "min(a)",
        &[(0, Some(0.0), Some(0.0)), (1, Some(-0.0), Some(-0.0)), (2, Some(0.0), Some(-0.0))],
    );
    check(
        &["10us"],
        "0s",
        "max(a)",
        &[(0, Some(-0.0), Some(-0.0)), (1, Some(0.0), Some(0.0)), (2, Some(-0.0), Some(0.0))],
    );
    check(&["10us"], "0s", "sum(a)", &[(0, Some(-0.0), Some(0.0)), (1, Some(-0.0), Some(0.0))]);
}

#[test]
fn what_cancels_leaves_nothing_behind() {
    // In doubles 1e16 + 1 is 1e16, and a sum that adds and subtracts would have lost the 1 for good.
    check(
        &["10us"],
        "0s",
        "sum(a)",
        &[
            (0, Some(1.0), Some(1.0)),
            (1, Some(1e16), Some(1e16)),
            (2, Some(-1e16), Some(1.0)),
            (10, Some(0.25), Some(0.25)),
        ],
    );
    // Beyond two doubles, and beyond the largest double.
    check(
        &["10us"],
        "0s",
        "sum(a)",
        &[(0, Some(1e300), Some(1e300)), (5, Some(1e-300), Some(1e300)), (10, None, Some(1e-300))],
    );
    check(
        &["10us"],
        "0s",
        "sum(a)",
        &[(0, Some(1.5e308), Some(1.5e308)), (5, Some(1.5e308), Some(INF)), (10, None, Some(1.5e308))],
    );
    check(&["10us"], "0s", "avg(a)", &[(0, Some(1.5e308), Some(1.5e308)), (5, Some(1.5e308), Some(1.5e308))]);
}

#[test]
fn equal_values_deviate_by_nothing() {
    check(&["10us"], "0s", "stddev(a)", &[(0, Some(0.1), None), (1, Some(0.1), Some(0.0)), (2, Some(0.1), Some(0.0))]);
    // Three values 1 apart beside a mean of 1e15: the moments agree in all digits of a double.
    check(
        &["10us"],
        "0s",
        "stddev(a)",
        &[(0, Some(1e15), None), (1, Some(1e15 + 1.0), Some(0.5_f64.sqrt())), (2, Some(1e15 + 2.0), Some(1.0))],
    );
    check(&["10us"], "0s", "stddev(a)", &[(0, Some(-1e200), None), (1, Some(1e200), Some(2_f64.sqrt() * 1e200))]);
}

#[test]
fn last_looks_before_the_current_event_and_over_nulls() {
    check(
        &["2us", "10us"],
        "0s",
        "last(a)",
        &[
            (0, Some(1.0), None),
            (3, None, Some(1.0)),
            (4, Some(2.0), Some(1.0)),
            (4, Some(3.0), Some(2.0)),
            (14, None, None),
        ],
    );
    check(
        &["10us"],
        "5us",
        "last(a)",
        &[(0, Some(1.0), None), (4, Some(2.0), None), (5, Some(3.0), Some(1.0)), (9, None, Some(2.0))],
    );
    check(
        &["10s"],
        "0s",
        "time_since_last()",
        &[(0, None, None), (1_500_000, None, Some(1.5)), (1_500_000, None, Some(0.0)), (11_500_000, None, None)],
    );
}

#[test]
fn late_event_sees_its_own_window_and_later_ones_see_it() {
    check(
        &["10us"],
        "0s",
        "sum(a)",
        &[
            (0, Some(1.0), Some(1.0)),
            (8, Some(2.0), Some(3.0)),
            (20, Some(4.0), Some(4.0)),
            (9, Some(8.0), Some(11.0)),
            (12, Some(16.0), Some(26.0)),
            (21, None, Some(20.0)),
        ],
    );
    check(
        &["10us"],
        "0s",
        "max(a)",
        &[
            (0, Some(1.0), Some(1.0)),
            (20, Some(4.0), Some(4.0)),
            (12, Some(9.0), Some(9.0)),
            (21, Some(5.0), Some(9.0)),
            (22, None, Some(5.0)),
        ],
    );
}

#[test]
fn label_counts_from_its_application_at_its_event_time() {
    let group = group(&["10us"], "5us", &[("risk", "avg(y)"), ("tx", "count()")]);
    let mut engine = Engine::new(&group, 0);
    assert_eq!(event(&mut engine, 0, 100, &[]), [None, Some(0.0)]);
    assert_eq!(event(&mut engine, 0, 105, &[]), [None, Some(1.0)]);
    label(&mut engine, 0, 100, 1.0);
    assert_eq!(event(&mut engine, 0, 105, &[]), [Some(1.0), Some(1.0)]);
    label(&mut engine, 0, 105, 0.0);
    assert_eq!(event(&mut engine, 0, 109, &[]), [Some(1.0), Some(1.0)]);
    assert_eq!(event(&mut engine, 0, 110, &[]), [Some(0.5), Some(3.0)]);
    assert_eq!(event(&mut engine, 0, 115, &[]), [Some(0.0), Some(4.0)]);
}

#[test]
fn expired_keys_give_their_place_back() {
    let group = group(&["10us"], "0s", &[("n", "count()"), ("s", "sum(a)")]);
    let mut engine = Engine::new(&group, 0);
    for time_us in 0..1_000_i64 {
        let text = format!("k{time_us}");
        let mut out = [None; 2];
        engine.event(Some(crate::Key { hash: 3 << 56 | time_us as u64, text: &text }), time_us, &[Some(1.0)], &mut out);
        assert_eq!(out, [Some(1.0), Some(1.0)]);
    }
    assert!(engine.keys() < 50, "{} keys are left", engine.keys());
}

#[test]
fn groups_are_handed_over_one_by_one() {
    let group = group(&["10us"], "0s", &[("s", "sum(a)")]);
    let (mut from, mut to) = (Engine::new(&group, 0), Engine::new(&group, 0));
    for number in 0..6 {
        event(&mut from, number, 1, &[Some(f64::from(number))]);
    }
    let whole = from.digest();
    for key_group in 0..super::super::GROUPS {
        let mut bytes = Vec::new();
        from.snapshot_group(key_group, &mut bytes);
        from.drop_group(key_group);
        let touched = bytes.len() > 30;
        to.restore(&bytes).unwrap();
        assert_eq!(to.restore(&bytes).is_err(), touched);
    }
    assert_eq!((from.keys(), to.keys(), to.digest()), (0, 6, whole));
}

#[test]
fn damaged_snapshots_are_refused() {
    use super::super::Error;
    let group_a = group(&["10us"], "0s", &[("s", "sum(a)")]);
    let group_b = group(&["10us"], "1us", &[("s", "sum(a)")]);
    let mut engine = Engine::new(&group_a, 0);
    event(&mut engine, 0, 1, &[Some(2.0)]);
    let mut bytes = Vec::new();
    engine.snapshot(&mut bytes);
    assert_eq!(Engine::new(&group_b, 0).restore(&bytes), Err(Error::Layout));
    for length in 0..bytes.len() {
        assert!(matches!(Engine::new(&group_a, 0).restore(&bytes[..length]), Err(Error::Truncated(_))));
    }
    bytes.push(0);
    assert!(matches!(Engine::new(&group_a, 0).restore(&bytes), Err(Error::Damaged { .. })));
    bytes[0] = 9;
    assert_eq!(Engine::new(&group_a, 0).restore(&bytes), Err(Error::Version(9)));
}

#[test]
fn first_values_leave_with_the_window() {
    check(
        &["10us"],
        "0s",
        "first(a)",
        &[
            (0, None, None),
            (1, Some(5.0), Some(5.0)),
            (2, Some(-0.0), Some(5.0)),
            (2, Some(7.0), Some(5.0)),
            (11, Some(NAN), Some(-0.0)),
            (12, Some(1.0), Some(NAN)),
        ],
    );
    // A late one takes the first place.
    check(&["10us"], "0s", "first(a)", &[(5, Some(5.0), Some(5.0)), (3, Some(3.0), Some(3.0)), (6, None, Some(3.0))]);
}

#[test]
fn rates_are_per_second_of_the_window() {
    check(&["2s"], "0s", "rate()", &[(0, None, Some(0.5)), (1_000_000, None, Some(1.0)), (2_000_000, None, Some(1.0))]);
    check(&["2s"], "0s", "rate(a)", &[(0, None, None), (1, Some(3.0), Some(1.5)), (2_000_001, None, None)]);
}

#[test]
fn a_ratio_over_nothing_is_null() {
    let group = group(
        &["10us", "40us"],
        "5us",
        &[("n", "ratio(count(), 10us, 40us)"), ("s", "coalesce(ratio(sum(a), 10us, 40us), 9)")],
    );
    let mut engine = Engine::new(&group, 0);
    let mut at = |time_us, value| event(&mut engine, 0, time_us, &[Some(value)]);
    assert_eq!(at(0, 2.0), [None, Some(9.0)]);
    assert_eq!(at(5, -2.0), [Some(1.0), Some(1.0)]);
    assert_eq!(at(14, 5.0), [Some(1.0), Some(9.0)], "the sums are 0 and 0");
    assert_eq!(at(19, 1.0), [Some(2.0 / 3.0), Some(3.0 / 5.0)]);
    assert_eq!(at(44, 1.0), [Some(0.0), Some(9.0)], "no value above the line");
}

#[test]
fn what_decays_halves_with_each_half_life() {
    check(
        &["1s"],
        "0s",
        "decayed_sum(a, 10us)",
        &[
            (0, Some(8.0), Some(8.0)),
            (10, Some(1.0), Some(5.0)),
            (20, None, Some(2.5)),
            (320, None, Some(2_f64.powi(-31))),
        ],
    );
    check(&["1s"], "0s", "decayed_sum(a, 10us)", &[(0, Some(8.0), Some(8.0)), (320, None, None)]);
    check(
        &["1s"],
        "0s",
        "decayed_count(10us)",
        &[(0, None, Some(1.0)), (10, None, Some(1.5)), (5_000, None, Some(1.0))],
    );
    check(
        &["1s"],
        "0s",
        "decayed_avg(a, 10us)",
        &[(0, Some(8.0), Some(8.0)), (10, Some(2.0), Some(4.0)), (20, None, Some(4.0)), (400, None, None)],
    );
}

#[test]
fn a_value_is_distinct_once() {
    check(
        &["10us"],
        "0s",
        "distinct(a)",
        &[
            (0, None, Some(0.0)),
            (1, Some(5.0), Some(1.0)),
            (2, Some(0.0), Some(2.0)),
            (3, Some(-0.0), Some(2.0)),
            (4, Some(NAN), Some(3.0)),
            (5, Some(5.0), Some(3.0)),
            (12, None, Some(3.0)),
            (13, None, Some(2.0)),
            (40, None, Some(0.0)),
        ],
    );
}

#[test]
fn of_several_most_frequent_values_the_least_counts() {
    check(
        &["10us"],
        "0s",
        "most_frequent(a)",
        &[
            (0, None, None),
            (1, Some(7.0), Some(7.0)),
            (2, Some(3.0), Some(3.0)),
            (3, Some(7.0), Some(7.0)),
            (4, Some(3.0), Some(3.0)),
            (12, Some(7.0), Some(7.0)),
            (20, Some(-1.0), Some(-1.0)),
        ],
    );
}

#[test]
fn quantiles_are_the_middles_of_their_buckets() {
    // From 100 to 101 is one bucket, and so is each of the others from 64 to 128.
    check(
        &["10us"],
        "0s",
        "quantile(a, 0.5)",
        &[
            (0, None, None),
            (1, Some(100.25), Some(100.5)),
            (2, Some(120.0), Some(100.5)),
            (3, Some(110.0), Some(110.5)),
            (4, Some(-INF), Some(100.5)),
            (5, Some(NAN), Some(NAN)),
            (15, None, None),
        ],
    );
    check(&["10us"], "0s", "quantile(a, 0)", &[(0, Some(5e-324), Some(0.0)), (1, Some(-0.0), Some(0.0))]);
    check(&["10us"], "0s", "quantile(a, 1)", &[(0, Some(-2.0), Some(-2.015625)), (1, Some(INF), Some(INF))]);
}

#[test]
fn many_values_that_leave_give_their_memory_back() {
    let aggregates = [("d", "distinct(a)"), ("m", "most_frequent(a)"), ("q", "quantile(a, 0.9)")];
    let group = group(&["1s", "10s"], "0s", &aggregates);
    let mut engine = Engine::new(&group, 0);
    let small = |engine: &Engine| (engine.states.used_bytes(&engine.plan), engine.bytes());
    event(&mut engine, 0, 0, &[Some(0.0)]);
    let (used, all) = small(&engine);
    for number in 0..10_000 {
        let found = event(&mut engine, 0, number, &[Some(f64::from(number as i32 % 5_000))]);
        assert_eq!(found[0], Some((number + 1).min(5_000) as f64));
    }
    let (used_then, all_then) = small(&engine);
    assert!(used_then > used + 200_000 && all_then >= used_then, "{used_then} and {all_then} bytes");
    for step in 0..100 {
        let found = event(&mut engine, 0, 9_990_000 + step * 300, &[Some(2.0)]);
        assert_eq!(found[0], Some(1.0));
    }
    let (used_now, all_now) = small(&engine);
    assert!(used_now < used + 10_000 && all_now < all + 10_000, "{used_now} and {all_now} bytes");
}

#[test]
fn a_late_event_that_is_skipped_is_seen_by_none() {
    let aggregates = [("s", "sum(a)"), ("n", "count()"), ("l", "last(a)")];
    let group = group(&["10us"], "0s", &aggregates).skipping_late();
    let mut engine = Engine::new(&group, 100);
    let mut at = |time_us, value| event(&mut engine, 0, time_us, &[Some(value)]);
    assert_eq!(at(0, 1.0), [Some(1.0), Some(1.0), None]);
    assert_eq!(at(8, 2.0), [Some(3.0), Some(2.0), Some(1.0)]);
    assert_eq!(at(5, 64.0), [Some(1.0), Some(1.0), Some(1.0)], "the features of its time without itself");
    assert_eq!(at(8, 4.0), [Some(7.0), Some(3.0), Some(2.0)], "one at the newest time is not late");
    assert_eq!(at(9, 8.0), [Some(15.0), Some(4.0), Some(4.0)]);
}
