//! Mistakes in windows and aggregates.

use expect_test::expect;

use super::{changed, check, check_file};
use crate::config::WINDOWS_MAX;

#[test]
fn windows_must_be_durations_and_differ() {
    check(
        "[1h, 7d]",
        "[1h, 7]",
        expect![[r#"
        36 TM0007: `windows` must be a duration, not `7` without a unit
            windows: [1h, 7]
                          ^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "[1h, 7d]",
        "[1h, 60m]",
        expect![[r#"
        36 TM0013: window `60m` is as long as `1h`
            windows: [1h, 60m]
                          ^^^
    "#]],
    );
    check(
        "[1h, 7d]",
        "[0s]",
        expect![[r#"
        36 TM0006: a window must be longer than nothing
            windows: [0s]
                      ^^
    "#]],
    );
    check(
        "[1h, 7d]",
        "[]",
        expect![[r#"
        34 TM0003: entity `buyer` needs `windows` for its aggregates
            buyer:
            ^^^^^
            add `windows: [1d, 7d]`
    "#]],
    );
    check(
        "[1h, 7d]",
        "1h",
        expect![[r#"
        34 TM0003: entity `buyer` needs `windows` for its aggregates
            buyer:
            ^^^^^
            add `windows: [1d, 7d]`
        36 TM0004: `windows` must be a list, not a text
            windows: 1h
                     ^^
            write `windows: [a, b]`
    "#]],
    );
    check(
        "      windows: [1h, 7d]\n",
        "",
        expect![[r#"
        34 TM0003: entity `buyer` needs `windows` for its aggregates
            buyer:
            ^^^^^
            add `windows: [1d, 7d]`
    "#]],
    );
    check(
        "[1h, 7d]",
        "[1w]",
        expect![[r#"
        36 TM0007: `windows` must be a duration, not `1w`
            windows: [1w]
                      ^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
}

#[test]
fn a_delay_must_be_a_duration() {
    check(
        "      delay: 7d",
        "      delay: 7",
        expect![[r#"
        44 TM0007: `delay` must be a duration, not `7` without a unit
            delay: 7
                   ^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "      delay: 7d",
        "      delay: soon",
        expect![[r#"
        44 TM0007: `delay` must be a duration, not `soon`
            delay: soon
                   ^^^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
}

#[test]
fn an_aggregate_must_aggregate() {
    check(
        "count()",
        "cuont()",
        expect![[r#"
        38 TM0014: `cuont` is no aggregate
            orders: cuont()
                    ^^^^^
            did you mean `count`?
    "#]],
    );
    check(
        "count()",
        "amount",
        expect![[r#"
        38 TM0014: `amount` aggregates nothing
            orders: amount
                    ^^^^^^
            use one of `count`, `sum`, `avg`, `min`, `max`, `stddev`, `first`, `rate`, `distinct`, `quantile`, `most_frequent`, `last`, `time_since_last`, `ratio`, `decayed_count`, `decayed_sum`, `decayed_avg`
    "#]],
    );
    check(
        "count()",
        "",
        expect![[r#"
            38 TM0004: `orders` must be a text, not nothing
                orders:
                      ^
        "#]],
    );
    check(
        "count()",
        "7",
        expect![[r#"
        38 TM0004: `orders` must be a text, not a number
            orders: 7
                    ^
            write `"7"`, in quotes, if you mean the text
    "#]],
    );
    check(
        "sum(amount)",
        "sum(amont)",
        expect![[r#"
        39 TM0011: `amont` is no column of `shop/Order.avsc`
            spent: sum(amont)
                       ^^^^^
            did you mean `amount`?
    "#]],
    );
    check(
        "sum(amount)",
        "\"sum('amount)\"",
        expect![[r#"
        39 TM0014: a ' is never closed
            spent: "sum('amount)"
                   ^^^^^^^^^^^^^^
            an expression is SQL: `amount >= 0 and amount < 100000`
    "#]],
    );
    check(
        "avg(returned)",
        "avg(retruned)",
        expect![[r#"
        46 TM0011: `retruned` is no column of `shop/Order.avsc`
            returns: coalesce(avg(retruned), 0)
                                  ^^^^^^^^
            did you mean `returned`?
    "#]],
    );
}

#[test]
fn an_aggregate_of_no_window_needs_one_to_look_back_over() {
    let yaml = changed("      windows: [30d]\n", "")
        .replace("returns: coalesce(avg(returned), 0)", "gap: time_since_last()")
        .replace("seller_returns_30d", "seller.*");
    check_file(
        &yaml,
        expect![[r#"
        41 TM0003: entity `seller` needs `windows` for its aggregates
            seller:
            ^^^^^^
            add `windows: [1d, 7d]`
    "#]],
    );
}

#[test]
fn windows_are_limited() {
    let windows: Vec<String> = (1..=WINDOWS_MAX + 1).map(|days| format!("{days}d")).collect();
    check(
        "[30d]",
        &format!("[{}]", windows.join(", ")),
        expect![[r#"
        43 TM0006: an entity has at most 16 windows, not 17
            windows: [1d, 2d, 3d, 4d, 5d, 6d, 7d, 8d, 9d, 10d, 11d, 12d, 13d, 14d, 15d, 16d, 17d]
                                                                                             ^^^
    "#]],
    );
}
