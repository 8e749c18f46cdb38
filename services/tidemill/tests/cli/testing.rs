//! Cases of test files: those that are shipped pass, and what differs is told with its line.

use std::collections::BTreeMap;
use std::path::Path;

use super::models::scores;
use super::{check, folder, lines, shipped, transactions};

#[test]
fn shipped_cases_pass_without_a_broker() {
    let dir = folder();
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/pipelines");
    let shipped = pipelines.join("fraud.yaml").display().to_string();
    // Brokers that are named for other commands are left alone.
    let args = ["test", "--pipeline", &shipped, "--brokers", "127.0.0.1:1", "--output", "json"];
    let cases = lines(&check(dir.path(), &args, 0, &[]));
    assert!(cases.len() == 3 && cases.iter().all(|case| case["passed"] == true), "{cases:?}");
    assert!(!dir.path().join(".tidemill").exists(), "nothing is left behind");
    check(dir.path(), &["init", "mine"], 0, &[]);
    let mine = dir.path().join("mine");
    check(&mine, &["test", "--case", "history"], 0, &["ok    the_history_of_a_customer_counts"]);
}

#[test]
fn what_differs_is_told_with_its_line() {
    let dir = folder();
    check(dir.path(), &["test"], 2, &["there is no test file fraud.test.yaml", "cases:"]);
    let write = |text: &str| std::fs::write(dir.path().join("own.yaml"), text).expect("a file");
    let event = "{ transaction_id: 1, event_time: 2026-04-01T09:00:00Z, customer_id: 7, terminal_id: 1, amount: 10 }";
    let bad = "{ transaction_id: 2, event_time: 2026-04-01T09:00:00Z, customer_id: 7, terminal_id: 1, amount: -1 }";
    write(&format!(
        "cases:
  all:
    events:
      - {event}
      - {bad}
    expect:
      features:
        1:
          customer_tx_count_1d: 2
          customer_tx_cuont_1d: 1
          customer_tx_amount_avg_1d: 10.0000000001
        2: {{ customer_tx_count_1d: 1 }}
        3: {{ customer_tx_count_1d: 1 }}
      late: [1]
"
    ));
    let said = [
        "FAIL  all",
        "own.yaml:9: event 1: customer_tx_count_1d is 1.0 and not 2",
        "own.yaml:10: there is no feature `customer_tx_cuont_1d`; did you mean `customer_tx_count_1d`?",
        "own.yaml:12: event 2 has no features: it was rejected with RULE_FAILED",
        "own.yaml:13: event 3 has no features: it is none of the 2 events of the case",
        "own.yaml:14: event 1 was not late: it was accepted",
        "own.yaml: event 2 was rejected with RULE_FAILED, which the case does not expect",
        "1 of 1 cases differ",
    ];
    let told = check(dir.path(), &["test", "own.yaml"], 1, &said);
    assert_eq!(told.lines().count(), said.len() - 1, "{told}");
    check(dir.path(), &["test", "own.yaml", "--case", "other"], 2, &["own.yaml has no such case"]);
    write("cases: { a: { events: [], expect: {} } }\n");
    check(dir.path(), &["test", "own.yaml"], 2, &["case `a` has no events"]);
    write("cases: { a: { evnts: [], expect: {} } }\n");
    check(dir.path(), &["test", "own.yaml"], 2, &["own.yaml is no test file", "evnts"]);
}

/// A model of the shipped pipeline's features, trained on the forty transactions, and what it makes of them.
fn trained(dir: &Path) -> BTreeMap<i64, (f64, bool)> {
    let yaml = shipped().replace("network: { mlp: [64, 32] }", "network: linear");
    // Of forty rows some columns are sums of others: only with a penalty there is one solution.
    let yaml = yaml.replace("early_stopping: 5 ", "early_stopping: false\n      l2: 0.1 ");
    std::fs::write(dir.join("own.yaml"), yaml).expect("a file");
    let file = transactions(dir).display().to_string();
    let own = |args: &[&str]| check(dir, &[args, &["--pipeline", "own.yaml"]].concat(), 0, &[]);
    own(&["features", "compute", &file, "--out", "f.parquet", "--label-delay", "6d"]);
    own(&["train", "--file", "f.parquet", "--from", "2024-05-01", "--to", "2024-05-12", "--label-delay", "1h"]);
    own(&["score", "fraud@1", "f.parquet", "--out", "s.parquet", "--threshold", "0.5"]);
    scores(&dir.join("s.parquet"))
}

