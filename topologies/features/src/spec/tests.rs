#![allow(clippy::unwrap_used)]

//! What is accepted, what is refused, and in which words.

use expect_test::{Expect, expect};

use super::{Declaration, Function, Group, Scope, Source, Statistic, parse_duration_us};

fn scope() -> Scope<'static> {
    Scope {
        numeric: vec!["amount", "is_online"],
        texts: vec!["currency"],
        other: vec!["seen_at"],
        target: Some("is_fraud"),
    }
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

fn columns(group: &Group) -> Vec<&str> {
    group.inputs().iter().filter_map(|input| input.column.as_deref()).collect()
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
    assert_eq!(columns(&group), ["amount"]);
    assert!(group.reads_label());
    assert_eq!(group.aggregates()[2].function, Function::Of(Statistic::Avg, Source::Label));
    assert_eq!(group.aggregates()[2].default, Some(-15.0));
}

#[test]
fn columns_are_taken_once_in_order_of_first_use() {
    let aggregates = [("a", "sum( is_online )"), ("b", "count(amount)"), ("c", "max(is_online)")];
    let group = Group::parse(&declaration(&aggregates), &scope()).unwrap();
    assert_eq!(columns(&group), ["is_online", "amount"]);
    assert!(!group.reads_label());
}

#[test]
fn label_target_wins_over_a_column_of_its_name() {
    let scope = Scope { numeric: vec!["is_fraud"], texts: vec![], other: vec![], target: Some("is_fraud") };
    let group = Group::parse(&declaration(&[("risk", "avg(is_fraud)")]), &scope).unwrap();
    assert!(group.inputs().is_empty() && group.reads_label());
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
        ("m", "histogram(amount)"),
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
        aggregates.g: expected the end of the expression at character 9 of `count() + 1`, found `+`
        aggregates.h: expected `,` and the number to use for null at character 21 of `coalesce(avg(amount))`, found `)`
        aggregates.i: expected a number at character 23 of `coalesce(avg(amount), zero)`, found `zero`
        aggregates.j: unknown aggregate `coalesce` at character 10 of `coalesce(coalesce(avg(amount), 0), 1)`; `coalesce` cannot stand inside `coalesce`
        aggregates.k: expected `)` (`time_since_last` takes no column) at character 17 of `time_since_last(amount)`, found `amount`
        aggregates.l: expected an aggregate such as `count()` at character 1 of ``, found the end
        aggregates.m: unknown aggregate `histogram` at character 1 of `histogram(amount)`; there are `count`, `sum`, `avg`, `min`, `max`, `stddev`, `first`, `last`, `distinct`, `quantile`, `most_frequent`, `rate`, `ratio`, `decayed_count`, `decayed_sum`, `decayed_avg`, `time_since_last`, `coalesce`
        aggregates.n: unknown column `colour` at character 5 of `max(colour)`; there are `amount`, `is_online`, `is_fraud`
        aggregates.o p: `o p` is no name; use letters, digits and underscores, starting with a letter
        aggregates.q: expected a number at character 23 of `coalesce(sum(amount), 1.2.3)`, found `1.2.3`
        aggregates.a: `a` is there already; choose another name
    "#]],
    );
}

