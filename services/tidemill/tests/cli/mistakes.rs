//! Everything that is wrong in a pipeline file is told at once: what its reader finds and what only a compiler of
//! expressions can find, each with line, caret and help, and nothing twice.

use expect_test::expect;

use super::{folder, shipped, text, tidemill};

#[test]
fn mistakes_of_every_kind_are_told_at_once() {
    let dir = folder();
    let mut yaml = shipped();
    for (right, wrong) in [
        ("lateness: 10m ", "lateness: 10 "),
        ("partitions: 4", "partitons: 4"),
        ("terminal_id: { min: 0 }", "terminal_id: { min: zero }"),
        (
            "      amount_in_range: { check: amount >= 0 and amount < 100000, on_fail: reject }",
            "      never: { check: amount < 0 and amount > 10 }
      unknown: { check: amuont > 0 }
      number: { check: amount + 1 }
      other_number: { check: customer_id }
      half: { check: amount > }",
        ),
        ("is_night: extract(hour from event_time) <= 6", "is_night: extract(hour from amount) <= 6"),
        (
            "        tx_amount_avg: avg(amount)",
            "        tx_amount_avg: smu(amount)
        yes: count(where amount)
        no: sum(amount where customer_id)
        part: ratio(count(), 1d, 3d)",
        ),
        (
            "models:",
            "  derived:\n    share: amount + event_time\n    other: amount || 5 + true\n    spent: customer_yes_1d + derived_share\n\nmodels:",
        ),
    ] {
        assert!(yaml.contains(right), "{right}");
        yaml = yaml.replacen(right, wrong, 1);
    }
    std::fs::write(dir.path().join("pipeline.yaml"), yaml).expect("a file");
    let output = tidemill(dir.path(), &["validate"]);
    assert_eq!(output.status.code(), Some(2));
    expect![[r#"
        TM0007

          × not a duration
            ╭─[pipeline.yaml:15:11]
         14 │ ordering: arrival
         15 │ lateness: 10          # an event further behind the newest one of its partition goes to the topic `….late`
            ·           ─┬
            ·            ╰── `lateness` must be a duration, not `10` without a unit
         16 │ idle_timeout: 30s      # a partition silent for so long no longer holds the others back
            ╰────
          help: write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d

        TM0002

          × unknown key
            ╭─[pipeline.yaml:17:1]
         16 │ idle_timeout: 30s      # a partition silent for so long no longer holds the others back
         17 │ partitons: 4
            · ────┬────
            ·     ╰── the pipeline has no setting `partitons`
         18 │ 
            ╰────
          help: did you mean `partitions`?

        TM0004

          × wrong type
            ╭─[pipeline.yaml:29:27]
         28 │       customer_id: { min: 0 }
         29 │       terminal_id: { min: zero }
            ·                           ──┬─
            ·                             ╰── `min` must be a number, not a text
         30 │     rules:                         # SQL over the columns; an event that fails one becomes a dead letter
            ╰────

        TM0016

          × settings contradict each other
            ╭─[pipeline.yaml:31:23]
         30 │     rules:                         # SQL over the columns; an event that fails one becomes a dead letter
         31 │       never: { check: amount < 0 and amount > 10 }
            ·                       ─────────────┬────────────
            ·                                    ╰── rule `never` is true for no event at all
         32 │       unknown: { check: amuont > 0 }
            ╰────
          help: it is constant, or its conditions contradict each other

        TM0011

          × unknown column
            ╭─[pipeline.yaml:32:25]
         31 │       never: { check: amount < 0 and amount > 10 }
         32 │       unknown: { check: amuont > 0 }
            ·                         ───┬──
            ·                            ╰── `amuont` is no column of `fraud/Transaction.avsc`
         33 │       number: { check: amount + 1 }
            ╰────
          help: did you mean `amount`?

        TM0016

          × settings contradict each other
            ╭─[pipeline.yaml:33:24]
         32 │       unknown: { check: amuont > 0 }
         33 │       number: { check: amount + 1 }
            ·                        ─────┬────
            ·                             ╰── rule `number`: `amount + 1` is Float64, not true or false
         34 │       other_number: { check: customer_id }
            ╰────

        TM0016

          × settings contradict each other
            ╭─[pipeline.yaml:34:30]
         33 │       number: { check: amount + 1 }
         34 │       other_number: { check: customer_id }
            ·                              ─────┬─────
            ·                                   ╰── rule `other_number`: `customer_id` is Int32, not true or false
         35 │       half: { check: amount > }
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:35:22]
         34 │       other_number: { check: customer_id }
         35 │       half: { check: amount > }
            ·                      ────┬───
            ·                          ╰── rule `half`: Expected: an expression, found: EOF
         36 │ 
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:51:15]
         50 │     is_weekend: extract(dow from event_time) in (0, 6)
         51 │     is_night: extract(hour from amount) <= 6
            ·               ───────────────┬──────────────
            ·                              ╰── row feature `is_night`: Function 'date_part' requires Timestamp, but received Float64 (DataType: Float64)
         52 │   entities:                        # a chain: each adds its features and hands the event on
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:58:24]
         57 │         tx_count: count()
         58 │         tx_amount_avg: smu(amount)
            ·                        ─┬─
            ·                         ╰── `smu` is no aggregate
         59 │         yes: count(where amount)
            ╰────
          help: did you mean `sum`?

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:59:14]
         58 │         tx_amount_avg: smu(amount)
         59 │         yes: count(where amount)
            ·              ─────────┬─────────
            ·                       ╰── condition `amount`: is neither true nor false
         60 │         no: sum(amount where customer_id)
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:60:13]
         59 │         yes: count(where amount)
         60 │         no: sum(amount where customer_id)
            ·             ──────────────┬──────────────
            ·                           ╰── condition `customer_id`: is neither true nor false
         61 │         part: ratio(count(), 1d, 3d)
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:61:34]
         60 │         no: sum(amount where customer_id)
         61 │         part: ratio(count(), 1d, 3d)
            ·                                  ─┬
            ·                                   ╰── expected one of the windows `1d`, `7d`, `30d`, found `3d`
         62 │     terminal:                      # terminal_tx_count_1d, …, terminal_risk_30d
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:71:12]
         70 │   derived:
         71 │     share: amount + event_time
            ·            ─────────┬─────────
            ·                     ╰── derived feature `share`: Cannot coerce arithmetic expression Float64 + Timestamp(ms, "+00:00") to valid types
         72 │     other: amount || 5 + true
            ╰────

        TM0014

          × unusable expression
            ╭─[pipeline.yaml:72:12]
         71 │     share: amount + event_time
         72 │     other: amount || 5 + true
            ·            ─────────┬────────
            ·                     ╰── derived feature `other`: Cannot infer common string type for string concat operation Float64 || Int64
         73 │     spent: customer_yes_1d + derived_share
            ╰────

        15 problems in pipeline.yaml; `tidemill explain CODE` says more of a code
    "#]].assert_eq(&text(&output.stderr));
}
