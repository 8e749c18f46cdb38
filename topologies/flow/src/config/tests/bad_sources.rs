//! Mistakes in sources, their topics, schemas and columns.

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
            write `"7"`, in quotes, if you mean the text
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
                name its values in order: `classes: [bus, tram, train]`
        "#]],
    );
    check(
        "known_time: known",
        "known_time: reason",
        expect![[r#"
            26 TM0012: `reason` is a text and cannot be a known time
                known_time: reason
                            ^^^^^^
                with `format: json` a time may be a text: declare it in the schema as `{"type": "long", "logicalType": "timestamp-millis"}`
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
fn settings_about_json_need_json() {
    check(
        "    schema: shop/Order.avsc\n",
        "    schema: shop/Order.avsc\n    unknown_fields: reject\n    time_unit: seconds\n",
        expect![[r#"
        11 TM0016: `unknown_fields` says something about JSON, and this source is in Avro
            unknown_fields: reject
                            ^^^^^^
            write `format: json`, or take the setting out
        12 TM0016: `time_unit` says something about JSON, and this source is in Avro
            time_unit: seconds
                       ^^^^^^^
            write `format: json`, or take the setting out
    "#]],
    );
    check(
        "    schema: shop/Order.avsc\n",
        "    schema: shop/Order.avsc\n    format: jsn\n    unknown_fields: rejct\n    time_unit: seconds\n",
        expect![[r#"
        11 TM0008: `jsn` is no choice for `format`
            format: jsn
                    ^^^
            did you mean `json`?
        12 TM0008: `rejct` is no choice for `unknown_fields`
            unknown_fields: rejct
                            ^^^^^
            did you mean `reject`?
    "#]],
    );
}

#[test]
fn a_word_that_yaml_takes_for_something_else_wants_quotes() {
    check(
        "    event_time: time\n",
        "    event_time: y\n",
        expect![[r#"
        12 TM0004: `event_time` must be a text, not true or false
            event_time: y
                        ^
            write `"y"`, in quotes, if you mean the text
    "#]],
    );
    check(
        "    event_time: time\n",
        "    event_time: \"y\"\n",
        expect![[r#"
        12 TM0011: `y` is no column of `shop/Order.avsc`
            event_time: "y"
                        ^^^
            known: `order_id`, `time`, `buyer_id`, `seller_id`, `amount`, `country`, `Gift`, `lines`
    "#]],
    );
}
