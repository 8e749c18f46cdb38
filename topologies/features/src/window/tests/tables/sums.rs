//! Counts, sums, means, deviations and extremes: of nothing, of NaN, of what cancels.

use super::{INF, NAN, check};

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
fn a_mean_follows_its_sum_through_infinities() {
    check(
        &["10us"],
        "0s",
        "avg(a)",
        &[
            (0, Some(1.0), Some(1.0)),
            (5, Some(INF), Some(INF)),
            (6, Some(-INF), Some(NAN)),
            (15, Some(2.0), Some(-INF)),
            (16, Some(0.5), Some(1.25)),
        ],
    );
    check(&["10us"], "0s", "avg(a)", &[(0, Some(-0.0), Some(0.0)), (1, Some(-0.0), Some(0.0))]);
}

#[test]
fn nothing_deviates_from_what_is_not_finite() {
    let deviates = 2_f64.sqrt();
    check(
        &["10us"],
        "0s",
        "stddev(a)",
        &[
            (0, Some(NAN), None),
            (1, Some(1.0), Some(NAN)),
            (5, Some(3.0), Some(NAN)),
            (10, None, Some(deviates)),
            (11, Some(5.0), Some(deviates)),
        ],
    );
    check(
        &["10us"],
        "0s",
        "stddev(a)",
        &[
            (0, Some(1.0), None),
            (1, Some(INF), Some(NAN)),
            (2, Some(-INF), Some(NAN)),
            (11, Some(2.0), Some(NAN)),
            (12, Some(4.0), Some(deviates)),
        ],
    );
    check(
        &["10us"],
        "0s",
        "stddev(a)",
        &[(0, Some(-0.0), None), (1, Some(0.0), Some(0.0)), (2, Some(-0.0), Some(0.0))],
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
