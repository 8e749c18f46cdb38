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
            write `"7"`, in quotes, if you mean the text
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

#[test]
fn policies_must_say_what_they_do() {
    check(
        "amount: { min: 0, max: 1000 }",
        "amount: { min: 0, on_fail: impute }",
        expect![[r#"
        16 TM0003: `on_fail: impute` needs `impute`, the value that is put in place of the other
            amount: { min: 0, on_fail: impute }
                                       ^^^^^^
    "#]],
    );
    check(
        "amount: { min: 0, max: 1000 }",
        "amount: { min: 0, impute: 1 }",
        expect![[r#"
        16 TM0016: `impute` is never used
            amount: { min: 0, impute: 1 }
                                      ^
            say when with `on_fail: impute`, and for a field also `on_null: impute`
    "#]],
    );
    check(
        "amount: { min: 0, max: 1000 }",
        "amount: { on_null: impute, impute: many }",
        expect![[r#"
        16 TM0012: `amount` is a number with decimals, not 'many'
            amount: { on_null: impute, impute: many }
                                               ^^^^
            SQL over the columns is written `impute: { sql: "…" }`
    "#]],
    );
    check(
        "required: true }",
        "required: true, on_null: keep }",
        expect![[r#"
        17 TM0016: `country` cannot be both without null and with another policy for it
            country: { enum: [DE, FR], required: true, on_null: keep }
                                                                ^^^^
            write `on_null: reject`, `on_null: keep` or `on_null: impute` alone
    "#]],
    );
    check(
        "on_fail: reject }",
        "on_fail: impute, impute: { amuont: 1, time: 5, lines: 0 } }",
        expect![[r#"
        19 TM0011: `amuont` is no column of `shop/Order.avsc`
            cheap: { check: amount < 500 and country is not null, on_fail: impute, impute: { amuont: 1, time: 5, lines: 0 } }
                                                                                             ^^^^^^
            did you mean `amount`?
        19 TM0012: `time` is a time, not 5
            cheap: { check: amount < 500 and country is not null, on_fail: impute, impute: { amuont: 1, time: 5, lines: 0 } }
                                                                                                              ^
            SQL over the columns is written `impute: { sql: "…" }`
        19 TM0012: `lines` is of a type that only travels along, which cannot be imputed
            cheap: { check: amount < 500 and country is not null, on_fail: impute, impute: { amuont: 1, time: 5, lines: 0 } }
                                                                                                                        ^
    "#]],
    );
    check(
        "on_fail: reject }",
        "on_fail: impute, impute: 7 }",
        expect![[r#"
        19 TM0004: `impute` of a rule must be a map of columns, not a number
            cheap: { check: amount < 500 and country is not null, on_fail: impute, impute: 7 }
                                                                                           ^
            write `impute: { amount: 0 }`
    "#]],
    );
    check(
        "on_fail: reject }",
        "on_fail: impute, impute: { amount: { sql: amuont } } }",
        expect![[r#"
        19 TM0011: `amuont` is no column of `shop/Order.avsc`
            cheap: { check: amount < 500 and country is not null, on_fail: impute, impute: { amount: { sql: amuont } } }
                                                                                                            ^^^^^^
            did you mean `amount`?
    "#]],
    );
    check(
        "on_fail: reject }",
        "on_fail: flag, on_null: skip }",
        expect![[r#"
        19 TM0008: `skip` is no choice for `on_null`
            cheap: { check: amount < 500 and country is not null, on_fail: flag, on_null: skip }
                                                                                          ^^^^
            known: `fail`, `pass`
    "#]],
    );
    check(
        "    fields:\n",
        "    breaker: { in_a_row: 0, percent: 101, off: 1 }\n    fields:\n",
        expect![[r#"
        15 TM0006: `in_a_row` must be from 1 to 1000000000, not 0
            breaker: { in_a_row: 0, percent: 101, off: 1 }
                                 ^
        15 TM0006: `percent` must be from 1 to 100, not 101
            breaker: { in_a_row: 0, percent: 101, off: 1 }
                                             ^^^
        15 TM0002: `breaker` has no setting `off`
            breaker: { in_a_row: 0, percent: 101, off: 1 }
                                                  ^^^
            did you mean `of`?
    "#]],
    );
}
