#![allow(clippy::unwrap_used)]

use expect_test::{Expect, expect};

use super::{Style, json, render};

const YAML: &str = "\
pipeline: Fraud
delivery: fast   # ü
sources: {}
features:
  entities: { customer: { key: customer_id } }
";

fn problems(yaml: &str) -> Vec<flow::config::Problem> {
    flow::config::parse(yaml, &|_| Err("there is no such file".to_owned())).unwrap_err()
}

#[track_caller]
fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&render("shop/fraud.yaml", yaml, &problems(yaml), Style::Plain));
}

#[test]
fn every_problem_is_shown_with_line_caret_and_help() {
    check(
        YAML,
        expect![[r#"
        TM0005

          × unusable name
           ╭─[shop/fraud.yaml:1:11]
         1 │ pipeline: Fraud
           ·           ──┬──
           ·             ╰── `Fraud` cannot be a pipeline's name
         2 │ delivery: fast   # ü
           ╰────
          help: names begin with a-z, go on with a-z, 0-9, _, - and have at most 64 characters

        TM0008

          × unknown choice
           ╭─[shop/fraud.yaml:2:11]
         1 │ pipeline: Fraud
         2 │ delivery: fast   # ü
           ·           ──┬─
           ·             ╰── `fast` is no choice for `delivery`
         3 │ sources: {}
           ╰────
          help: known: `low_latency`, `exactly_once`

        TM0003

          × missing key
           ╭─[shop/fraud.yaml:3:10]
         2 │ delivery: fast   # ü
         3 │ sources: {}
           ·          ┬
           ·          ╰── `sources` needs a source of events
         4 │ features:
           ╰────

        3 problems in shop/fraud.yaml; `tidemill explain CODE` says more of a code
    "#]],
    );
}

#[test]
fn a_syntax_error_is_one_problem() {
    check(
        "pipeline: [fraud\n",
        expect![[r#"
        TM0001

          × not valid YAML
           ╭─[shop/fraud.yaml:1:11]
         1 │ pipeline: [fraud
           ·           ▲
           ·           ╰── unclosed bracket '['
           ╰────
          help: check indentation, and quote texts that contain `: ` or ` #`

        1 problem in shop/fraud.yaml; `tidemill explain CODE` says more of a code
    "#]],
    );
}

#[test]
fn an_empty_file_is_shown_too() {
    check(
        "",
        expect![[r#"
        TM0004

          × wrong type: the pipeline must be a map, not nothing
           ╭─[shop/fraud.yaml:1:1]
           ╰────

        1 problem in shop/fraud.yaml; `tidemill explain CODE` says more of a code
    "#]],
    );
}

#[test]
fn colours_change_nothing_but_colours() {
    let coloured = render("shop/fraud.yaml", YAML, &problems(YAML), Style::Colour);
    assert!(coloured.contains("\u{1b}["));
}

#[test]
fn json_says_the_same() {
    let expected = serde_json::json!({
        "file": "shop/fraud.yaml",
        "valid": false,
        "problems": [{
            "code": "TM0005",
            "title": "unusable name",
            "message": "`Fraud` cannot be a pipeline's name",
            "line": 1,
            "column": 11,
            "start": 10,
            "end": 15,
            "help": "names begin with a-z, go on with a-z, 0-9, _, - and have at most 64 characters",
        }],
    });
    assert_eq!(json("shop/fraud.yaml", &problems(YAML)[..1]), expected);
    assert_eq!(json("shop/fraud.yaml", &[])["valid"], true);
}
