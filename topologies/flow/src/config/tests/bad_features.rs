//! Mistakes in features and entities.

use expect_test::expect;

use super::{check, check_file};

#[test]
fn a_pipeline_needs_an_entity() {
    check_file(
        "pipeline: shop\nsources: { orders: { topic: a, schema: shop/Order.avsc, id: order_id, event_time: time } }\nfeatures: { row: { large: amount > 100 } }\n",
        expect![[r#"
        3 TM0003: `features` needs at least one entity
            features: { row: { large: amount > 100 } }
                      ^
            without aggregates write `entities: { event: { key: order_id } }`
    "#]],
    );
    check_file(
        "pipeline: shop\nsources: { orders: { topic: a, schema: shop/Order.avsc, id: order_id, event_time: time } }\nfeatures: [row]\n",
        expect![[r#"
        3 TM0004: `features` must be a map, not a list
            features: [row]
                      ^
    "#]],
    );
}

#[test]
fn names_must_be_names() {
    check(
        "abroad:",
        "Abroad:",
        expect![[r#"
        32 TM0005: `Abroad` cannot be a name
            Abroad: country <> 'DE'
            ^^^^^^
            names begin with a-z, go on with a-z, 0-9, _ and have at most 64 characters
    "#]],
    );
    check(
        "abroad:",
        "from abroad:",
        expect![[r#"
        32 TM0005: `from abroad` cannot be a name
            from abroad: country <> 'DE'
            ^^^^^^^^^^^
            names begin with a-z, go on with a-z, 0-9, _ and have at most 64 characters
    "#]],
    );
    check(
        "buyer:\n",
        "9buyer:\n",
        expect![[r#"
        34 TM0005: `9buyer` cannot be a name
            9buyer:
            ^^^^^^
            names begin with a-z, go on with a-z, 0-9, _ and have at most 64 characters
        50 TM0015: `buyer.*` is no column, feature or group of features
            inputs: [amount, row.*, buyer.*, seller_returns_30d]
                                    ^^^^^^^
            did you mean `9buyer.*`?
    "#]],
    );
    check(
        "spent:",
        "spent-eur:",
        expect![[r#"
        39 TM0005: `spent-eur` cannot be a name
            spent-eur: sum(amount)
            ^^^^^^^^^
            names begin with a-z, go on with a-z, 0-9, _ and have at most 64 characters
    "#]],
    );
}

#[test]
fn names_of_logs_are_taken() {
    check(
        "seller:\n",
        "journal:\n",
        expect![[r#"
        41 TM0005: `journal` cannot be an entity
            journal:
            ^^^^^^^
            `row`, `derived`, `features`, `journal` are taken
        50 TM0015: `seller_returns_30d` is no column, feature or group of features
            inputs: [amount, row.*, buyer.*, seller_returns_30d]
                                             ^^^^^^^^^^^^^^^^^^
    "#]],
    );
}

#[test]
fn a_row_feature_sees_one_event() {
    check(
        "country <> 'DE'",
        "sum(amount)",
        expect![[r#"
        32 TM0014: `sum` needs many events, and a row feature sees one
            abroad: sum(amount)
                    ^^^
            make it an aggregate of an entity
    "#]],
    );
    check(
        "country <> 'DE'",
        "returned",
        expect![[r#"
        32 TM0017: `returned` is the label, which is not known when an event is judged
            abroad: returned
                    ^^^^^^^^
            only aggregates of entities can use it
    "#]],
    );
    check(
        "country <> 'DE'",
        "contry is null",
        expect![[r#"
        32 TM0011: `contry` is no column of `shop/Order.avsc`
            abroad: contry is null
                    ^^^^^^
            did you mean `country`?
    "#]],
    );
    check(
        "country <> 'DE'",
        "true",
        expect![[r#"
        32 TM0004: `abroad` must be a text, not true or false
            abroad: true
                    ^^^^
            write `"true"`, in quotes, if you mean the text
    "#]],
    );
    check(
        "country <> 'DE'",
        "country in ('ü', 'DE') or cuntry = 'ü'",
        expect![[r#"
        32 TM0011: `cuntry` is no column of `shop/Order.avsc`
            abroad: country in ('ü', 'DE') or cuntry = 'ü'
                                              ^^^^^^
            did you mean `country`?
    "#]],
    );
}

#[test]
fn an_entity_needs_a_key_column() {
    check(
        "key: buyer_id\n",
        "key: buyer\n",
        expect![[r#"
        35 TM0011: `buyer` is no column of `shop/Order.avsc`
            key: buyer
                 ^^^^^
            known: `order_id`, `time`, `buyer_id`, `seller_id`, `amount`, `country`, `Gift`, `lines`
    "#]],
    );
    check(
        "      key: buyer_id\n",
        "",
        expect![[r#"
        34 TM0003: entity `buyer` needs `key`
            buyer:
            ^^^^^
    "#]],
    );
    check(
        "key: buyer_id",
        "key: amount",
        expect![[r#"
        35 TM0012: `amount` is a number with decimals and cannot be a key
            key: amount
                 ^^^^^^
    "#]],
    );
    check(
        "key: buyer_id",
        "key: lines",
        expect![[r#"
            35 TM0012: `lines` is of a type that only travels along and cannot be a key
                key: lines
                     ^^^^^
                ids, times, keys and inputs are columns of their own: what is part of a record, a list or a map must be copied beside it by those who publish
        "#]],
    );
    check(
        "key: buyer_id",
        "key: time",
        expect![[r#"
        35 TM0012: `time` is a time and cannot be a key
            key: time
                 ^^^^
    "#]],
    );
}

#[test]
fn two_features_cannot_have_one_name() {
    check(
        "spent:",
        "orders:",
        expect![[r#"
        39 TM0013: `orders` is declared a second time
            orders: sum(amount)
            ^^^^^^
            remove or rename one of them
    "#]],
    );
    check(
        "abroad: country",
        "abroad: amount > 1\n    abroad: country",
        expect![[r#"
        33 TM0013: `abroad` is declared a second time
            abroad: country <> 'DE'
            ^^^^^^
            remove or rename one of them
    "#]],
    );
    let both =
        "        x_orders: count()\n    buyer_x: { key: seller_id, windows: [7d], aggregates: { orders: count() } }\n";
    check(
        "        gap: time_since_last()\n",
        both,
        expect![[r#"
        41 TM0013: two features would be called `buyer_x_orders_7d`
            buyer_x: { key: seller_id, windows: [7d], aggregates: { orders: count() } }
                                                                            ^^^^^^^
    "#]],
    );
}

#[test]
fn policies_are_checked() {
    check(
        "key: buyer_id\n",
        "key: buyer_id\n      late: ignore\n      if_null: nothing\n",
        expect![[r#"
            36 TM0008: `ignore` is no choice for `late`
                late: ignore
                      ^^^^^^
                known: `apply`, `skip`
            37 TM0004: `if_null` must be a number or `keep`
                if_null: nothing
                         ^^^^^^^
                write `if_null: 0` or `if_null: keep`
        "#]],
    );
    check(
        "spent: sum(amount)",
        "spent: { of: sum(amount), late: skipp, latte: skip }",
        expect![[r#"
        39 TM0008: `skipp` is no choice for `late`
            spent: { of: sum(amount), late: skipp, latte: skip }
                                            ^^^^^
            did you mean `skip`?
        39 TM0002: aggregate `spent` has no setting `latte`
            spent: { of: sum(amount), late: skipp, latte: skip }
                                                   ^^^^^
            did you mean `late`?
    "#]],
    );
    check(
        "returns: coalesce(avg(returned), 0)",
        "returns: { of: avg(returned), late: apply, if_null: 0 }",
        expect![[r#"
            46 TM0016: `late` says nothing about `avg(returned)`: labels are always applied
                returns: { of: avg(returned), late: apply, if_null: 0 }
                                              ^^^^
                leave `late` away
        "#]],
    );
    check(
        "spent: sum(amount)",
        "spent: { if_null: [], off: sum(amount) }",
        expect![[r#"
        39 TM0003: aggregate `spent` needs `of`
            spent: { if_null: [], off: sum(amount) }
            ^^^^^
        39 TM0004: `if_null` must be a number, not a list
            spent: { if_null: [], off: sum(amount) }
                              ^
        39 TM0002: aggregate `spent` has no setting `off`
            spent: { if_null: [], off: sum(amount) }
                                  ^^^
            did you mean `of`?
    "#]],
    );
}

#[test]
fn derived_features_are_checked() {
    check(
        "  entities:\n",
        "  derived:\n    a: amount / buyer_spent_7\n    b: returned + 1\n    c: sum(amount)\n    d: derived_e * derived_a\n    e: 1 + derived_f\n    f: derived_d\n  entities:\n",
        expect![[r#"
            34 TM0011: `buyer_spent_7` is no column of `shop/Order.avsc` and no feature
                a: amount / buyer_spent_7
                            ^^^^^^^^^^^^^
                did you mean `buyer_spent_7d`?
            35 TM0017: `returned` is the label, which is not known when an event is judged
                b: returned + 1
                   ^^^^^^^^
                only aggregates of entities can use it
            36 TM0014: `sum` needs many events, and a derived feature sees one with its features
                c: sum(amount)
                   ^^^
                make it an aggregate of an entity and name its feature here
            37 TM0020: features need each other in a circle: `derived_d` needs `derived_e` needs `derived_f` needs `derived_d`
                d: derived_e * derived_a
                ^
                write one of them without the other
        "#]],
    );
}

#[test]
fn limits_have_units_and_a_least() {
    check(
        "key: buyer_id\n",
        "key: buyer_id\n      limits: { keys: 100, bytes: 5000000, rows: 3 }\n",
        expect![[r#"
            36 TM0006: `keys` must be at least 256, not 100
                limits: { keys: 100, bytes: 5000000, rows: 3 }
                                ^^^
            36 TM0019: `bytes` must be a size, not `5000000` without a unit
                limits: { keys: 100, bytes: 5000000, rows: 3 }
                                            ^^^^^^^
                write a whole number and a unit: 64KiB, 512MiB, 2GiB
            36 TM0002: `limits` has no setting `rows`
                limits: { keys: 100, bytes: 5000000, rows: 3 }
                                                     ^^^^
                known: `keys`, `bytes`
        "#]],
    );
    check(
        "key: buyer_id\n",
        "key: buyer_id\n      limits: { bytes: 1KiB }\n",
        expect![[r#"
        36 TM0006: `bytes` must be at least 256 KiB, not 1KiB
            limits: { bytes: 1KiB }
                             ^^^^
    "#]],
    );
    check(
        "key: buyer_id\n",
        "key: buyer_id\n      limits: {}\n",
        expect![[r#"
        36 TM0003: `limits` needs `keys` or `bytes`
            limits: {}
            ^^^^^^
    "#]],
    );
}
