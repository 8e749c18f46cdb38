//! Retentions: what is read, what is refused, and what is too short for the pipeline itself.

use expect_test::expect;

use super::super::{Retention, Retentions};
use super::{changed, check, good, parse, resolve};
use crate::plan::plan;

const DAY_US: i64 = 86_400 * 1_000_000;

#[test]
fn retentions_are_read_and_belong_to_groups_of_topics() {
    let of = |text: &str| parse(&changed("partitions: 4", text), &resolve).unwrap();
    let days = |days: i64| Some(Retention { time_us: Some(days * DAY_US), bytes: None });
    let found = of("retention: { sources: 90d, logs: { time: 7d, bytes: 10GiB }, results: forever }");
    let logs = Some(Retention { time_us: Some(7 * DAY_US), bytes: Some(10 << 30) });
    assert_eq!(
        found.retention,
        Retentions { sources: days(90), logs, results: Some(Retention::default()), rejected: None }
    );
    assert_eq!(good().retention, Retentions::default());
    let sized = of("retention: { rejected: { bytes: 64MiB } }").retention.rejected;
    assert_eq!(sized, Some(Retention { time_us: None, bytes: Some(64 << 20) }));

    let all = of("retention: { sources: 97d, logs: 98d, results: 99d, rejected: 100d }");
    let planned = plan(&all);
    let declared = planned.topics.iter().map(|topic| {
        let days = all.retention.of(topic).and_then(|kept| kept.time_us).map(|us| us / DAY_US);
        format!("{} {}", topic.name, days.map_or("-".to_owned(), |days| days.to_string()))
    });
    expect![[r#"
        shop.orders.events.v1 97
        shop.orders.events.v1.validator.dlq 100
        shop.orders.events.v1.late 100
        shop.returns.events.v1 97
        shop.returns.events.v1.validator.dlq 100
        shop.returns.events.v1.late 100
        shop.buyer.log.f2.g1 98
        shop.seller.log.f2.g1 98
        shop.features.log.f2.g1 98
        shop.journal.log.g1 98
        shop.predictions.v1 99
        shop.outcomes.v1 99
        shop.sketches.log.f2.g1 98
        shop.drift.v1 99
        shop.alerts.v1 -
        shop.retraining.v1 99
        shop.models.v1 -
        shop.control.v1 -
        shop.ledger.v1 -
        shop.progress.v1 -
        shop.orders.events.v1.validator.retry 100
        shop.returns.events.v1.validator.retry 100
        shop.refusals.v1 100"#]]
    .assert_eq(&declared.collect::<Vec<_>>().join("\n"));
    assert_eq!(all.features.digest, good().features.digest, "how long records are kept changes no feature");
}

#[test]
fn what_is_no_retention_is_refused() {
    check(
        "partitions: 4",
        "retention: { source: 30d, results: 30 days, logs: 30, rejected: [30d] }",
        expect![[r#"
        6 TM0002: `retention` has no setting `source`
            retention: { source: 30d, results: 30 days, logs: 30, rejected: [30d] }
                         ^^^^^^
            did you mean `sources`?
        6 TM0007: `results` must be a duration, not `30 days`
            retention: { source: 30d, results: 30 days, logs: 30, rejected: [30d] }
                                               ^^^^^^^
            write a time (`30d`), limits (`{ time: 30d, bytes: 10GiB }`), or `forever`
        6 TM0007: `logs` must be a duration, not `30` without a unit
            retention: { source: 30d, results: 30 days, logs: 30, rejected: [30d] }
                                                              ^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
        6 TM0004: `rejected` must be a time or limits, not a list
            retention: { source: 30d, results: 30 days, logs: 30, rejected: [30d] }
                                                                            ^
            write a time (`30d`), limits (`{ time: 30d, bytes: 10GiB }`), or `forever`
    "#]],
    );
    check(
        "partitions: 4",
        "retention: { results: { time: 0s, size: 10GiB }, rejected: {} }",
        expect![[r#"
        6 TM0006: `time` must be longer than nothing
            retention: { results: { time: 0s, size: 10GiB }, rejected: {} }
                                          ^^
        6 TM0002: `results` has no setting `size`
            retention: { results: { time: 0s, size: 10GiB }, rejected: {} }
                                              ^^^^
            known: `time`, `bytes`
        6 TM0003: `rejected` needs `time` or `bytes`
            retention: { results: { time: 0s, size: 10GiB }, rejected: {} }
                                                             ^^^^^^^^
            write a time (`30d`), limits (`{ time: 30d, bytes: 10GiB }`), or `forever`
    "#]],
    );
    check(
        "partitions: 4",
        "retention: { results: { bytes: 10 }, logs: { bytes: 64KiB }, rejected: 0s }",
        expect![[r#"
        6 TM0019: `bytes` must be a size, not `10` without a unit
            retention: { results: { bytes: 10 }, logs: { bytes: 64KiB }, rejected: 0s }
                                           ^^
            write a whole number and a unit: 64KiB, 512MiB, 2GiB
        6 TM0006: `bytes` must be at least 1024 KiB, not 64KiB
            retention: { results: { bytes: 10 }, logs: { bytes: 64KiB }, rejected: 0s }
                                                                ^^^^^
        6 TM0006: `rejected` must be longer than nothing
            retention: { results: { bytes: 10 }, logs: { bytes: 64KiB }, rejected: 0s }
                                                                                   ^^
    "#]],
    );
    check(
        "partitions: 4",
        "retention: 30d",
        expect![[r#"
        6 TM0004: `retention` must be a map, not a text
            retention: 30d
                       ^^^
    "#]],
    );
}

#[test]
fn sources_are_kept_for_as_long_as_a_rebuild_looks_back() {
    check(
        "partitions: 4",
        "retention: { sources: 89d }",
        expect![[r#"
        6 TM0006: `sources` keeps 89d, and `horizon` of the labels looks back 90d: `apply --rebuild` would compute something else
            retention: { sources: 89d }
                                  ^^^
            write at least `sources: 90d`
    "#]],
    );
    check(
        "horizon: 90d\n    policy: first",
        "horizon: 7d\n    policy: first\nretention: { sources: { time: 37d } }",
        expect![[r#"
            29 TM0006: `sources` keeps 37d, and entity `seller` (longest window, `delay` and `lateness`) looks back 37d 10m: `apply --rebuild` would compute something else
                retention: { sources: { time: 37d } }
                                              ^^^
                write at least `sources: 38d`
        "#]],
    );
}

#[test]
fn logs_are_kept_for_as_long_as_services_may_rest() {
    check(
        "partitions: 4",
        "retention: { logs: { bytes: 1GiB, time: 23h } }",
        expect![[r#"
        6 TM0006: `logs` keeps 23h, and services that rested for a day go on from their logs
            retention: { logs: { bytes: 1GiB, time: 23h } }
                                                    ^^^
            write at least `logs: 1d`
    "#]],
    );
    check(
        "ordering: arrival",
        "ordering: event_time\nretention: { logs: 1d }",
        expect![[r#"
            4 TM0006: `logs` keeps 1d, and services that rested for a day go on from their logs, and events are held for `lateness`
                retention: { logs: 1d }
                                   ^^
                write at least `logs: 2d`
        "#]],
    );
}
