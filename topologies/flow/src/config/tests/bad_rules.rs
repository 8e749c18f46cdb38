//! Mistakes in rules and bounds of fields.

use expect_test::expect;

use super::check;

#[test]
fn field_bounds_must_make_sense() {
    check(
        "min: 0, max: 1000",
        "min: 5, max: 1",
        expect![[r#"
        16 TM0016: `min` 5 is above `max` 1
            amount: { min: 5, max: 1 }
                                   ^
    "#]],
    );
    check(
        "min: 0, max: 1000",
        "min: low",
        expect![[r#"
        16 TM0004: `min` must be a number, not a text
            amount: { min: low }
                           ^^^
    "#]],
    );
    check(
        "min: 0, max: 1000",
        "min: .inf",
        expect![[r#"
        16 TM0001: non-finite float `.inf` rejected by the configured policy
            amount: { min: .inf }
                           ^^^^
            check indentation, and quote texts that contain `: ` or ` #`
    "#]],
    );
    check(
        "amount: {",
        "amuont: {",
        expect![[r#"
        16 TM0011: `amuont` is no column of `shop/Order.avsc`
            amuont: { min: 0, max: 1000 }
            ^^^^^^
            did you mean `amount`?
    "#]],
    );
    check(
        "enum: [DE, FR]",
        "min: 1",
        expect![[r#"
        17 TM0012: `country` holds no numbers, so it has no `min` and `max`
            country: { min: 1, required: true }
            ^^^^^^^
    "#]],
    );
    check(
        "enum: [DE, FR]",
        "enum: []",
        expect![[r#"
        17 TM0006: `enum` allows no value at all
            country: { enum: [], required: true }
                             ^
    "#]],
    );
    check(
        "enum: [DE, FR]",
        "enum: [1, true]",
        expect![[r#"
        17 TM0012: no value of the column is `1`
            country: { enum: [1, true], required: true }
                              ^
            write `"1"`
        17 TM0012: no value of the column is `true`
            country: { enum: [1, true], required: true }
                                 ^^^^
            write `"true"`
    "#]],
    );
    check(
        "enum: [DE, FR]",
        "enum: DE",
        expect![[r#"
        17 TM0004: `enum` must be a list, not a text
            country: { enum: DE, required: true }
                             ^^
            write `enum: [a, b]`
    "#]],
    );
    check(
        "required: true",
        "required: maybe",
        expect![[r#"
        17 TM0004: `required` must be true or false, not a text
            country: { enum: [DE, FR], required: maybe }
                                                 ^^^^^
    "#]],
    );
    check(
        "required: true",
        "required: true, nullable: true",
        expect![[r#"
        17 TM0016: `country` cannot be both `required` and `nullable`
            country: { enum: [DE, FR], required: true, nullable: true }
                                                                 ^^^^
    "#]],
    );
}

#[test]
fn a_rule_must_be_an_expression_over_columns() {
    check(
        "amount < 500 and",
        "amout < 500 and",
        expect![[r#"
        19 TM0011: `amout` is no column of `shop/Order.avsc`
            cheap: { check: amout < 500 and country is not null, on_fail: reject }
                            ^^^^^
            did you mean `amount`?
    "#]],
    );
    check(
        "amount < 500 and",
        "(amount < 500 and",
        expect![[r#"
        19 TM0014: a `(` is never closed
            cheap: { check: (amount < 500 and country is not null, on_fail: reject }
                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            an expression is SQL: `amount >= 0 and amount < 100000`
    "#]],
    );
    check(
        "amount < 500 and",
        "amount < 500) and",
        expect![[r#"
        19 TM0014: a `)` closes nothing
            cheap: { check: amount < 500) and country is not null, on_fail: reject }
                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            an expression is SQL: `amount >= 0 and amount < 100000`
    "#]],
    );
    check(
        "amount < 500 and country is not null",
        "\"country = 'DE\"",
        expect![[r#"
        19 TM0014: a ' is never closed
            cheap: { check: "country = 'DE", on_fail: reject }
                            ^^^^^^^^^^^^^^^
            an expression is SQL: `amount >= 0 and amount < 100000`
    "#]],
    );
    check(
        "amount < 500 and country is not null",
        "\"  \"",
        expect![[r#"
        19 TM0014: the expression is empty
            cheap: { check: "  ", on_fail: reject }
                            ^^^^
            an expression is SQL: `amount >= 0 and amount < 100000`
    "#]],
    );
    check(
        "amount < 500 and country is not null",
        "Gift",
        expect![[r#"
        19 TM0011: `gift` is no column of `shop/Order.avsc`
            cheap: { check: Gift, on_fail: reject }
                            ^^^^
            SQL reads names in lower case; write `"Gift"` in double quotes
    "#]],
    );
    check(
        "amount < 500 and country is not null",
        "returned",
        expect![[r#"
        19 TM0017: `returned` is the label, which is not known when an event is judged
            cheap: { check: returned, on_fail: reject }
                            ^^^^^^^^
            only aggregates of entities can use it
    "#]],
    );
    check(
        "check: amount < 500 and country is not null, ",
        "",
        expect![[r#"
        19 TM0003: rule `cheap` needs `check`
            cheap: { on_fail: reject }
            ^^^^^
    "#]],
    );
    check(
        "amount < 500 and country is not null",
        "7",
        expect![[r#"
        19 TM0004: `check` must be a text, not a number
            cheap: { check: 7, on_fail: reject }
                            ^
    "#]],
    );
    check(
        "amount < 500",
        "amount < 500; drop table orders",
        expect![[r#"
        19 TM0014: an expression holds no `;`
            cheap: { check: amount < 500; drop table orders and country is not null, on_fail: reject }
                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            an expression is SQL: `amount >= 0 and amount < 100000`
    "#]],
    );
    check(
        "cheap: {",
        "Not cheap: {",
        expect![[r#"
        19 TM0005: `Not cheap` cannot be a name
            Not cheap: { check: amount < 500 and country is not null, on_fail: reject }
            ^^^^^^^^^
            names begin with a-z, go on with a-z, 0-9, _ and have at most 64 characters
    "#]],
    );
    check(
        "cheap: { check: amount < 500 and country is not null, on_fail: reject }",
        "cheap: amount < 500",
        expect![[r#"
        19 TM0004: rule `cheap` must be a map, not a text
            cheap: amount < 500
                   ^^^^^^^^^^^^
    "#]],
    );
}