#[test]
fn arguments_of_newer_aggregates_are_checked() {
    let aggregates = [
        ("a", "ratio(count(), 1d)"),
        ("b", "ratio(count(), 1d, 30d)"),
        ("c", "ratio(last(amount), 1d, 7d)"),
        ("d", "ratio(count, 1d, 7d)"),
        ("e", "decayed_sum(amount)"),
        ("f", "decayed_sum(amount, 0s)"),
        ("g", "decayed_count(amount, fast)"),
        ("h", "decayed(amount, 1h)"),
        ("i", "count(where )"),
        ("j", "avg(is_fraud where amount > 1)"),
        ("k", "count(where amount > 1) + 1"),
        ("l", "first()"),
        ("m", "rate(currency)"),
        ("n", "count(wher amount > 1)"),
        ("o", "count(where amount > 1"),
        ("p", "quantile(amount)"),
        ("q", "quantile(amount, 95)"),
        ("r", "quantile(amount, 0.1234567)"),
        ("s", "quantile(currency, 0.5)"),
        ("t", "distinct(seen_at)"),
        ("u", "distinct(curency)"),
        ("v", "most_frequent(currency)"),
        ("w", "median(amount)"),
    ];
    check_errors(
        &declaration(&aggregates),
        &expect![[r#"
            aggregates.a: expected `,` and the window below the line at character 18 of `ratio(count(), 1d)`, found `)`
            aggregates.b: expected one of the windows `1d`, `7d` at character 20 of `ratio(count(), 1d, 30d)`, found `30d`
            aggregates.c: expected an aggregate with a value per window, such as `count()` at character 7 of `ratio(last(amount), 1d, 7d)`, found `last`
            aggregates.d: expected `(` at character 12 of `ratio(count, 1d, 7d)`, found `,`
            aggregates.e: expected `,` and a half-life such as `12h` at character 19 of `decayed_sum(amount)`, found `)`
            aggregates.f: expected a half-life such as `12h` at character 21 of `decayed_sum(amount, 0s)`, found `0s`
            aggregates.g: expected a half-life such as `12h` at character 23 of `decayed_count(amount, fast)`, found `fast`
            aggregates.h: unknown aggregate `decayed` at character 1 of `decayed(amount, 1h)`; there are `count`, `sum`, `avg`, `min`, `max`, `stddev`, `first`, `last`, `distinct`, `quantile`, `most_frequent`, `rate`, `ratio`, `decayed_count`, `decayed_sum`, `decayed_avg`, `time_since_last`, `coalesce`
            aggregates.i: expected a condition such as `amount > 100` at character 13 of `count(where )`, found `)`
            aggregates.j: expected `)` (a label has no columns for a condition) at character 14 of `avg(is_fraud where amount > 1)`, found `where`
            aggregates.k: expected the end of the expression at character 25 of `count(where amount > 1) + 1`, found `+`
            aggregates.l: expected a column at character 7 of `first()`, found `)`
            aggregates.m: column `currency` at character 6 of `rate(currency)` is neither a number nor a boolean
            aggregates.n: unknown column `wher` at character 7 of `count(wher amount > 1)`; there are `amount`, `is_online`, `is_fraud`
            aggregates.o: expected `)` at character 23 of `count(where amount > 1`, found the end
            aggregates.p: expected `,` and a share such as `0.95` at character 16 of `quantile(amount)`, found `)`
            aggregates.q: expected a share from 0 to 1 with at most six decimals, such as `0.95` at character 18 of `quantile(amount, 95)`, found `95`
            aggregates.r: expected a share from 0 to 1 with at most six decimals, such as `0.95` at character 18 of `quantile(amount, 0.1234567)`, found `0.1234567`
            aggregates.s: column `currency` at character 10 of `quantile(currency, 0.5)` is neither a number nor a boolean
            aggregates.t: column `seen_at` at character 10 of `distinct(seen_at)` is neither a number nor a boolean nor a text
            aggregates.u: unknown column `curency` at character 10 of `distinct(curency)`; did you mean `currency`?
            aggregates.v: column `currency` at character 15 of `most_frequent(currency)` is neither a number nor a boolean
            aggregates.w: unknown aggregate `median` at character 1 of `median(amount)`; did you mean `quantile`?
        "#]],
    );
}

#[test]
fn conditions_are_taken_as_they_stand() {
    let aggregates = [
        ("a", "count(where currency in ('a)', 'b') and (amount > 1 or is_online))"),
        ("b", "sum(amount WHERE currency = 'x')"),
        ("c", "avg(amount where currency = 'x')"),
        ("d", "decayed_count(1h where is_online)"),
        ("e", "coalesce(last(amount where is_online), 0)"),
        ("f", "rate(where is_online)"),
    ];
    let group = Group::parse(&declaration(&aggregates), &scope()).unwrap();
    let inputs = group.inputs().iter();
    let texts: Vec<_> =
        inputs.map(|input| (input.column.as_deref(), input.condition.as_ref().unwrap().text.as_str())).collect();
    assert_eq!(
        texts,
        [
            (None, "currency in ('a)', 'b') and (amount > 1 or is_online)"),
            (Some("amount"), "currency = 'x'"),
            (None, "is_online"),
            (Some("amount"), "is_online"),
        ]
    );
}

#[test]
fn ratios_and_decays_give_one_feature() {
    let aggregates = [("burst", "ratio(avg(amount), 24h, 7d)"), ("heat", "decayed_sum(amount, 12h)"), ("r", "rate()")];
    let group = Group::parse(&declaration(&aggregates), &scope()).unwrap();
    let names: Vec<String> = group.outputs().into_iter().map(|output| output.name).collect();
    assert_eq!(names, ["customer_burst", "customer_heat", "customer_r_1d", "customer_r_7d"]);
    assert_eq!(group.aggregates()[0].ratio, Some((0, 1)));
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
