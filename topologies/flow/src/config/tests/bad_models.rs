//! Mistakes in models.

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
        "time, ",
        expect![[r#"
        50 TM0012: `time` is a time and cannot be an input
            inputs: [amount, time, buyer.*, seller_returns_30d]
                             ^^^^
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
            write `"7"`, in quotes, if you mean the text
    "#]],
    );
}

#[test]
fn an_alert_needs_a_capacity() {
    check(
        "top_per_day: 10",
        "top: 10",
        expect![[r#"
        53 TM0003: `alert` needs `top_per_day` or `above`
            alert: { top: 10 }
            ^^^^^
        53 TM0002: `alert` has no setting `top`
            alert: { top: 10 }
                     ^^^
            known: `top_per_day`, `above`
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
