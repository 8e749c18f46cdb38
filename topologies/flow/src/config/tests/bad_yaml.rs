//! Mistakes in the file, whatever it is about: YAML, missing and unknown keys.

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
                known: `pipeline`, `delivery`, `ordering`, `lateness`, `idle_timeout`, `partitions`, `sources`, `features`, `models`, `monitors`, `retraining`, `alerts`, `compatibility`, `retention`
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
