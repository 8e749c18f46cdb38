//! Mistakes in monitors and retraining.

use expect_test::expect;

use super::check;

#[test]
fn a_monitor_needs_a_model() {
    check(
        "model: risk",
        "model: rsik",
        expect![[r#"
        56 TM0009: there is no model `rsik`
            model: rsik
                   ^^^^
            did you mean `risk`?
    "#]],
    );
    check(
        "    model: risk\n",
        "",
        expect![[r#"
        55 TM0003: monitor `inputs` needs `model`
            inputs:
            ^^^^^^
    "#]],
    );
}

#[test]
fn drift_thresholds_must_be_in_order() {
    check(
        "warn: 0.1, alarm: 0.2",
        "warn: 0.3, alarm: 0.2",
        expect![[r#"
        58 TM0016: `warn` 0.3 is above `alarm` 0.2
            psi: { features: [amount, buyer_orders_7d], warn: 0.3, alarm: 0.2 }
                                                              ^^^
    "#]],
    );
    check(
        "warn: 0.1, alarm: 0.2",
        "warn: 0.3",
        expect![[r#"
        58 TM0016: `warn` 0.3 is above `alarm` 0.25
            psi: { features: [amount, buyer_orders_7d], warn: 0.3 }
                                                              ^^^
    "#]],
    );
    check(
        "warn: 0.1",
        "warn: 0",
        expect![[r#"
        58 TM0006: `warn` must be above 0, not 0
            psi: { features: [amount, buyer_orders_7d], warn: 0, alarm: 0.2 }
                                                              ^
    "#]],
    );
    check(
        "warn: 0.1",
        "warn: some",
        expect![[r#"
        58 TM0004: `warn` must be a number, not a text
            psi: { features: [amount, buyer_orders_7d], warn: some, alarm: 0.2 }
                                                              ^^^^
    "#]],
    );
}

#[test]
fn only_inputs_of_the_model_can_be_watched() {
    check(
        "[amount, buyer_orders_7d]",
        "[amount, buyer_orders_8d]",
        expect![[r#"
        58 TM0015: `buyer_orders_8d` is no input of the model
            psi: { features: [amount, buyer_orders_8d], warn: 0.1, alarm: 0.2 }
                                      ^^^^^^^^^^^^^^^
            did you mean `buyer_orders_7d`?
    "#]],
    );
    check(
        "[amount, buyer_orders_7d]",
        "everything",
        expect![[r#"
        58 TM0004: `features` must be a list, not a text
            psi: { features: everything, warn: 0.1, alarm: 0.2 }
                             ^^^^^^^^^^
            write `features: [a, b]`
    "#]],
    );
    check(
        "window: 1d\n",
        "window: 0d\n",
        expect![[r#"
        57 TM0006: `window` must be longer than nothing
            window: 0d
                    ^^
    "#]],
    );
    check(
        "min_events: 100",
        "min_events: 0",
        expect![[r#"
        59 TM0006: `min_events` must be at least 1, not 0
            min_events: 0
                        ^
    "#]],
    );
}

#[test]
fn retraining_needs_something_that_asks_for_it() {
    check(
        "on: [drift]",
        "on: [drfit]",
        expect![[r#"
        61 TM0008: `drfit` is no choice for `on`
            on: [drfit]
                 ^^^^^
            did you mean `drift`?
    "#]],
    );
    check(
        "on: [drift]",
        "on: drift",
        expect![[r#"
        61 TM0004: `on` must be a list, not a text
            on: drift
                ^^^^^
            write `on: [a, b]`
    "#]],
    );
    check(
        "  on: [drift]\n",
        "",
        expect![[r#"
        60 TM0003: `retraining` needs `on`
            retraining:
            ^^^^^^^^^^
    "#]],
    );
    check(
        "promote: if_better",
        "promote: always",
        expect![[r#"
        64 TM0008: `always` is no choice for `promote`
            promote: always
                     ^^^^^^
            known: `if_better`, `manual`
    "#]],
    );
    check(
        "label_delay: 7d",
        "label_delay: 91d",
        expect![[r#"
        63 TM0016: `label_delay` is longer than the `horizon` of the labels
            label_delay: 91d
                         ^^^
    "#]],
    );
}

#[test]
fn retraining_on_drift_needs_a_monitor() {
    check(
        "monitors:\n  inputs:\n    model: risk\n    window: 1d\n    psi: { features: [amount, buyer_orders_7d], warn: 0.1, alarm: 0.2 }\n    min_events: 100\n",
        "",
        expect![[r#"
        55 TM0003: retraining on drift needs a monitor that finds it
            on: [drift]
                ^
            declare one under `monitors`
    "#]],
    );
}
