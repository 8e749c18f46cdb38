//! Mistakes in sources.

use expect_test::expect;

use super::{check, check_file};

#[test]
fn sources_must_be_a_map_with_one_source_of_events() {
    check_file(
        "pipeline: shop\nsources: [orders]\nfeatures: { entities: { buyer: { key: buyer_id } } }\n",
        expect![[r#"
        2 TM0004: `sources` must be a map of names, not a list
            sources: [orders]
                     ^
    "#]],
    );
    check_file(
        "pipeline: shop\nsources: {}\nfeatures: { entities: { buyer: { key: buyer_id } } }\n",
        expect![[r#"
        2 TM0003: `sources` needs a source of events
            sources: {}
                     ^
    "#]],
    );
    check(
        "  returns:\n",
        "  more: { topic: a, schema: shop/Order.avsc, id: order_id, event_time: time }\n  returns:\n",
        expect![[r#"
        20 TM0018: `more` is a second source of events; a pipeline has one
            more: { topic: a, schema: shop/Order.avsc, id: order_id, event_time: time }
            ^^^^
            put it into a pipeline of its own, or publish both to one topic
    "#]],
    );
    check(
        "  returns:\n",
        "  more: { topic: a, schema: shop/Return.avsc, labels: orders, target: returned }\n  returns:\n",
        expect![[r#"
        21 TM0018: `returns` is a second source of labels; a pipeline has one
            returns:
            ^^^^^^^
            put it into a pipeline of its own, or publish both to one topic
    "#]],
    );
}

#[test]
fn a_source_without_its_columns_is_refused() {
    check(
        "    id: order_id\n    event_time: time\n",
        "",
        expect![[r#"
        8 TM0003: source `orders` needs `id`
            orders:
            ^^^^^^
        8 TM0003: source `orders` needs `event_time`
            orders:
            ^^^^^^
    "#]],
    );
    check(
        "    topic: shop.orders.events.v1\n",
        "",
        expect![[r#"
        8 TM0003: source `orders` needs `topic`
            orders:
            ^^^^^^
    "#]],
    );
    check(
        "    schema: shop/Order.avsc\n",
        "",
        expect![[r#"
        8 TM0003: source `orders` needs `schema`
            orders:
            ^^^^^^
    "#]],
    );
    check(
        "    target: returned\n    known",
        "    known",
        expect![[r#"
        20 TM0003: source `returns` needs `target`
            returns:
            ^^^^^^^
    "#]],
    );
}

#[test]
fn a_topic_that_kafka_would_refuse_is_refused() {
    check(
        "shop.orders.events.v1",
        "shop orders",
        expect![[r#"
        9 TM0005: `shop orders` cannot be a topic
            topic: shop orders
                   ^^^^^^^^^^^
            topics have at most 220 of a-z, A-Z, 0-9, `.`, `_` and `-`
    "#]],
    );
    check(
        "shop.orders.events.v1",
        "..",
        expect![[r#"
        9 TM0005: `..` cannot be a topic
            topic: ..
                   ^^
            topics have at most 220 of a-z, A-Z, 0-9, `.`, `_` and `-`
    "#]],
    );
    check(
        "shop.orders.events.v1",
        "ü",
        expect![[r#"
        9 TM0005: `ü` cannot be a topic
            topic: ü
                   ^
            topics have at most 220 of a-z, A-Z, 0-9, `.`, `_` and `-`
    "#]],
    );
    check(
        "shop.orders.events.v1",
        "shop.returns.events.v1",
        expect![[r#"
        21 TM0013: events and labels both come from topic `shop.returns.events.v1`
            topic: shop.returns.events.v1
                   ^^^^^^^^^^^^^^^^^^^^^^
            give labels a topic of their own
    "#]],
    );
}

#[test]
fn a_source_that_the_pipeline_writes_is_refused() {
    check(
        "shop.orders.events.v1",
        "shop.predictions.v1",
        expect![[r#"
        9 TM0016: `shop.predictions.v1` is a source, and the pipeline writes it too
            topic: shop.predictions.v1
                   ^^^^^^^^^^^^^^^^^^^
            rename the source's topic
    "#]],
    );
    check(
        "shop.orders.events.v1",
        "shop.returns.events.v1.late",
        expect![[r#"
        9 TM0016: `shop.returns.events.v1.late` is a source, and the pipeline writes it too
            topic: shop.returns.events.v1.late
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^
            rename the source's topic
    "#]],
    );
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_once() {
    check(
        "shop/Order.avsc",
        "shop/Ordre.avsc",
        expect![[r#"
        10 TM0010: schema `shop/Ordre.avsc`: there is no such file under `schemas/avro`
            schema: shop/Ordre.avsc
                    ^^^^^^^^^^^^^^^
    "#]],
    );
    check(
        "shop/Order.avsc",
        "shop/broken.avsc",
        expect![[r#"
        10 TM0010: schema `shop/broken.avsc` is not JSON: EOF while parsing an object at line 1 column 1
            schema: shop/broken.avsc
                    ^^^^^^^^^^^^^^^^
    "#]],
    );
    check(
        "shop/Order.avsc",
        "shop/enum.avsc",
        expect![[r#"
        10 TM0010: schema `shop/enum.avsc` must be an Avro record
            schema: shop/enum.avsc
                    ^^^^^^^^^^^^^^
    "#]],
    );
    check(
        "shop/Order.avsc",
        "shop/empty.avsc",
        expect![[r#"
        10 TM0010: schema `shop/empty.avsc` has a record without fields
            schema: shop/empty.avsc
                    ^^^^^^^^^^^^^^^
    "#]],
    );
    check(
        "shop/Order.avsc",
        "7",
        expect![[r#"
        10 TM0004: `schema` must be a text, not a number
            schema: 7
                    ^
    "#]],
    );
}

#[test]
fn a_column_that_the_schema_lacks_is_shown_with_the_nearest() {
    check(
        "id: order_id\n    event_time: time",
        "id: order\n    event_time: tiem",
        expect![[r#"
        11 TM0011: `order` is no column of `shop/Order.avsc`
            id: order
                ^^^^^
            known: `order_id`, `time`, `buyer_id`, `seller_id`, `amount`, `country`, `Gift`, `lines`
        12 TM0011: `tiem` is no column of `shop/Order.avsc`
            event_time: tiem
                        ^^^^
            did you mean `time`?
    "#]],
    );
    check(
        "target: returned\n    known_time: known",
        "target: return\n    known_time: knwon",
        expect![[r#"
        25 TM0011: `return` is no column of `shop/Return.avsc`
            target: return
                    ^^^^^^
            did you mean `returned`?
        26 TM0011: `knwon` is no column of `shop/Return.avsc`
            known_time: knwon
                        ^^^^^
            did you mean `known`?
    "#]],
    );
    check(
        "    id: order_id\n    target",
        "    id: oder_id\n    target",
        expect![[r#"
        24 TM0011: `oder_id` is no column of `shop/Return.avsc`
            id: oder_id
                ^^^^^^^
            did you mean `order_id`?
    "#]],
    );
}

#[test]
fn a_column_of_the_wrong_kind_is_refused() {
    check(
        "event_time: time",
        "event_time: amount",
        expect![[r#"
        12 TM0012: `amount` is a number with decimals and cannot be an event time
            event_time: amount
                        ^^^^^^
    "#]],
    );
    check(
        "id: order_id\n    event_time",
        "id: amount\n    event_time",
        expect![[r#"
        11 TM0012: `amount` is a number with decimals and cannot be an id
            id: amount
                ^^^^^^
    "#]],
    );
    check(
        "target: returned\n    known",
        "target: reason\n    known",
        expect![[r#"
        25 TM0012: `reason` is a text and cannot be a label
            target: reason
                    ^^^^^^
    "#]],
    );
    check(
        "known_time: known",
        "known_time: reason",
        expect![[r#"
        26 TM0012: `reason` is a text and cannot be a known time
            known_time: reason
                        ^^^^^^
    "#]],
    );
    check(
        "    id: order_id\n    target",
        "    id: order_ref\n    target",
        expect![[r#"
        24 TM0012: id `order_ref` of labels and id `order_id` of events differ in kind
            id: order_ref
                ^^^^^^^^^
    "#]],
    );
}

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
        "policy: last",
        expect![[r#"
        28 TM0008: `last` is no choice for `policy`
            policy: last
                    ^^^^
            known: `first`
    "#]],
    );
    check(
        "on_fail: reject",
        "on_fail: warn",
        expect![[r#"
        19 TM0008: `warn` is no choice for `on_fail`
            cheap: { check: amount < 500 and country is not null, on_fail: warn }
                                                                           ^^^^
            known: `reject`
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
