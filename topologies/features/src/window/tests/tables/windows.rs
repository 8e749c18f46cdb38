//! Which events a window holds: its ends, ties, delays, late events, labels.

use super::super::{Engine, event, group, label};
use super::check;

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
