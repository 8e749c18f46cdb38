//! `label`: one by hand, many from a file, those that correct others, and those that come to nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use serde_json::{Value, json};

use super::{Running, check, command, folder, lines, shipped, transactions, wait_for};

const UP: [&str; 6] = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
const REFUSAL: [&str; 4] = ["event_id", "label", "reason", "standing"];
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
    let refused = [json!(["0", 0.0, "LABEL_CONFLICT", 1.0])];
    assert_eq!(of_each(path, "refusals", REFUSAL), refused);
    check(path, &["ledger", "verify", "--offline"], 0, &["everything agrees"]);
}

/// A folder whose pipeline says other words.
fn with(path: &Path, replace: &[(&str, &str)]) {
    let pipeline = path.join("topologies/pipelines");
    std::fs::create_dir_all(&pipeline).expect("a folder");
    let mut text = shipped();
    for (from, to) in replace {
        assert!(text.contains(from), "the file says {from:?}");
        text = text.replace(from, to);
    }
    std::fs::write(pipeline.join("fraud.yaml"), text).expect("a file");
}

/// Fields of each record of a topic.
fn of_each<const N: usize>(path: &Path, topic: &str, fields: [&str; N]) -> Vec<Value> {
    let all = lines(&check(path, &["tap", topic], 0, &[]));
    all.iter().map(|line| fields.map(|field| line["value"][field].clone()).into_iter().collect()).collect()
}

/// The label that a dataset has of the first event, as it was known at a time.
fn in_dataset(path: &Path, cutoff: &str) -> f64 {
    let days = ["--from", "2024-05-01", "--to", "2024-05-20", "--cutoff", cutoff, "--out", "d.parquet"];
    check(path, &[&["dataset", "build"], &days[..]].concat(), 0, &[]);
    let mut found = Vec::new();
    for rows in offline::table::read(&path.join("d.parquet")).expect("a table") {
        let (ids, labels) =
            (rows["id"].as_string::<i32>().clone(), rows["label"].as_primitive::<Float64Type>().clone());
        found.extend((0..rows.num_rows()).filter(|row| ids.value(*row) == "0").map(|row| labels.value(row)));
    }
    assert_eq!(found.len(), 1, "an event is in a dataset once");
    found[0]
}

/// Waits until the running process tells of so many labels.
fn wait_for_labels(path: &Path, expected: &[(&str, u64)]) {
    let address = std::fs::read_to_string(path.join(".tidemill/gateway")).expect("an address");
    let address = address.lines().next().unwrap_or_default().trim_start_matches("http://").to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (mut stream, mut page) = (TcpStream::connect(&address).expect("the gateway listens"), String::new());
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it takes");
        stream.read_to_string(&mut page).expect("it answers");
        let is_told = |(outcome, labels): &(&str, u64)| {
            page.lines().any(|line| *line == format!("tidemill_labels{{outcome=\"{outcome}\"}} {labels}"))
        };
        if expected.iter().all(is_told) {
            return;
        }
        assert!(Instant::now() < deadline, "{expected:?}: {page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_label_known_last_corrects_the_outcome_across_restarts() {
    let dir = folder();
    let path = dir.path();
    with(path, &[("policy: first", "policy: last")]);
    let csv = transactions(path);
    check(path, &["publish", csv.to_str().expect("a path")], 0, &[]);
    check(path, &UP, 0, &[]);
    let label = |event: &str, value: &str, day: u32| {
        let known = format!("2024-05-{day:02}T00:00:00Z");
        check(path, &["label", "--event", event, "--value", value, "--known", &known], 0, &["published 1 label"]);
    };
    // The second says the same, and the fourth became known before the third.
    for (event, value, day) in [("0", "1", 2), ("0", "1", 3), ("0", "0", 5), ("0", "1", 4)] {
        label(event, value, day);
    }
    check(path, &UP, 0, &[]);
    let outcome = ["event_id", "label", "revision", "repeated"];
    let two = [json!(["0", 1.0, 0, false]), json!(["0", 0.0, 1, true])];
    assert_eq!(of_each(path, "outcomes", outcome), two);
    assert_eq!(of_each(path, "refusals", REFUSAL), [json!(["0", 1.0, "LABEL_SUPERSEDED", 0.0])]);
    assert_eq!((in_dataset(path, "2024-05-04"), in_dataset(path, "2024-05-06")), (1.0, 0.0));
    check(path, &["ledger", "show", "0"], 0, &["correction 1", "LABEL_SUPERSEDED: label 1"]);

    // Another process goes on where this one stopped.
    label("0", "1", 6);
    label("999", "0", 6);
    let mut up = command(path, &["up", "--listen", "127.0.0.1:0", "--idle-timeout", "500ms"]);
    let running = Running(up.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("the binary runs"));
    wait_for(&path.join(".tidemill/gateway"));
    let all = [("paired", 1), ("corrected", 2), ("duplicate", 1), ("superseded", 1), ("waiting", 1)];
    wait_for_labels(path, &all);
    check(path, &["ledger", "verify", "--wait", "2m"], 0, &["everything agrees"]);
    drop(running);
    check(path, &UP, 0, &[]);
    assert_eq!(of_each(path, "outcomes", outcome)[2..], [json!(["0", 1.0, 2, true])]);
    assert_eq!((in_dataset(path, "2024-05-05"), in_dataset(path, "2024-05-06")), (0.0, 1.0));
    check(path, &["ledger", "verify", "--offline"], 0, &["everything agrees"]);
}

#[test]
fn a_label_whose_event_never_comes_is_told_of_after_the_horizon() {
    let dir = folder();
    let path = dir.path();
    with(path, &[("horizon: 90d", "horizon: 2d"), ("label_delay: 7d", "label_delay: 1d")]);
    let csv = transactions(path);
    let label = |event: &str, day: u32| {
        let known = format!("2024-05-{day:02}T00:00:00Z");
        check(path, &["label", "--event", event, "--value", "1", "--known", &known], 0, &["tap refusals"]);
    };
    label("999", 1);
    label("998", 10);
    check(path, &["publish", csv.to_str().expect("a path")], 0, &[]);
    check(path, &UP, 0, &[]);
    assert_eq!(of_each(path, "refusals", REFUSAL), [json!(["999", 1.0, "LABEL_UNKNOWN_EVENT", null])]);
    check(path, &["explain", "LABEL_UNKNOWN_EVENT"], 0, &["horizon"]);
    check(path, &["ledger", "verify", "--offline"], 0, &["everything agrees"]);
}
