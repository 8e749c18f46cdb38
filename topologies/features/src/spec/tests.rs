#![allow(clippy::unwrap_used)]

//! What is accepted, what is refused, and in which words.

use expect_test::{Expect, expect};

use super::{Declaration, Function, Group, Scope, Source, Statistic, parse_duration_us};

fn scope() -> Scope<'static> {
    Scope { numeric: vec!["amount", "is_online"], other: vec!["currency"], target: Some("is_fraud") }
}

fn declaration<'a>(aggregates: &[(&'a str, &'a str)]) -> Declaration<'a> {
    Declaration {
        name: "customer",
        key: "customer_id",
        windows: vec!["1d", "7d"],
        delay: None,
        aggregates: aggregates.to_vec(),
    }
}

#[track_caller]
fn check_errors(declaration: &Declaration<'_>, expected: &Expect) {
    let errors = Group::parse(declaration, &scope()).unwrap_err();
    expected.assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
}

#[test]
fn features_are_named_after_group_aggregate_and_window() {
    let aggregates =
        [("tx_count", "count()"), ("previous", "last(amount)"), ("risk", "coalesce(AVG(is_fraud), -1.5e1)")];
    let group = Group::parse(&declaration(&aggregates), &scope()).unwrap();
    let names: Vec<String> = group.outputs().into_iter().map(|output| output.name).collect();
    let expected =
        ["customer_tx_count_1d", "customer_tx_count_7d", "customer_previous", "customer_risk_1d", "customer_risk_7d"];
    assert_eq!(names, expected);
    assert_eq!(group.columns(), ["amount"]);
    assert!(group.reads_label());
    assert_eq!(group.aggregates()[2].function, Function::Of(Statistic::Avg, Source::Label));
    assert_eq!(group.aggregates()[2].default, Some(-15.0));
}

#[test]
fn columns_are_taken_once_in_order_of_first_use() {
    let aggregates = [("a", "sum( is_online )"), ("b", "count(amount)"), ("c", "max(is_online)")];
    let group = Group::parse(&declaration(&aggregates), &scope()).unwrap();
    assert_eq!(group.columns(), ["is_online", "amount"]);
    assert!(!group.reads_label());
}

#[test]
fn label_target_wins_over_a_column_of_its_name() {
    let scope = Scope { numeric: vec!["is_fraud"], other: vec![], target: Some("is_fraud") };
    let group = Group::parse(&declaration(&[("risk", "avg(is_fraud)")]), &scope).unwrap();
    assert!(group.columns().is_empty() && group.reads_label());
}

#[test]
fn group_without_aggregates_only_routes() {
    let declaration = Declaration { name: "customer", key: "customer_id", ..Declaration::default() };
    let group = Group::parse(&declaration, &scope()).unwrap();
    assert!(group.outputs().is_empty());
}