/// Some of the transactions as a case, with what is expected of them.
fn case(model: &str, expected: &str) -> String {
    let event = |id: usize| {
        let (day, hour) = (1 + id / 4, id % 4);
        format!(
            "      - {{ transaction_id: {id}, event_time: 2024-05-{day:02}T{hour:02}:00:00Z, customer_id: {}, terminal_id: {}, amount: {id}.5, is_fraud: {} }}\n",
            id % 4,
            id % 2,
            id.is_multiple_of(10)
        )
    };
    let events: String = (0..40).map(event).collect();
    format!("{model}cases:\n  scored:\n    label_delay: 6d\n    events:\n{events}    expect:\n{expected}")
}

/// Witness: `score` over a file with the same events.
#[test]
fn scores_and_decisions_are_those_of_the_model_that_is_named() {
    let dir = folder();
    let dir = dir.path();
    let known = trained(dir);
    let write = |text: &str| std::fs::write(dir.join("own.test.yaml"), text).expect("a file");
    let run = |exit: i32, said: &[&str]| check(dir, &["test", "--pipeline", "own.yaml"], exit, said);
    let all: String = known.iter().map(|(id, (score, _))| format!("        {id}: {score:?}\n")).collect();
    let scores = format!("      scores:\n{all}");
    write(&case("model: fraud\n", &scores).replace("label_delay: 6d", "label_delay: 6d\n    score_tolerance: 0.0"));
    run(0, &["ok    scored"]);
    // The same model in files beside the test file.
    let version = dir.join(".tidemill/store/models/fraud/1");
    std::fs::create_dir(dir.join("champion")).expect("a folder");
    for entry in std::fs::read_dir(version).expect("a version") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, dir.join("champion").join(path.file_name().expect("a name"))).expect("a copy");
    }
    std::fs::remove_dir_all(dir.join(".tidemill")).expect("removed");
    write(&case("", &scores).replace("label_delay: 6d", "label_delay: 6d\n    model: ./champion"));
    run(0, &["ok    scored"]);
    let manifest = std::fs::read_to_string(dir.join("champion/manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    // In single precision, as scores are: the lowest one is the threshold here.
    let threshold = f64::from(manifest["threshold"]["value"].as_f64().expect("a threshold") as f32);
    let decided = known[&39].0 >= threshold;
    let off = known[&38].0 + 0.01;
    let wrong = format!(
        "      scores: {{ 38: {off}, 39: {:.5} }}\n      decisions: {{ 38: {}, 39: {} }}\n",
        known[&39].0,
        known[&38].0 >= threshold,
        !decided
    );
    let text =
        case("model: ./champion\n", &wrong).replace("label_delay: 6d", "label_delay: 6d\n    score_tolerance: 0.001");
    write(&text);
    let line = |of: &str| text.lines().position(|line| line.trim_start().starts_with(of)).expect("a line") + 1;
    let said = run(
        1,
        &[
            &format!("own.test.yaml:{}: event 38: its score is {}", line("scores:"), known[&38].0),
            &format!("own.test.yaml:{}: event 39: its decision is {decided} and not {}", line("decisions:"), !decided),
        ],
    );
    assert_eq!(said.matches("own.test.yaml:").count(), 2, "{said}");
    write(&case("model: ./champion\n", "      scores: { 40: 0.5 }\n"));
    run(1, &["event 40 has no score: it is none of the 40 events of the case"]);
}

#[test]
fn a_model_that_cannot_be_used_is_said() {
    let dir = folder();
    let dir = dir.path();
    trained(dir);
    let refused = |model: &str, said: &[&str]| {
        std::fs::write(dir.join("own.test.yaml"), case(model, "      scores: { 1: 0.5 }\n")).expect("a file");
        check(dir, &["test", "--pipeline", "own.yaml"], 2, said)
    };
    refused(
        "",
        &[
            "case `scored` expects scores, decisions or classes, and no model is named",
            "own.test.yaml:46:",
            "model: NAME",
        ],
    );
    refused("model: frod\n", &["`model: frod`", "nothing was published under that name", "tidemill train"]);
    refused("model: fraud@7\n", &["`model: fraud@7`", "version 7"]);
    refused("model: fraud@x\n", &["`model: fraud@x`"]);
    refused("model: ./champion\n", &["cannot read", "champion"]);
    std::fs::create_dir(dir.join("champion")).expect("a folder");
    refused("model: ./champion\n", &["champion has no manifest.json, so it is no model"]);
    // Other features than those that it was trained on.
    let own = std::fs::read_to_string(dir.join("own.yaml")).expect("a pipeline");
    std::fs::write(dir.join("own.yaml"), own.replace("tx_amount_avg: avg(amount)", "tx_amount_avg: sum(amount)"))
        .expect("a file");
    refused("model: fraud\n", &["feature"]);
}
