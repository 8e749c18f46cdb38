//! `label`: one by hand, many from a file, and those that change nothing.

use super::{check, folder, lines, transactions};

const UP: [&str; 6] = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
const KNOWN: &str = "2024-05-20T00:00:00Z";

#[test]
fn labels_come_by_hand_and_from_a_file_and_the_first_one_counts() {
    let dir = folder();
    let path = dir.path();
    check(path, &["label"], 2, &["--event", "FILE"]);
    check(path, &["label", "--event", "x", "--value", "1", "--known", KNOWN], 2, &["`x`", "transaction_id"]);
    check(path, &["label", "nowhere.csv"], 2, &["there is no such file"]);
    let csv = transactions(path);
    check(path, &["publish", csv.to_str().expect("a path")], 0, &[]);
    for (event, value) in [("0", "1"), ("0", "0"), ("999", "1")] {
        let said = ["published 1 label to fraud.labels.events.v1"];
        check(path, &["label", "--event", event, "--value", value, "--known", KNOWN], 0, &said);
    }
    let file = path.join("labels.csv");
    std::fs::write(&file, format!("id,verdict,known_time\n1,true,{KNOWN}\n2,false,{KNOWN}\n")).expect("a file");
    let maps = ["--map", "transaction_id=id", "--map", "is_fraud=verdict"];
    check(path, &[&["label", file.to_str().expect("a path")], &maps[..]].concat(), 0, &["published 2 labels"]);
    check(path, &UP, 0, &[]);
    let outcomes = lines(&check(path, &["tap", "outcomes"], 0, &[]));
    let of = |line: &serde_json::Value| {
        (line["value"]["event_id"].as_str().unwrap_or_default().to_owned(), line["value"]["label"].as_f64())
    };
    let mut found: Vec<_> = outcomes.iter().map(of).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, [("0", 1.0), ("1", 1.0), ("2", 0.0)].map(|(id, label)| (id.to_owned(), Some(label))));
    check(path, &["ledger", "verify", "--offline"], 0, &["everything agrees"]);
}
