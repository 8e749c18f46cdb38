//! What the corpus is made of: records, rows and snapshots of a small pipeline that really ran, the examples of the
//! contracts, the shipped pipeline files, and requests as people send them.

use super::{decode, folder};
use featurizer::{Featurizer, Role};
use flow::ledger::Writer;
use flow::processor::{InRecord, Task};
use registry::store::Store;
use runtime::context::Context;
use runtime::log::{Record, TopicPartition};
use runtime::shell::Service;
use runtime::simulated::{Faults, Simulated};
use runtime::snapshot::{FileRef, Manifest};
use schemas::framing;
use schemas::json::JsonWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};

/// Transactions that the pipeline sees.
const EVENTS: usize = 24;
/// Records in one input.
const RECORDS_MAX: usize = 6;

fn deployment(log: Simulated) -> Deployment {
    let pipeline = fraud(&[("partitions: 4", "partitions: 1"), ("ordering: arrival", "ordering: event_time")]);
    Deployment::new(Arc::new(log), Store::memory(), pipeline)
}

/// Surroundings in which everything is applied.
pub fn context() -> Context {
    deployment(Simulated::new(0, Faults::none()).paced(std::thread::sleep)).context
}

/// Parts, each behind its length in two bytes.
pub fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()));
        parts.push(part);
        bytes = rest;
    }
    parts
}

fn joined<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    parts.flat_map(|part| [&(part.len() as u16).to_le_bytes()[..], part].concat()).collect()
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(folder(target)).unwrap();
    std::fs::write(folder(target).join(name), bytes).unwrap();
}

/// Writes the corpus.
pub fn write() {
    bodies();
    ran();
    files();
    requests();
}

fn bodies() {
    put("decode", "good", &[&[0], decode::GOOD].concat());
    let row = |note: Option<&str>| {
        serde_json::json!({"id": "e2", "at": 1_767_225_600_000_i64, "small": -3, "ratio": 0.5, "flag": false, "kind": "WIRE",
            "raw": "\u{1}\u{ff}", "digest": "abcd", "tags": ["a", "", "bc"], "items": [{"parent": 7, "note": note}]})
    };
    put(
        "decode",
        "rich",
        &[&[0], &JsonWriter::new(decode::SCHEMA).unwrap().body(&row(Some("n"))).unwrap()[..]].concat(),
    );
    let mut older = row(None);
    older["gone"] = "x".into();
    older["items"] = serde_json::json!([{"parent": 1}, {"parent": -1}]);
    older.as_object_mut().unwrap().remove("ratio");
    put("decode", "older", &[&[1], &JsonWriter::new(decode::OLDER).unwrap().body(&older).unwrap()[..]].concat());
    put("framing", "prefix", &[&[0], &framing::prefix(7)[..], b"body"].concat());
    put("framing", "header", &[&[1, 5], &framing::prefix(7)[..], b"body"].concat());
    put("framing", "guid", &[&[1, 17, 1], &[9; 16][..], b"body"].concat());
    put("framing", "json", b"\0{\"id\":1}");
}

