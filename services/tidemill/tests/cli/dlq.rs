//! `dlq list`, `show` and `retry` for a source in JSON: a rule is corrected and what it had rejected is retried, on a log
//! at rest and beside the process that has it; and what users get wrong.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::{Running, check, command, folder, lines, shipped, transactions, wait_for};

const EVENTS: &str = "fraud.transactions.events.v1";
/// Of the forty transactions those that the wrong rule rejects.
const REJECTED: usize = 10;
const UP: [&str; 6] = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];

fn letters(dir: &Path, more: &[&str]) -> Vec<Value> {
    let args = [&["dlq", "list", "--output", "json"], more].concat();
    lines(&check(dir, &args, 0, &[]))[0]["letters"].as_array().cloned().expect("letters")
}

fn of_state(letters: &[Value], state: &str) -> usize {
    letters.iter().filter(|letter| letter["state"] == state).count()
}

#[test]
fn what_a_wrong_rule_rejected_comes_through_once_it_is_corrected() {
    let dir = folder();
    let path = dir.path();
    let topic = "    topic: fraud.transactions.events.v1\n";
    let right = shipped().replacen(topic, &format!("{topic}    format: json\n"), 1);
    assert!(right.contains("format: json"));
    let wrong = right.replace("amount < 100000", "amount < 30");
    assert_ne!(wrong, right);
    let pipeline = path.join("topologies/pipelines");
    std::fs::create_dir_all(&pipeline).expect("a folder");
    let file = pipeline.join("fraud.yaml");
    std::fs::write(&file, &wrong).expect("a file");
    check(path, &["dlq", "list"], 2, &["tidemill up"]);
    let csv = transactions(path);
    check(path, &["publish", csv.to_str().expect("a path"), "--label-column", "TX_FRAUD"], 0, &[]);
    check(path, &["dlq", "list"], 0, &["there are no dead letters"]);
    check(path, &["dlq", "retry", "--all"], 0, &["no dead letter to retry"]);
    check(path, &UP, 0, &[]);

    let all = letters(path, &[]);
    assert_eq!((all.len(), of_state(&all, "open")), (REJECTED, REJECTED));
    check(path, &["dlq", "list"], 0, &["RULE_FAILED", "amount_in_range", "LETTERS"]);
    check(path, &["dlq", "list", "--limit", "3"], 0, &["and 7 before"]);
    let partition = all[0]["partition"].to_string();
    let there = letters(path, &["--code", "rule_failed", "--partition", &partition, "--since", "2024-05-01"]);
    assert!(!there.is_empty() && there.iter().all(|letter| letter["partition"] == all[0]["partition"]));
    assert_eq!(letters(path, &["--until", "2024-05-01"]).len() + letters(path, &["--code", "field_range"]).len(), 0);
    let ids: Vec<&str> = all.iter().map(|letter| letter["id"].as_str().expect("an id")).collect();
    let shown = ["rule `amount_in_range`", "Correct the record, or the rule", "amount: 3", "tidemill dlq retry"];
    check(path, &["dlq", "show", ids[0]], 0, &shown);
    mistakes(path);
    check(
        path,
        &["dlq", "retry", "--all", "--dry-run"],
        0,
        &["0 of 10 would be accepted", "rejected again, RULE_FAILED"],
    );

    // With the wrong rule it is rejected again, and may be retried again.
    check(path, &["dlq", "retry", ids[1]], 0, &["1 published again"]);
    check(path, &["dlq", "retry", ids[1]], 2, &["was retried already", "ledger show"]);
    check(path, &UP, 0, &[]);
    assert_eq!(of_state(&letters(path, &[]), "rejected again"), 1);
    check(path, &["dlq", "show", ids[1]], 0, &["retry 1, rejected"]);
    check(path, &["ledger", "verify", "--recount"], 0, &["everything agrees, logs counted"]);

    std::fs::write(&file, &right).expect("a file");
    check(path, &["dlq", "retry", "--all", "--dry-run"], 0, &["10 of 10 would be accepted", "nothing was published"]);
    check(path, &["dlq", "retry", ids[0], ids[0]], 0, &["1 published again"]);
    beside(path);
    let tells = ["published again, retry 1", "fraud.featurizer.terminal", "RULE_FAILED: ", "label"];
    check(path, &["ledger", "show", ids[0]], 0, &tells);
    check(path, &["ledger", "verify", "--recount"], 0, &["everything agrees, logs counted"]);
    check(path, &UP, 0, &[]);
    check(path, &["ledger", "verify", "--offline"], 0, &["everything agrees, logs counted"]);
    assert_eq!(lines(&check(path, &["tap", "features.log"], 0, &[])).len(), 40, "each event once");
    assert_eq!(lines(&check(path, &["tap", "outcomes"], 0, &[])).len(), 40, "with its label");
}

/// What users get wrong.
fn mistakes(path: &Path) {
    let nowhere = format!("{EVENTS}/0/999999");
    check(path, &["dlq", "show", &nowhere], 2, &["there is no dead letter", "dlq list", "ledger show"]);
    check(path, &["dlq", "retry", "4711"], 2, &["there is no dead letter 4711", "TOPIC/PARTITION/OFFSET"]);
    check(path, &["dlq", "retry"], 2, &["--all", "--code"]);
    check(path, &["dlq", "retry", "--partition", "1"], 2, &["--all"]);
    check(path, &["dlq", "list", "--code", "RULE_FAILD"], 2, &["did you mean RULE_FAILED?"]);
    check(path, &["dlq", "list", "--source", "fraud.predictions.v1"], 2, &["has no dead letters", EVENTS]);
    check(path, &["dlq", "list", "--source", "nowhere"], 2, &["is no topic of this pipeline", EVENTS]);
    check(path, &["dlq", "retry", "--code", "FIELD_NAN"], 0, &["no dead letter to retry"]);
}

/// Another process has the log, with the corrected rule.
fn beside(path: &Path) {
    let mut up = command(path, &["up", "--listen", "127.0.0.1:0", "--idle-timeout", "500ms"]);
    let _up = Running(up.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("the binary runs"));
    wait_for(&path.join(".tidemill/gateway"));
    assert_eq!(letters(path, &[]).len(), REJECTED + 1);
    check(path, &["dlq", "retry", "--all"], 0, &["9 published again", "1 were retried before"]);
    check(path, &["dlq", "retry", "--all"], 0, &["no dead letter to retry; 10 were retried before"]);
    check(path, &["ledger", "verify", "--wait", "2m"], 0, &["everything agrees"]);
    assert_eq!(of_state(&letters(path, &[]), "open"), 0);
}
