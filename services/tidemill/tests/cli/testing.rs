//! Cases of test files: those that are shipped pass, and what differs is told with its line.

use std::path::Path;

use super::{check, folder, lines};

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
