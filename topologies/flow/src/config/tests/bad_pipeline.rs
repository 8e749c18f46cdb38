//! Mistakes in the file as such and in the settings of the whole.

use expect_test::expect;

use super::{check, check_file};

#[test]
fn text_that_is_no_yaml_is_one_problem_at_its_place() {
    check_file(
        "pipeline: [a\n",
        expect![[r#"
        1 TM0001: unclosed bracket '['
            pipeline: [a
                      ^
            check indentation, and quote texts that contain `: ` or ` #`
    "#]],
    );
    check_file(
        "pipeline: a\n\t- b\n",
        expect![[r#"
        1 TM0001: while scanning a plain scalar, found a tab
            pipeline: a
                      ^
            check indentation, and quote texts that contain `: ` or ` #`
    "#]],
    );
    check_file(
        "pipeline: a: b\n",
        expect![[r#"
        1 TM0001: mapping values are not allowed in this context
            pipeline: a: b
                       ^
            check indentation, and quote texts that contain `: ` or ` #`
    "#]],
    );
    check_file(
        "pipeline: \"a\n",
        expect![[r#"
            2 TM0001: invalid indentation in multiline quoted scalar
                ^
                check indentation, and quote texts that contain `: ` or ` #`
        "#]],
    );
    check_file(
        "pipeline: *shop\n",
        expect![[r#"
        1 TM0001: alias references unknown anchor
            pipeline: *shop
                      ^
            check indentation, and quote texts that contain `: ` or ` #`
    "#]],
    );
}

#[test]
fn a_file_that_is_no_map_is_refused() {
    check_file(
        "",
        expect![[r#"
            1 TM0004: the pipeline must be a map, not nothing
                ^
        "#]],
    );
    check_file(
        "shop\n",
        expect![[r#"
        1 TM0004: the pipeline must be a map, not a text
            shop
            ^^^^
    "#]],
    );
    check_file(
        "- shop\n",
        expect![[r#"
        1 TM0004: the pipeline must be a map, not a list
            - shop
            ^
    "#]],
    );
}

#[test]
fn a_key_declared_twice_is_refused() {
    check(
        "delivery: low_latency\n",
        "delivery: low_latency\nlateness: 5m\n",
        expect![[r#"
        5 TM0013: `lateness` is declared a second time
            lateness: 10m
            ^^^^^^^^
            remove or rename one of them
    "#]],
    );
}

#[test]
fn sections_that_a_pipeline_cannot_do_without_are_asked_for() {
    check_file(
        "pipeline: shop\n",
        expect![[r#"
        1 TM0003: the pipeline needs `sources`
            pipeline: shop
            ^
        1 TM0003: the pipeline needs `features`
            pipeline: shop
            ^
    "#]],
    );
    check_file(
        "partitions: 4\n",
        expect![[r#"
        1 TM0003: the pipeline needs `pipeline`
            partitions: 4
            ^
        1 TM0003: the pipeline needs `sources`
            partitions: 4
            ^
        1 TM0003: the pipeline needs `features`
            partitions: 4
            ^
    "#]],
    );
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_known_one() {
    check(
        "delivery:",
        "delivry:",
        expect![[r#"
        2 TM0002: the pipeline has no setting `delivry`
            delivry: low_latency
            ^^^^^^^
            did you mean `delivery`?
    "#]],
    );
    check(
        "idle_timeout:",
        "timeout:",
        expect![[r#"
        5 TM0002: the pipeline has no setting `timeout`
            timeout: 30s
            ^^^^^^^
            known: `pipeline`, `delivery`, `ordering`, `lateness`, `idle_timeout`, `partitions`, `sources`, `features`, `models`, `monitors`, `retraining`, `alerts`
    "#]],
    );
    check(
        "version: 2",
        "versoin: 2",
        expect![[r#"
        30 TM0002: `features` has no setting `versoin`
            versoin: 2
            ^^^^^^^
            did you mean `version`?
    "#]],
    );
    check(
        "psi:",
        "pis:",
        expect![[r#"
        58 TM0002: monitor `inputs` has no setting `pis`
            pis: { features: [amount, buyer_orders_7d], warn: 0.1, alarm: 0.2 }
            ^^^
            did you mean `psi`?
    "#]],
    );
    check(
        "min_events:",
        "min_event:",
        expect![[r#"
        59 TM0002: monitor `inputs` has no setting `min_event`
            min_event: 100
            ^^^^^^^^^
            did you mean `min_events`?
    "#]],
    );
    check(
        "key: buyer_id",
        "key: buyer_id\n      window: 1d",
        expect![[r#"
        36 TM0002: entity `buyer` has no setting `window`
            window: 1d
            ^^^^^^
            did you mean `windows`?
    "#]],
    );
}

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
