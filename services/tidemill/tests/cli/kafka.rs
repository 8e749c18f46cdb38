//! What users do with labels and rules, on a real Kafka: by hand and from a file, corrected, refused, and tried on a topic.

use std::path::Path;

use serde_json::{Value, json};

use super::{check, command, folder, lines, shipped, text, transactions};

const PIPELINE: &str = "marked.yaml";

/// A pipeline of this test's own on a broker.
struct OnKafka<'a> {
    dir: &'a Path,
    brokers: &'a str,
}

impl OnKafka<'_> {
    fn place(&self) -> [&str; 6] {
        ["--brokers", self.brokers, "--idle-timeout", "500ms", "--pipeline", PIPELINE]
    }

    #[track_caller]
    fn run(&self, args: &[&str], exit: i32, said: &[&str]) -> String {
        check(self.dir, &[args, &self.place()].concat(), exit, said)
    }

    /// All services but the scorer over what is there.
    #[track_caller]
    fn drain(&self) {
        self.run(&["run", "validator", "featurizer", "--drain"], 0, &["everything is committed"]);
    }

    #[track_caller]
    fn label(&self, event: &str, value: &str, day: u32) {
        let known = format!("2024-05-{day:02}T00:00:00Z");
        let said = ["published 1 label to marked.labels.events.v1"];
        self.run(&["label", "--event", event, "--value", value, "--known", &known], 0, &said);
    }

    /// Fields of each record of a topic, in an order that partitions do not decide.
    #[track_caller]
    fn rows<const N: usize>(&self, topic: &str, fields: [&str; N]) -> Vec<Value> {
        let all = lines(&self.run(&["tap", topic], 0, &[]));
        let row = |line: &Value| -> Value { fields.map(|field| line["value"][field].clone()).into_iter().collect() };
        let mut rows: Vec<Value> = all.iter().map(row).collect();
        rows.sort_by_key(Value::to_string);
        rows
    }

    /// Records of the events' topic that a dry run of the rules looks at.
    fn tried(&self, range: &[&str]) -> Value {
        let args = [&["rules", "check", "transactions", "--output", "json"], range, &self.place()].concat();
        let output = command(self.dir, &args).output().expect("the binary runs");
        lines(&text(&output.stdout)).remove(0)
    }
}

#[test]
fn labels_are_corrected_and_refused_and_rules_are_tried_on_kafka() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = folder();
    let on = OnKafka { dir: dir.path(), brokers: kafka.brokers() };
    let rule = "amount_in_range: { check: amount >= 0 and amount < 100000, on_fail: reject }";
    let mut own = shipped();
    for (from, to) in [
        ("pipeline: fraud\n", "pipeline: marked\n"),
        ("topic: fraud.", "topic: marked."),
        ("policy: first", "policy: last"),
        (rule, "small: { check: amount < 30 }\n      odd: { check: \"terminal_id < 1\", on_fail: flag }"),
    ] {
        assert!(own.contains(from), "the file says {from:?}");
        own = own.replace(from, to);
    }
    std::fs::write(dir.path().join(PIPELINE), own).expect("a file");
    let csv = transactions(dir.path());
    on.run(&["publish", csv.to_str().expect("a path")], 0, &["published 40 events"]);
    rules_are_tried(&on);
    on.drain();

    // The second says the same as the first, and the fourth became known before the third.
    for (event, value, day) in [("0", "1", 12), ("0", "1", 13), ("0", "0", 15), ("0", "1", 14)] {
        on.label(event, value, day);
    }
    let file = dir.path().join("labels.csv");
    std::fs::write(&file, "id,verdict,known_time\n1,true,2024-05-20T00:00:00Z\n2,false,2024-05-20T00:00:00Z\n")
        .expect("a file");
    let maps = ["--map", "transaction_id=id", "--map", "is_fraud=verdict"];
    on.run(&[&["label", file.to_str().expect("a path")], &maps[..]].concat(), 0, &["published 2 labels"]);
    on.drain();
    let outcome = ["event_id", "label", "revision", "repeated"];
    let corrected = [json!(["0", 0.0, 1, true])];
    let first = [json!(["0", 1.0, 0, false]), json!(["1", 1.0, 0, false]), json!(["2", 0.0, 0, false])];
    assert_eq!(on.rows("outcomes", outcome), [&corrected[..], &first].concat());
    let refusal = ["event_id", "label", "reason", "standing"];
    assert_eq!(on.rows("refusals", refusal), [json!(["0", 1.0, "LABEL_SUPERSEDED", 0.0])]);

    // Processes that are started anew correct what others have said.
    on.label("0", "1", 16);
    on.drain();
    let again = [json!(["0", 1.0, 2, true])];
    assert_eq!(on.rows("outcomes", outcome), [&corrected[..], &first[..1], &again, &first[1..]].concat());
    on.run(&["explain", "LABEL_SUPERSEDED"], 0, &[]);
    on.run(&["ledger", "verify", "--offline"], 0, &["everything agrees"]);
    rules_are_kept(&on);
}

/// What rules would reject is counted, over the whole topic and over parts of it, and nothing is decided.
fn rules_are_tried(on: &OnKafka<'_>) {
    let said = ["RULE_FAILED small", "10", "odd", "15", "40 records, 10 of them", "offset"];
    on.run(&["rules", "check", "transactions"], 2, &said);
    on.run(&["rules", "check", "marked.transactions.events.v1", "--to", "0"], 0, &["0 records"]);
    let parts = [&["--to", "3"][..], &["--from", "3", "--to", "7"], &["--from", "7"]].map(|range| on.tried(range));
    let sum = |name: &str| parts.iter().map(|part| part[name].as_u64().expect("a count")).sum::<u64>();
    assert_eq!((sum("records"), sum("rejected")), (40, 10), "{parts:?}");
    assert!(parts.iter().all(|part| part["records"].as_u64() > Some(0)), "{parts:?}");
}

/// The validator does what was foreseen.
fn rules_are_kept(on: &OnKafka<'_>) {
    let letters = lines(&on.run(&["dlq", "list", "--output", "json"], 0, &[]));
    assert_eq!(letters[0]["letters"].as_array().map(Vec::len), Some(10), "{letters:?}");
    let features = lines(&on.run(&["tap", "features.log"], 0, &[]));
    let flagged = features.iter().filter(|line| line["event"]["failed_rules"][0] == "odd").count();
    assert_eq!((features.len(), flagged), (30, 15), "those of terminal 1 that came through");
}
