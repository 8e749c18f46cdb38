//! Mistakes in the settings of the whole pipeline.

use expect_test::expect;

use super::check;

#[test]
fn a_pipeline_name_that_no_topic_could_begin_with_is_refused() {
    check(
        "pipeline: shop",
        "pipeline: Shop",
        expect![[r#"
        1 TM0005: `Shop` cannot be a pipeline's name
            pipeline: Shop
                      ^^^^
            names begin with a-z, go on with a-z, 0-9, _, - and have at most 64 characters
    "#]],
    );
    check(
        "pipeline: shop",
        "pipeline: 7",
        expect![[r#"
        1 TM0004: `pipeline` must be a text, not a number
            pipeline: 7
                      ^
            write `"7"`, in quotes, if you mean the text
    "#]],
    );
    check(
        "pipeline: shop",
        "pipeline: shop.eu",
        expect![[r#"
        1 TM0005: `shop.eu` cannot be a pipeline's name
            pipeline: shop.eu
                      ^^^^^^^
            names begin with a-z, go on with a-z, 0-9, _, - and have at most 64 characters
    "#]],
    );
    check(
        "pipeline: shop",
        "pipeline:",
        expect![[r#"
        1 TM0003: the pipeline needs `pipeline`
            pipeline:
            ^
    "#]],
    );
}

#[test]
fn unknown_modes_are_refused() {
    check(
        "low_latency",
        "fast",
        expect![[r#"
        2 TM0008: `fast` is no choice for `delivery`
            delivery: fast
                      ^^^^
            known: `low_latency`, `exactly_once`
    "#]],
    );
    check(
        "low_latency",
        "exactly-once",
        expect![[r#"
        2 TM0008: `exactly-once` is no choice for `delivery`
            delivery: exactly-once
                      ^^^^^^^^^^^^
            did you mean `exactly_once`?
    "#]],
    );
    check(
        "arrival",
        "event_tme",
        expect![[r#"
        3 TM0008: `event_tme` is no choice for `ordering`
            ordering: event_tme
                      ^^^^^^^^^
            did you mean `event_time`?
    "#]],
    );
    check(
        "arrival",
        "[arrival]",
        expect![[r#"
        3 TM0004: `ordering` must be a text, not a list
            ordering: [arrival]
                      ^
    "#]],
    );
}

#[test]
fn event_time_order_needs_a_lateness() {
    check(
        "ordering: arrival\nlateness: 10m",
        "ordering: event_time",
        expect![[r#"
        3 TM0003: `ordering: event_time` needs `lateness`
            ordering: event_time
                      ^^^^^^^^^^
            add `lateness: 10m`: how long events wait for those before them
    "#]],
    );
}

#[test]
fn durations_need_a_unit_that_exists() {
    check(
        "lateness: 10m",
        "lateness: 10",
        expect![[r#"
        4 TM0007: `lateness` must be a duration, not `10` without a unit
            lateness: 10
                      ^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "lateness: 10m",
        "lateness: 10 min",
        expect![[r#"
        4 TM0007: `lateness` must be a duration, not `10 min`
            lateness: 10 min
                      ^^^^^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "lateness: 10m",
        "lateness: -1m",
        expect![[r#"
        4 TM0007: `lateness` must be a duration, not `-1m`
            lateness: -1m
                      ^^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "lateness: 10m",
        "lateness: 1.5h",
        expect![[r#"
        4 TM0007: `lateness` must be a duration, not `1.5h`
            lateness: 1.5h
                      ^^^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "lateness: 10m",
        "lateness: 99999999999999999d",
        expect![[r#"
        4 TM0007: `lateness` must be a duration, not `99999999999999999d`
            lateness: 99999999999999999d
                      ^^^^^^^^^^^^^^^^^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "lateness: 10m",
        "lateness: [10m]",
        expect![[r#"
        4 TM0007: `lateness` must be a duration, not a list
            lateness: [10m]
                      ^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
    "#]],
    );
    check(
        "30s",
        "0s",
        expect![[r#"
        5 TM0006: `idle_timeout` must be longer than nothing
            idle_timeout: 0s
                          ^^
    "#]],
    );
}

#[test]
fn partitions_have_a_range() {
    check(
        "partitions: 4",
        "partitions: 0",
        expect![[r#"
        6 TM0006: `partitions` must be from 1 to 256, not 0
            partitions: 0
                        ^
    "#]],
    );
    check(
        "partitions: 4",
        "partitions: 257",
        expect![[r#"
        6 TM0006: `partitions` must be from 1 to 256, not 257
            partitions: 257
                        ^^^
    "#]],
    );
    check(
        "partitions: 4",
        "partitions: 4.5",
        expect![[r#"
        6 TM0004: `partitions` must be a whole number from 1 to 256, not a number
            partitions: 4.5
                        ^^^
    "#]],
    );
    check(
        "partitions: 4",
        "partitions: -4",
        expect![[r#"
        6 TM0006: `partitions` must be from 1 to 256, not -4
            partitions: -4
                        ^^
    "#]],
    );
    check(
        "partitions: 4",
        "partitions: four",
        expect![[r#"
        6 TM0004: `partitions` must be a whole number from 1 to 256, not a text
            partitions: four
                        ^^^^
    "#]],
    );
}

#[test]
fn an_alerts_topic_must_be_a_topic() {
    check(
        "topic: shop.alerts.v1",
        "topic: shop alerts",
        expect![[r#"
        66 TM0005: `shop alerts` cannot be a topic
            topic: shop alerts
                   ^^^^^^^^^^^
            topics have at most 220 of a-z, A-Z, 0-9, `.`, `_` and `-`
    "#]],
    );
    check(
        "topic: shop.alerts.v1",
        "topic: shop.orders.events.v1",
        expect![[r#"
        9 TM0016: `shop.orders.events.v1` is a source, and the pipeline writes it too
            topic: shop.orders.events.v1
                   ^^^^^^^^^^^^^^^^^^^^^
            rename the source's topic
    "#]],
    );
    check(
        "topic: shop.alerts.v1",
        "to: shop.alerts.v1",
        expect![[r#"
        66 TM0002: `alerts` has no setting `to`
            to: shop.alerts.v1
            ^^
            known: `topic`
    "#]],
    );
    check(
        "alerts:\n  topic: shop.alerts.v1",
        "alerts: shop.alerts.v1",
        expect![[r#"
        65 TM0004: `alerts` must be a map, not a text
            alerts: shop.alerts.v1
                    ^^^^^^^^^^^^^^
    "#]],
    );
}

#[test]
fn modes_of_schemas_are_named_as_registries_name_them() {
    check(
        "partitions: 4",
        "compatibility: full",
        expect![[r#"
        6 TM0008: `full` is no choice for `compatibility`
            compatibility: full
                           ^^^^
            did you mean `FULL`?
    "#]],
    );
    check(
        "partitions: 4",
        "compatibility: [FULL]",
        expect![[r#"
        6 TM0004: `compatibility` must be a mode or a map of topics to modes, not a list
            compatibility: [FULL]
                           ^
            write `compatibility: BACKWARD`, or `compatibility: { all: BACKWARD, TOPIC: FULL }`
    "#]],
    );
}

#[test]
fn modes_are_for_topics_whose_schemas_others_see() {
    check(
        "partitions: 4",
        "compatibility: { all: NONE, shop.order.events.v1: FULL }",
        expect![[r#"
        6 TM0009: the pipeline has no topic `shop.order.events.v1`
            compatibility: { all: NONE, shop.order.events.v1: FULL }
                                        ^^^^^^^^^^^^^^^^^^^^
            did you mean `shop.orders.events.v1`?
    "#]],
    );
    check(
        "partitions: 4",
        "compatibility: { shop.journal.log.g1: FULL }",
        expect![[r#"
            6 TM0009: the schema of `shop.journal.log.g1` follows from those of other topics
                compatibility: { shop.journal.log.g1: FULL }
                                 ^^^^^^^^^^^^^^^^^^^
                known: `shop.orders.events.v1`, `shop.returns.events.v1`, `shop.predictions.v1`, `shop.outcomes.v1`, `shop.drift.v1`, `shop.alerts.v1`, `shop.retraining.v1`, `shop.models.v1`, `shop.control.v1`, `shop.ledger.v1`, `shop.refusals.v1`
        "#]],
    );
}
