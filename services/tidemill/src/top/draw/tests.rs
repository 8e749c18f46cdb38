use std::collections::BTreeMap;

use expect_test::expect;

use super::*;
use crate::top::model::{History, Seen};
use crate::top::page::{Counters, Page};

#[track_caller]
fn check(counts: &[(&str, u64)], expected: &str) {
    let counts: Vec<(String, u64)> = counts.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect();
    assert_eq!(labels(counts.iter().map(|(outcome, count)| (outcome, count))), expected);
}

#[test]
fn labels_that_find_no_event_are_told() {
    check(&[("paired", 0), ("waiting", 0)], "");
    check(&[("paired", 5), ("waiting", 1), ("conflict", 0), ("paired", 2)], "labels: 7 paired, 1 waiting\n");
    let none = "labels: 9 waiting; no event has the id of any of them: both must be the same to the letter\n";
    check(&[("paired", 0), ("waiting", 9)], none);
}

/// Two processes of one pipeline, of which one is gone. Another consumer group of it is in neither.
fn looks() -> [Look; 2] {
    [(1_000, 100), (3_000, 150)].map(|(at_ms, records_in)| {
        let scorer = Counters { records_in, records_out: 2 * records_in, partitions: 4, delay_ms: 9, restarts: 1 };
        let page = Page {
            pipeline: "fraud".to_owned(),
            version: "0.1.0".to_owned(),
            services: BTreeMap::from([("scorer".to_owned(), scorer)]),
            lag: BTreeMap::from([("fraud.scorer".to_owned(), 5), ("fraud.archiver".to_owned(), 1_200)]),
            failed: BTreeMap::from([("flagged".to_owned(), 3), ("rejected".to_owned(), 12)]),
            labels: BTreeMap::from([("paired".to_owned(), 7)]),
        };
        let drift = |monitor: &str, level: &str, worst: Option<(&str, f64)>| Drift {
            monitor: monitor.to_owned(),
            level: level.to_owned(),
            too_few: None,
            worst: worst.map(|(subject, value)| (subject.to_owned(), value)),
            until: "2018-07-03T00:00:00Z".to_owned(),
        };
        let drift = vec![drift("inputs", "ALARM", Some(("amount", 0.312_49))), drift("scores", "NONE", None)];
        let seen = Seen { page, lacks: Vec::new(), champion: Some("fraud@3".to_owned()), drift };
        Look {
            at_ms,
            gateways: vec![("a:1".to_owned(), Ok(seen)), ("b:2".to_owned(), Err("b:2 does not answer".to_owned()))],
        }
    })
}

#[test]
fn a_picture_names_model_drift_rates_and_lags() {
    let (mut history, [first, look]) = (History::default(), looks());
    history.take(first);
    let rows = history.take(look.clone());
    expect![[r#"
        a:1  pipeline fraud, release 0.1.0, ready
        b:2  gone: b:2 does not answer
        model fraud@3; drift: inputs ALARM until 2018-07-03T00:00:00Z, most in amount: 0.312; scores NONE until 2018-07-03T00:00:00Z
        records that failed a check: 3 flagged, 12 rejected
        labels: 7 paired

        SERVICE   STATE      IN/S  OUT/S  DELAY  LAG   PARTITIONS  RESTARTS  GATEWAY
        scorer    works      25.0  50.0   9 ms   5     4           1         a:1
        archiver  elsewhere  -     -      -      1200  -           -         -
    "#]].assert_eq(&text(&look, &rows));
    expect![[r#"
        {
          "gateways": [
            {
              "champion": "fraud@3",
              "drift": [
                {
                  "judged": true,
                  "level": "ALARM",
                  "monitor": "inputs",
                  "until": "2018-07-03T00:00:00Z",
                  "worst": {
                    "subject": "amount",
                    "value": 0.31249
                  }
                },
                {
                  "judged": true,
                  "level": "NONE",
                  "monitor": "scores",
                  "until": "2018-07-03T00:00:00Z",
                  "worst": null
                }
              ],
              "failed": {
                "flagged": 3,
                "rejected": 12
              },
              "gateway": "a:1",
              "labels": {
                "paired": 7
              },
              "lacks": [],
              "pipeline": "fraud",
              "version": "0.1.0"
            },
            {
              "gateway": "b:2",
              "gone": "b:2 does not answer"
            }
          ],
          "services": [
            {
              "delay_ms": 9,
              "gateway": "a:1",
              "in_per_s": 25.0,
              "lag": 5,
              "out_per_s": 50.0,
              "partitions": 4,
              "restarts": 1,
              "service": "scorer",
              "state": "works"
            },
            {
              "delay_ms": null,
              "gateway": null,
              "in_per_s": null,
              "lag": 1200,
              "out_per_s": null,
              "partitions": null,
              "restarts": null,
              "service": "archiver",
              "state": "elsewhere"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&value(&look, &rows)).expect("JSON"));
}

#[test]
fn a_pipeline_that_is_not_ready_says_what_it_lacks() {
    let (mut history, [_, mut look]) = (History::default(), looks());
    look.gateways.truncate(1);
    if let Ok(seen) = &mut look.gateways[0].1 {
        (seen.champion, seen.drift) = (None, Vec::new());
        seen.lacks = vec!["no champion".to_owned(), "topic a is missing".to_owned()];
    }
    let rows = history.take(look.clone());
    expect![[r#"
        a:1  pipeline fraud, release 0.1.0, not ready: no champion; topic a is missing
        model none; drift: no report yet
        records that failed a check: 3 flagged, 12 rejected
        labels: 7 paired

        SERVICE   STATE      IN/S  OUT/S  DELAY  LAG   PARTITIONS  RESTARTS
        scorer    new        -     -      -      5     4           1
        archiver  elsewhere  -     -      -      1200  -           -
    "#]]
    .assert_eq(&text(&look, &rows));
}