#[test]
fn all_problems_come_back_at_once() {
    let aggregates = [
        ("a", "averag(amount)"),
        ("b", "mean(amount)"),
        ("c", "sum(amuont)"),
        ("d", "sum(currency)"),
        ("e", "sum()"),
        ("f", "sum(amount"),
        ("g", "count() + 1"),
        ("h", "coalesce(avg(amount))"),
        ("i", "coalesce(avg(amount), zero)"),
        ("j", "coalesce(coalesce(avg(amount), 0), 1)"),
        ("k", "time_since_last(amount)"),
        ("l", ""),
        ("m", "quantile(amount)"),
        ("n", "max(colour)"),
        ("o p", "count()"),
        ("q", "coalesce(sum(amount), 1.2.3)"),
        ("a", "count()"),
    ];
    check_errors(
        &declaration(&aggregates),
        &expect![[r#"
        aggregates.a: unknown aggregate `averag` at character 1 of `averag(amount)`; did you mean `avg`?
        aggregates.b: unknown aggregate `mean` at character 1 of `mean(amount)`; did you mean `avg`?
        aggregates.c: unknown column `amuont` at character 5 of `sum(amuont)`; did you mean `amount`?
        aggregates.d: column `currency` at character 5 of `sum(currency)` is neither a number nor a boolean
        aggregates.e: expected a column at character 5 of `sum()`, found `)`
        aggregates.f: expected `)` at character 11 of `sum(amount`, found the end
        aggregates.g: expected a name, a number, `(`, `)` or `,` at character 9 of `count() + 1`, found `+`
        aggregates.h: expected `,` and the number to use for null at character 21 of `coalesce(avg(amount))`, found `)`
        aggregates.i: expected a number at character 23 of `coalesce(avg(amount), zero)`, found `zero`
        aggregates.j: unknown aggregate `coalesce` at character 10 of `coalesce(coalesce(avg(amount), 0), 1)`; `coalesce` cannot stand inside `coalesce`
        aggregates.k: expected `)` (`time_since_last` takes no column) at character 17 of `time_since_last(amount)`, found `amount`
        aggregates.l: expected an aggregate such as `count()` at character 1 of ``, found the end
        aggregates.m: unknown aggregate `quantile` at character 1 of `quantile(amount)`; there are `count`, `sum`, `avg`, `min`, `max`, `stddev`, `last`, `time_since_last`, `coalesce`
        aggregates.n: unknown column `colour` at character 5 of `max(colour)`; there are `amount`, `is_online`, `is_fraud`
        aggregates.o p: `o p` is no name; use letters, digits and underscores, starting with a letter
        aggregates.q: expected a number at character 23 of `coalesce(sum(amount), 1.2.3)`, found `1.2.3`
        aggregates.a: `a` is there already; choose another name
    "#]],
    );
}

#[test]
fn windows_and_delays_are_checked() {
    let mut bad = declaration(&[("n", "count()")]);
    bad.windows = vec!["7 days", "0s", "24h", "1d", "40000d", "-1d"];
    bad.delay = Some("soon");
    bad.name = "2nd";
    check_errors(
        &bad,
        &expect![[r#"
        name: `2nd` is no name; use letters, digits and underscores, starting with a letter
        windows[0]: `7 days` is no duration; write a whole number and one of us, ms, s, m, h, d, w, at most 36525d
        windows[1]: window `0s` has no length; use at least 1us
        windows[3]: window `1d` is as long as `24h`; remove one
        windows[4]: `40000d` is no duration; write a whole number and one of us, ms, s, m, h, d, w, at most 36525d
        windows[5]: `-1d` is no duration; write a whole number and one of us, ms, s, m, h, d, w, at most 36525d
        delay: `soon` is no duration; write a whole number and one of us, ms, s, m, h, d, w, at most 36525d
    "#]],
    );
}

#[test]
fn aggregates_need_a_window() {
    let mut bad = declaration(&[("gap", "time_since_last()")]);
    bad.windows.clear();
    check_errors(
        &bad,
        &expect![[r#"
        aggregates.gap: the group has no windows; declare at least one, such as `windows: [1d]`
    "#]],
    );
}

#[test]
fn two_aggregates_cannot_give_one_feature() {
    check_errors(
        &declaration(&[("n", "count()"), ("n_1d", "last(amount)")]),
        &expect![[r#"
        aggregates.n_1d: `customer_n_1d` is there already; choose another name
    "#]],
    );
}

#[test]
fn durations_have_a_number_and_a_unit() {
    let rows = [
        ("250us", Some(250)),
        ("3ms", Some(3_000)),
        ("90s", Some(90_000_000)),
        ("10m", Some(600_000_000)),
        ("2h", Some(7_200_000_000)),
        ("30d", Some(2_592_000_000_000)),
        ("1w", Some(604_800_000_000)),
        ("0s", Some(0)),
        ("36525d", Some(36_525 * 86_400_000_000)),
        ("36526d", None),
        ("d", None),
        ("7", None),
        ("7 d", None),
        ("1.5d", None),
        ("99999999999999999999s", None),
        ("", None),
    ];
    for (text, expected) in rows {
        assert_eq!(parse_duration_us(text), expected, "{text}");
    }
}