/// A pipeline runs, and leaves logs, rows and states.
fn ran() {
    let log = Simulated::new(0, Faults::none()).paced(std::thread::sleep);
    let deployment = deployment(log.clone());
    let transaction = |at: i64| Transaction {
        id: at,
        time_ms: 1_522_540_800_000 + at * DAY_MS / 2,
        customer: (at % 3) as i32,
        terminal: (at % 2) as i32,
        amount: at as f64 * 10.5,
        fraud: at % 5 == 0,
    };
    let rows: Transactions = (0..EVENTS as i64).map(transaction).collect();
    let order = rows.spread(1);
    deployment.publish(rows.events(&deployment.context, &order));
    deployment.publish(rows.labels(&deployment.context, &order));
    let running = deployment.start(Duration::ZERO, Duration::from_millis(50));
    deployment.features(EVENTS, &running);
    assert_eq!(running.stop(), Vec::<String>::new());
    let context = &deployment.context;
    let names = &context.plan.names;
    let all = |topic: &str| log.read(&TopicPartition::new(topic, 0), 0).unwrap();
    for (kind, topic) in [(0_u8, names.first_log()), (1, &names.journal_log)] {
        let records = all(topic);
        for (at, records) in records.chunks(RECORDS_MAX).enumerate().take(2) {
            let parts = joined(records.iter().map(body));
            put("items", &format!("log-{kind}-{at}"), &[&[kind][..], &parts].concat());
            put("items", &format!("held-{kind}-{at}"), &[&[kind | 2][..], &parts].concat());
        }
    }
    let mut stage = None;
    for (role, topic) in Featurizer::roles(context) {
        let mut task =
            Featurizer::new(context.clone(), role).open(&TopicPartition::new(topic.as_str(), 0), None).unwrap().task;
        saved(role, &topic, task.as_mut(), all(&topic));
        stage = stage.or(Some(task));
    }
    let rows = stage.unwrap().ledger();
    let writer = Writer::new(1);
    let entry = |row| flow::ledger::Entry { task: "g".into(), log: "l".into(), partition: 0, position: 9, row };
    let entries: Vec<_> = rows.into_iter().map(Some).chain([None]).map(|row| writer.encode(&entry(row)).1).collect();
    put("ledger", "rows", &joined(entries.iter().map(|value| &value[framing::PREFIX_BYTES..])));
    put("ledger", "position", &joined(entries.iter().rev().take(1).map(|value| &value[framing::PREFIX_BYTES..])));
}

fn body(record: &Record) -> &[u8] {
    framing::split(record.value.as_deref(), []).unwrap().body
}

/// A task's state, half way and in the end.
fn saved(role: Role, topic: &str, task: &mut dyn Task, records: Vec<Record>) {
    let records: Vec<InRecord> = records
        .into_iter()
        .map(|Record { offset, append_time_ms, key, value, headers }| {
            let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
            InRecord { offset, append_time_ms, key, value, headers }
        })
        .collect();
    let state = task.state().unwrap();
    state.track();
    let (first, second) = records.split_at(records.len() / 2);
    let mut merged = Vec::new();
    for (name, records) in [("early", first), ("late", second)] {
        task.handle(records, true, &mut Vec::new()).unwrap();
        let state = task.state().unwrap();
        let (blob, layout) = (state.cut(), state.layout());
        let changes = std::iter::from_fn(|| Some(state.collect(1_000))).find_map(|changes| changes).unwrap();
        merged.extend_from_slice(&changes.bytes);
        let position = records.last().map_or(0, |record| record.offset + 1);
        let (digest, bytes, entries) = ("0".repeat(64), merged.len() as u64, changes.count);
        let file = FileRef { digest, bytes, entries, follows: false };
        let manifest = Manifest {
            v: 2,
            group: "g".into(),
            log: topic.into(),
            partition: 0,
            position,
            layout,
            sum: format!("{:032x}", changes.sum),
            files: vec![file],
            blob,
        };
        let line = serde_json::to_string(&manifest).unwrap();
        let role = if matches!(role, Role::Journal) { "journal" } else { "stage" };
        put("snapshot", &format!("{role}-{name}"), &[line.as_bytes(), b"\n", &merged].concat());
    }
}

fn files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["fraud.yaml", "demo.yaml"] {
        put("pipeline", name, &std::fs::read(root.join("topologies/pipelines").join(name)).unwrap());
    }
    put("pipeline", "nothing.yaml", b"pipeline: t\n");
}

fn requests() {
    let event =
        r#"{"transaction_id":1,"event_time":"2026-01-01T10:00:00Z","customer_id":3,"terminal_id":4,"amount":12.5}"#;
    let label = r#"{"transaction_id":1,"is_fraud":true,"known_time":1767225600000}"#;
    let put = |which: u8, name: &str, body: &str| put("http", name, &[&[which], body.as_bytes()].concat());
    put(0, "event", event);
    put(0, "events", &format!("[{event},{event}]"));
    put(1, "lines", &format!("{event}\n{event}\n"));
    put(2, "label", label);
    put(3, "raw", r#"{"key":"YQ==","value":"AAAAAAEC","headers":[["h",null]],"partition":0}"#);
    put(4, "promote", r#"{"model":"fraud","version":3,"threshold":0.5}"#);
    put(5, "retrain", "{}");
}
