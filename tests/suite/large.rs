//! Events with long texts: their records stay within what a broker takes through all stages, and no item is lost.

use bytes::Bytes;
use flow::emit::RECORD_BYTES_MAX;
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::{Input, Log, Publish, SessionOptions, TopicPartition};
use schemas::json::JsonWriter;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tests::pipeline::Deployment;

const EVENTS: usize = 70;
const TEXT_BYTES: usize = 100 * 1024;
/// Quiet long enough for a source that is through.
const IDLE: Duration = Duration::from_secs(1);

const NOTES: &str = "
pipeline: notes
delivery: low_latency
ordering: ORDERING
lateness: 1m
idle_timeout: 30s
partitions: 2
sources:
  notes: { topic: notes.notes.events.v1, schema: Note.avsc, id: note_id, event_time: at, partitions: 1, dedupe_horizon: 1d, max_future: 1h }
features:
  version: 1
  entities:
    author: { key: author, windows: [1d], aggregates: { notes: count() } }
    subject: { key: subject, windows: [1d], aggregates: { notes: count() } }
alerts: { topic: notes.alerts.v1 }
";

const NOTE: &str = r#"{"type": "record", "name": "Note", "namespace": "notes", "fields": [
    {"name": "note_id", "type": "long"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "author", "type": "string"},
    {"name": "subject", "type": ["null", "string"], "default": null},
    {"name": "text", "type": ["null", "string"], "default": null},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []}]}"#;

/// All notes are by one author and nearly all on one subject, so they meet in one partition of each log. Every tenth has
/// its text cut up into tags.
fn notes(deployment: &Deployment) -> Vec<Publish> {
    let topic = &deployment.context.plan.names.events;
    let (writer, id) = (JsonWriter::new(NOTE).unwrap(), deployment.context.schema_id(topic).unwrap());
    let text = |note: usize| char::from(b'a' + (note % 26) as u8).to_string().repeat(TEXT_BYTES);
    let note = |note: usize| {
        let text = text(note);
        let tags: Vec<&str> = text.as_bytes().chunks(1024).map(|part| std::str::from_utf8(part).unwrap()).collect();
        let (text, tags) = if note % 10 == 9 { (None, tags) } else { (Some(&text), Vec::new()) };
        let subject = (note != 5).then_some("weather");
        let at = 1_529_280_000_000_000 + note as i64 * 1_000_000;
        let value = json!({"note_id": note, "at": at, "author": "ann", "subject": subject, "text": text, "tags": tags});
        let value = writer.framed(id, &value).unwrap();
        Publish::keyed(topic.as_str().into(), Bytes::from(note.to_string()), Bytes::from(value))
    };
    (0..EVENTS).map(note).collect()
}

/// Sizes of all records of a topic.
fn sizes(deployment: &Deployment, topic: &str) -> Vec<usize> {
    let log = &deployment.context.log;
    let mut sizes = Vec::new();
    for partition in 0..deployment.context.topic(topic).unwrap().partitions as i32 {
        let tp = TopicPartition::new(topic, partition);
        let (start, end) = log.watermarks(&tp).unwrap();
        let mut session = log.session(SessionOptions::new("test.sizes", Input::Assigned(vec![(tp, start)]))).unwrap();
        let mut next = start;
        while next < end {
            for record in
                session.poll(Duration::from_millis(200)).unwrap().records.into_iter().flat_map(|found| found.1)
            {
                next = record.offset + 1;
                sizes.push(record.value.map_or(0, |value| value.len()));
            }
        }
    }
    sizes
}

#[track_caller]
fn check(log: Arc<dyn Log>, store: Store, ordering: &str) {
    let resolve = |_: &str| Ok(NOTE.to_owned());
    let pipeline = flow::config::parse(&NOTES.replace("ORDERING", ordering), &resolve);
    let deployment = Deployment::new(log, store, pipeline.unwrap_or_else(|problems| panic!("{problems:#?}")));
    deployment.publish(notes(&deployment));
    let running = deployment.start(Duration::ZERO, IDLE);
    let features = deployment.features(EVENTS, &running);
    assert_eq!(running.stop(), Vec::<String>::new());
    for (note, features) in &features {
        let note: usize = note.parse().unwrap();
        let on_subject = (note != 5).then_some((note + 1 - usize::from(note > 5)) as f64);
        assert_eq!(*features, [Some((note + 1) as f64), on_subject], "{note}");
    }
    let names = &deployment.context.plan.names;
    let logs = names.entity_logs.iter().chain([&names.features_log, &names.journal_log]);
    for log in logs {
        let sizes = sizes(&deployment, log);
        let largest = sizes.iter().copied().max().unwrap_or_default();
        assert!(largest > 3 * TEXT_BYTES, "{log}: some share a record: {sizes:?}");
        assert!(largest <= RECORD_BYTES_MAX, "{log}: {sizes:?}");
    }
}

#[test]
fn long_texts_go_through_all_stages_on_the_embedded_log() {
    for ordering in ["arrival", "event_time"] {
        let dir = tempfile::tempdir().unwrap();
        let log = Embedded::open(dir.path().join("log")).unwrap();
        check(Arc::new(log), Store::local(&dir.path().join("store")).unwrap(), ordering);
    }
}

#[test]
fn long_texts_go_through_all_stages_on_kafka() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    check(kafka.log(), Store::local(dir.path()).unwrap(), "arrival");
}
