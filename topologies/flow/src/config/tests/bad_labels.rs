//! Mistakes in labels and horizons.

use expect_test::expect;

use super::check;

#[test]
fn labels_must_be_for_the_source_of_events() {
    check(
        "labels: orders",
        "labels: order",
        expect![[r#"
        23 TM0009: `order` is no source of events
            labels: order
                    ^^^^^
            did you mean `orders`?
    "#]],
    );
    check(
        "labels: orders",
        "labels:",
        expect![[r#"
        20 TM0003: source `returns` needs `labels`
            returns:
            ^^^^^^^
    "#]],
    );
}

#[test]
fn a_label_that_events_already_carry_is_refused() {
    check(
        "target: returned\n    known",
        "target: order_id\n    known",
        expect![[r#"
        10 TM0017: the label `order_id` is also a column of `shop/Order.avsc`
            schema: shop/Order.avsc
                    ^^^^^^^^^^^^^^^
            take it out of the events: a model that sees its label learns nothing else
        46 TM0011: `returned` is no column of `shop/Order.avsc`
            returns: coalesce(avg(returned), 0)
                                  ^^^^^^^^
            known: `order_id`, `time`, `buyer_id`, `seller_id`, `amount`, `country`, `Gift`, `lines`, `order_id`
        49 TM0009: `returned` is not the label of source `returns`
            target: returned
                    ^^^^^^^^
            known: `order_id`
    "#]],
    );
}

#[test]
fn unknown_policies_are_refused() {
    check(
        "policy: first",
        "policy: reject",
        expect![[r#"
        28 TM0008: `reject` is no choice for `policy`
            policy: reject
                    ^^^^^^
            known: `first`, `last`
    "#]],
    );
    check(
        "on_fail: reject",
        "on_fail: warn",
        expect![[r#"
        19 TM0008: `warn` is no choice for `on_fail`
            cheap: { check: amount < 500 and country is not null, on_fail: warn }
                                                                           ^^^^
            known: `reject`, `flag`, `impute`
    "#]],
    );
}

#[test]
fn a_horizon_must_fit_what_it_serves() {
    check(
        "dedupe_horizon: 1h",
        "dedupe_horizon: 5m",
        expect![[r#"
        13 TM0016: `dedupe_horizon` is shorter than `lateness`
            dedupe_horizon: 5m
                            ^^
            a copy may come as late as any event: make the horizon at least as long
    "#]],
    );
    check(
        "horizon: 90d",
        "horizon: 0s",
        expect![[r#"
        27 TM0006: `horizon` must be longer than nothing
            horizon: 0s
                     ^^
        63 TM0016: `label_delay` is longer than the `horizon` of the labels
            label_delay: 7d
                         ^^
    "#]],
    );
    check(
        "horizon: 90d",
        "horizon: 5d",
        expect![[r#"
        63 TM0016: `label_delay` is longer than the `horizon` of the labels
            label_delay: 7d
                         ^^
    "#]],
    );
}
