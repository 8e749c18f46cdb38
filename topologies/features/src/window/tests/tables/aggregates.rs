//! What each of the other aggregates is.

use super::super::{Engine, event, group};
use super::{INF, NAN, check};

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
fn a_rate_follows_its_sum_through_nan_and_infinities() {
    check(
        &["2s"],
        "0s",
        "rate(a)",
        &[
            (0, Some(NAN), Some(NAN)),
            (1, Some(3.0), Some(NAN)),
            (2_000_000, None, Some(1.5)),
            (2_000_001, Some(INF), Some(INF)),
            (2_000_002, Some(-INF), Some(NAN)),
            (4_000_001, Some(-0.0), Some(-INF)),
            (4_000_002, None, Some(0.0)),
        ],
    );
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
fn what_decays_follows_nan_and_infinities_until_they_are_too_old() {
    let rows = |expected: [f64; 9]| {
        let values = [
            (0, Some(NAN)),
            (10, Some(4.0)),
            (319, None),
            (320, None),
            (330, Some(INF)),
            (340, Some(-INF)),
            (650, Some(1.0)),
            (660, Some(-0.0)),
            (970, None),
        ];
        std::array::from_fn::<_, 9, _>(|row| (values[row].0, values[row].1, Some(expected[row])))
    };
    let sums = [NAN, NAN, NAN, 2_f64.powi(-29), INF, NAN, -INF, 0.5, 0.0];
    check(&["1s"], "0s", "decayed_sum(a, 10us)", &rows(sums));
    check(&["1s"], "0s", "decayed_avg(a, 10us)", &rows([NAN, NAN, NAN, 4.0, INF, NAN, -INF, 0.5 / 1.5, 0.0]));
    check(
        &["1s"],
        "0s",
        "decayed_count(a, 10us)",
        &[
            (0, Some(NAN), Some(1.0)),
            (10, Some(INF), Some(1.5)),
            (20, Some(-0.0), Some(1.75)),
            (320, None, Some(2_f64.powi(-31) + 2_f64.powi(-30))),
        ],
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
