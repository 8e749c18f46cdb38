//! Mistakes in models, monitors and retraining.

use expect_test::expect;

use super::check;

#[test]
fn a_model_needs_target_inputs_and_network() {
    check(
        "    target: returned\n    inputs",
        "    inputs",
        expect![[r#"
        48 TM0003: model `risk` needs `target`
            risk:
            ^^^^
    "#]],
    );
    check(
        "    network: { mlp: [16, 8] }\n",
        "",
        expect![[r#"
        48 TM0003: model `risk` needs `network`
            risk:
            ^^^^
    "#]],
    );
    check(
        "    inputs: [amount, row.*, buyer.*, seller_returns_30d]\n",
        "",
        expect![[r#"
        48 TM0003: model `risk` needs `inputs`
            risk:
            ^^^^
    "#]],
    );
    check(
        "inputs: [amount, row.*, buyer.*, seller_returns_30d]",
        "inputs: amount",
        expect![[r#"
        50 TM0004: `inputs` must be a list, not a text
            inputs: amount
                    ^^^^^^
            write `inputs: [a, b]`
    "#]],
    );
    check(
        "inputs: [amount, row.*, buyer.*, seller_returns_30d]",
        "inputs: []",
        expect![[r#"
        50 TM0006: a model needs at least one input
            inputs: []
                    ^
    "#]],
    );
}

#[test]
fn a_target_must_be_the_label() {
    check(
        "target: returned\n    inputs",
        "target: return\n    inputs",
        expect![[r#"
        49 TM0009: `return` is not the label of source `returns`
            target: return
                    ^^^^^^
            did you mean `returned`?
    "#]],
    );
    check(
        "target: returned\n    inputs",
        "target: amount\n    inputs",
        expect![[r#"
        49 TM0009: `amount` is not the label of source `returns`
            target: amount
                    ^^^^^^
            known: `returned`
    "#]],
    );
}

#[test]
fn an_input_must_match_something() {
    check(
        "row.*, ",
        "rows.*, ",
        expect![[r#"
        50 TM0015: `rows.*` is no column, feature or group of features
            inputs: [amount, rows.*, buyer.*, seller_returns_30d]
                             ^^^^^^
            did you mean `row.*`?
    "#]],
    );
    check(
        "row.*, ",
        "buyer_orders_8d, ",
        expect![[r#"
        50 TM0015: `buyer_orders_8d` is no column, feature or group of features
            inputs: [amount, buyer_orders_8d, buyer.*, seller_returns_30d]
                             ^^^^^^^^^^^^^^^
            did you mean `buyer_orders_7d`?
    "#]],
    );
    check(
        "row.*, ",
        "buyer.spnt, ",
        expect![[r#"
        50 TM0015: `buyer.spnt` is no column, feature or group of features
            inputs: [amount, buyer.spnt, buyer.*, seller_returns_30d]
                             ^^^^^^^^^^
    "#]],
    );
    check(
        "row.*, ",
        "returned, ",
        expect![[r#"
        50 TM0017: `returned` is the label, which is not known when an event is scored
            inputs: [amount, returned, buyer.*, seller_returns_30d]
                             ^^^^^^^^
    "#]],
    );
    check(
        "row.*, ",
        "country, ",
        expect![[r#"
        50 TM0012: `country` is a text and cannot be an input
            inputs: [amount, country, buyer.*, seller_returns_30d]
                             ^^^^^^^
            make a number of it in a row feature
    "#]],
    );
    check(
        "row.*, ",
        "lines, ",
        expect![[r#"
        50 TM0012: `lines` is of a type that only travels along and cannot be an input
            inputs: [amount, lines, buyer.*, seller_returns_30d]
                             ^^^^^
            make a number of it in a row feature
    "#]],
    );
    check(
        "row.*, ",
        "amount, ",
        expect![[r#"
        50 TM0013: `amount` gives input `amount` a second time
            inputs: [amount, amount, buyer.*, seller_returns_30d]
                             ^^^^^^
    "#]],
    );
    check(
        "row.*, ",
        "buyer_spent_1h, ",
        expect![[r#"
        50 TM0013: `buyer.*` gives input `buyer_spent_1h` a second time
            inputs: [amount, buyer_spent_1h, buyer.*, seller_returns_30d]
                                             ^^^^^^^
    "#]],
    );
    check(
        "row.*, ",
        "7, ",
        expect![[r#"
        50 TM0004: `inputs` must be a text, not a number
            inputs: [amount, 7, buyer.*, seller_returns_30d]
                             ^
    "#]],
    );
}

#[test]
fn a_network_must_be_known() {
    check(
        "{ mlp: [16, 8] }",
        "{ mpl: [16, 8] }",
        expect![[r#"
        51 TM0008: `mpl` is no network
            network: { mpl: [16, 8] }
                       ^^^
            did you mean `mlp`?
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ mlp: [] }",
        expect![[r#"
        51 TM0006: `mlp` must have from 1 to 16 hidden layers, not 0
            network: { mlp: [] }
                            ^
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ mlp: [0] }",
        expect![[r#"
        51 TM0006: `mlp` must be from 1 to 65536, not 0
            network: { mlp: [0] }
                             ^
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ mlp: 16 }",
        expect![[r#"
        51 TM0004: `mlp` must be a list of layer widths
            network: { mlp: 16 }
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ linear: false }",
        expect![[r#"
        51 TM0004: `network` must be one of `linear: true` and `mlp: [..]`
            network: { linear: false }
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ linear: true, mlp: [8] }",
        expect![[r#"
        51 TM0004: `network` must be one of `linear: true` and `mlp: [..]`
            network: { linear: true, mlp: [8] }
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "lstm",
        expect![[r#"
        51 TM0004: `lstm` is no network
            network: lstm
                     ^^^^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "[16, 8]",
        expect![[r#"
        51 TM0004: `network` must be a map, not a list
            network: [16, 8]
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
}

#[test]
fn training_settings_have_ranges() {
    check(
        "epochs: 5",
        "epochs: 0",
        expect![[r#"
        52 TM0006: `epochs` must be from 1 to 10000, not 0
            training: { epochs: 0, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                ^
    "#]],
    );
    check(
        "epochs: 5",
        "epoch: 5",
        expect![[r#"
        52 TM0002: `training` has no setting `epoch`
            training: { epoch: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                        ^^^^^
            did you mean `epochs`?
    "#]],
    );
    check(
        "batch_size: 32",
        "batch_size: -1",
        expect![[r#"
        52 TM0006: `batch_size` must be from 1 to 1048576, not -1
            training: { epochs: 5, batch_size: -1, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                               ^^
    "#]],
    );
    check(
        "learning_rate: 0.01",
        "learning_rate: 0",
        expect![[r#"
        52 TM0006: `learning_rate` must be above 0, not 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                  ^
    "#]],
    );
    check(
        "learning_rate: 0.01",
        "learning_rate: fast",
        expect![[r#"
        52 TM0004: `learning_rate` must be a number, not a text
            training: { epochs: 5, batch_size: 32, learning_rate: fast, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                  ^^^^
    "#]],
    );
    check(
        "dropout: 0.1",
        "dropout: 1",
        expect![[r#"
        52 TM0006: `dropout` must be at least 0 and below 1, not 1
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                                 ^
    "#]],
    );
    check(
        "l2: 0.001",
        "l2: -0.001",
        expect![[r#"
        52 TM0006: `l2` must be at least 0, not -0.001
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: -0.001, class_weight: balanced, early_stopping: 2 }
                                                                                          ^^^^^^
    "#]],
    );
    check(
        "class_weight: balanced",
        "class_weight: blanced",
        expect![[r#"
        52 TM0008: `blanced` is no choice for `class_weight`
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: blanced, early_stopping: 2 }
                                                                                                               ^^^^^^^
            did you mean `balanced`?
    "#]],
    );
    check(
        "class_weight: balanced",
        "class_weight: 0",
        expect![[r#"
        52 TM0006: `class_weight` must be above 0, not 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: 0, early_stopping: 2 }
                                                                                                               ^
    "#]],
    );
    check(
        "early_stopping: 2",
        "early_stopping: 0",
        expect![[r#"
        52 TM0006: `early_stopping` must be from 1 to 10000, not 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 0 }
                                                                                                                                         ^
    "#]],
    );
    check(
        "early_stopping: 2",
        "early_stopping: 2, validation_share: 0",
        expect![[r#"
        52 TM0016: `early_stopping` needs a `validation_share` above 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2, validation_share: 0 }
                                                                                                                                         ^
    "#]],
    );
    check(
        "early_stopping: 2",
        "window: 0d",
        expect![[r#"
        52 TM0006: `window` must be longer than nothing
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, window: 0d }
                                                                                                                                 ^^
    "#]],
    );
    check(
        "early_stopping: 2",
        "seed: -1",
        expect![[r#"
        52 TM0006: `seed` must be at least 0, not -1
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, seed: -1 }
                                                                                                                               ^^
    "#]],
    );
}

#[test]
fn an_alert_needs_a_capacity() {
    check(
        "top_per_day: 10",
        "top: 10",
        expect![[r#"
        53 TM0003: `alert` needs `top_per_day`
            alert: { top: 10 }
            ^^^^^
        53 TM0002: `alert` has no setting `top`
            alert: { top: 10 }
                     ^^^
            known: `top_per_day`
    "#]],
    );
    check(
        "top_per_day: 10",
        "top_per_day: 0",
        expect![[r#"
        53 TM0006: `top_per_day` must be from 1 to 4294967295, not 0
            alert: { top_per_day: 0 }
                                  ^
    "#]],
    );
    check(
        "alert: { top_per_day: 10 }",
        "alert: 10",
        expect![[r#"
        53 TM0004: `alert` must be a map, not a number
            alert: 10
                   ^^
    "#]],
    );
}

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
