//! `rules check`, and what rules, flags and the breaker do in a whole run.

use std::path::Path;

use super::{check, command, folder, lines, shipped, transactions};

const RULE: &str = "amount_in_range: { check: amount >= 0 and amount < 100000, on_fail: reject }";
const UP: [&str; 6] = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];

/// A folder whose pipeline has other rules, and perhaps another setting of its events.
fn with(path: &Path, rules: &str, setting: &str) {
    let pipeline = path.join("topologies/pipelines");
    std::fs::create_dir_all(&pipeline).expect("a folder");
    let id = "    id: transaction_id ";
    let text = shipped().replacen(RULE, rules, 1).replacen(id, &format!("{setting}{id}"), 1);
    assert!(text.contains(rules) && text.contains(setting));
    std::fs::write(pipeline.join("fraud.yaml"), text).expect("a file");
}

#[test]
fn rules_are_tried_on_a_file_and_on_a_topic_and_change_nothing() {
    let dir = folder();
    let path = dir.path();
    let rules = "small: { check: amount < 30 }\n      odd: { check: \"terminal_id < 1\", on_fail: flag }";
    with(path, rules, "");
    let csv = transactions(path);
    let csv = csv.to_str().expect("a path");
    let said = ["RULE_FAILED small", "10", "odd", "15", "row 31: rule `small` is false", "40 records, 10 of them"];
    check(path, &["rules", "check", csv], 2, &said);
    let json = lines(&check(path, &["rules", "check", csv, "--examples", "1", "--output", "json"], 2, &[]));
    assert_eq!((&json[0]["records"], &json[0]["rejected"]), (&40.into(), &10.into()));
    assert_eq!(json[0]["found"][0]["examples"].as_array().map(Vec::len), Some(1));
    // Twice the amount, which a column of the file becomes by SQL.
    let doubled = ["rules", "check", csv, "--map", r#"amount=cast("TX_AMOUNT" as double) * 2"#];
    check(path, &doubled, 2, &["row 16: rule `small` is false", "40 records, 25 of them"]);
    let slip = ["rules", "check", csv, "--map", r#"amount=cast("TX_AMUONT" as double) * 2"#];
    check(path, &slip, 2, &["TX_AMUONT"]);
    assert!(!path.join(".tidemill").exists(), "a file is tried without a log");
    let text = path.join("events.jsonl");
    let event = r#"{"transaction_id": 1, "event_time": "2024-05-01T00:00:00Z", "customer_id": 1, "terminal_id": 0, "amount": 5}"#;
    std::fs::write(&text, format!("{event}\n\n{{\"amount\": \n{event}\n")).expect("a file");
    let said = ["JSON_SYNTAX", "line 3: ", "3 records, 1 of them would be rejected"];
    check(path, &["rules", "check", text.to_str().expect("a path")], 2, &said);

    check(path, &["publish", csv], 0, &[]);
    check(path, &["rules", "check", "transactions"], 2, &["RULE_FAILED small", "40 records, 10 of them", "offset"]);
    check(path, &["rules", "check", "transactions", "--to", "0"], 0, &["0 records"]);
    let part = |range: &[&str]| {
        let args = [&["rules", "check", "transactions", "--output", "json"], range].concat();
        let output = command(path, &args).output().expect("the binary runs");
        lines(&super::text(&output.stdout)).remove(0)["records"].as_u64().expect("a count")
    };
    let (head, middle, tail) = (part(&["--to", "3"]), part(&["--from", "3", "--to", "7"]), part(&["--from", "7"]));
    assert_eq!(head + middle + tail, 40);
    assert!(head > 0 && middle > 0 && tail > 0, "{head}, {middle}, {tail}");
    check(path, &["rules", "check", "nowhere"], 2, &["is no file and no source", "transactions"]);
    check(path, &UP, 0, &[]);
    let features = lines(&check(path, &["tap", "features.log"], 0, &[]));
    let flagged = features.iter().filter(|line| line["event"]["failed_rules"][0] == "odd").count();
    assert_eq!((features.len(), flagged), (30, 15), "those of terminal 1 that came through");
    check(path, &["ledger", "verify", "--offline"], 0, &["everything agrees"]);
}

#[test]
fn a_validator_stops_when_its_source_declares_that_too_much_is_rejected() {
    let dir = folder();
    let path = dir.path();
    with(path, "small: { check: amount < 5 }", "    breaker: { in_a_row: 5 }\n");
    let csv = transactions(path);
    check(path, &["publish", csv.to_str().expect("a path")], 0, &[]);
    let said =
        ["more than 5 records in a row were rejected", "RULE_FAILED: rule `small` is false", "nothing was committed"];
    check(path, &UP, 4, &said);
    check(path, &["dlq", "list"], 0, &["there are no dead letters"]);
}
