//! `ledger verify` and `ledger show`, with their exit codes, on a log at rest and beside a process that has it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use flow::ledger::{Counts, Entry, Row, Side, Writer};
use runtime::embedded::Embedded;
use runtime::log::{Input, Log, Publish, SessionOptions};

use super::{Running, check, command, folder, lines, transactions, wait_for};

const EVENTS: &str = "fraud.transactions.events.v1";
const LOG: &str = "fraud.customer.log.f1.g1";

#[test]
fn the_ledger_agrees_tells_an_event_and_finds_what_differs() {
    let dir = folder();
    let file = transactions(dir.path());
    check(dir.path(), &["ledger", "verify"], 2, &["tidemill up"]);
    check(dir.path(), &["snapshot", "list"], 0, &["there are no snapshots in", ".tidemill/store"]);
    check(dir.path(), &["snapshot", "show"], 2, &["there are no snapshots in"]);
    check(dir.path(), &["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"], 0, &[]);
    check(dir.path(), &["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"], 0, &[]);

    check(dir.path(), &["ledger", "verify"], 0, &["everything agrees", "fraud.featurizer.terminal"]);
    check(dir.path(), &["ledger", "verify", "--recount"], 0, &["everything agrees, logs counted"]);
    check(dir.path(), &["ledger", "verify", "--offline"], 0, &["everything agrees, logs counted"]);
    let none = ["none of the", "is meant"];
    check(dir.path(), &["snapshot", "list", "no-such-log"], 0, &none);
    // What an archive does not have yet is named, and is no difference.
    let archived = files(&dir.path().join(".tidemill/store"), "fraud.features.log");
    let away = dir.path().join("away.parquet");
    std::fs::rename(&archived[0], &away).expect("moved");
    let lacks = ["nothing differs in what is archived, logs counted", "fraud.features.log.f1.g1"];
    check(dir.path(), &["ledger", "verify", "--offline"], 0, &lacks);
    std::fs::rename(&away, &archived[0]).expect("moved back");
    let json = check(dir.path(), &["ledger", "verify", "--recount", "--output", "json"], 0, &[]);
    let told = &lines(&json)[0];
    assert_eq!((&told["agrees"], &told["behind"]), (&true.into(), &0.into()));
    let standings = told["standings"].as_array().expect("standings");
    let journal = standings.iter().filter(|one| one["reader"] == "fraud.featurizer.journal");
    let events: u64 = journal.filter_map(|one| one["read"]["total"].as_u64()).sum();
    assert_eq!(events, 80, "events and labels");
    let json = check(dir.path(), &["ledger", "verify", "--offsets", "65536-70000", "--output", "json"], 0, &[]);
    assert_eq!(lines(&json)[0]["standings"], serde_json::json!([]));
    check(dir.path(), &["ledger", "verify", "--source", "nowhere"], 2, &["no source has `nowhere`", EVENTS]);

    let tasks = ["fraud.validator", "fraud.featurizer.customer", "fraud.featurizer.terminal", "label 0.0, no score"];
    let shown = check(dir.path(), &["ledger", "show", "36"], 0, &tasks);
    let source = lines(&check(dir.path(), &["tap", EVENTS, "--filter", "transaction_id=36"], 0, &[]));
    let place = format!("{EVENTS}/{}/{}", source[0]["partition"], source[0]["offset"]);
    assert_eq!(check(dir.path(), &["ledger", "show", &place], 0, &[]), shown, "the same event");
    let json = check(dir.path(), &["ledger", "show", "36", "--output", "json"], 0, &[]);
    let steps = lines(&json)[0]["steps"].as_array().cloned().expect("steps");
    let features = steps.iter().find(|step| step["topic"] == "fraud.features.log.f1.g1").expect("features");
    assert!(features["record"]["number"].as_u64() > Some(0), "{features}");
    check(dir.path(), &["ledger", "show", "no-such-event"], 2, &["no-such-event"]);

    let log = Embedded::open(dir.path().join(".tidemill/log")).expect("the log");
    say_more_than_was_written(&log, dir.path());
    drop(log);
    check(dir.path(), &["ledger", "verify"], 5, &[LOG, "bucket 0 of fraud.transactions.events.v1/0"]);
}

/// Archived files of a topic.
fn files(dir: &Path, topic: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path, topic)),
            false if path.extension().is_some_and(|end| end == "parquet") => found.push(path),
            false => {}
        }
    }
    found.retain(|path| path.to_string_lossy().contains(topic));
    found
}

/// The validator claims an item that nobody has seen.
fn say_more_than_was_written(log: &Embedded, dir: &Path) {
    let topic = "fraud.ledger.v1";
    let store = registry::store::Store::local(&dir.join(".tidemill/store")).expect("the store");
    let schemas = registry::schemas::FileRegistry::new(store);
    let subject = schemas::registry::value_subject(topic);
    let latest = schemas::registry::SchemaRegistry::latest(&schemas, &subject).expect("the registry");
    let writer = Writer::new(latest.expect("a schema").0);
    let row = Row {
        side: Side::Written,
        from: EVENTS.into(),
        to: LOG.into(),
        source: EVENTS.into(),
        source_partition: 0,
        bucket: 0,
        counts: Counts { emitted: 1_000, ..Counts::default() },
        closed: false,
    };
    let task: Arc<str> = "fraud.validator".into();
    let entry = |row: Option<Row>| {
        let (task, log) = (task.clone(), EVENTS.into());
        Entry { task, log, partition: 0, position: 1_000, row }
    };
    let mut session = log.session(SessionOptions::new("test.false", Input::None)).expect("a session");
    for entry in [entry(Some(row)), entry(None)] {
        let (key, value) = writer.encode(&entry);
        session.publish(Publish::keyed(topic.into(), Bytes::from(key), Bytes::from(value))).expect("published");
    }
    session.flush().expect("flushed");
}

#[test]
fn the_ledger_is_read_beside_the_process_that_has_the_log() {
    let dir = folder();
    let up = command(dir.path(), &["up", "--listen", "127.0.0.1:0", "--idle-timeout", "500ms"]);
    let mut up = up;
    let _up = Running(up.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("the binary runs"));
    wait_for(&dir.path().join(".tidemill/gateway"));
    let file = transactions(dir.path());
    let args = ["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"];
    check(dir.path(), &args, 0, &["published 40 events and 40 labels"]);
    check(dir.path(), &["ledger", "verify", "--wait", "2m"], 0, &["everything agrees"]);
    check(dir.path(), &["ledger", "verify", "--recount"], 2, &["stop it for --recount"]);
    check(dir.path(), &["ledger", "show", "36"], 0, &["fraud.featurizer.customer", "publisher"]);
}
