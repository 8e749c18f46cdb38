//! What goes over the topic, also from releases that knew less.

#![allow(clippy::unwrap_used)]

use registry::schemas::FileRegistry;
use registry::store::Store;
use schemas::json::JsonWriter;
use schemas::registry::SchemaRegistry;
use serde_json::{Value, json};

use super::*;
use crate::tests::context;

/// Everything on the topic so far.
fn read(context: &Context) -> Progress {
    let mut progress = Progress::open(context).unwrap();
    progress.read().unwrap();
    progress
}

#[test]
fn reports_and_last_words_do_not_touch_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let tp = TopicPartition::new("t.pay.events.v1", 1);
    let mut writer = Writer::open(&context).unwrap();
    let seen = Seen { max_us: Some(7), mark_us: Some(5), idle: false };
    let records = [
        writer.report(&tp, Report { next: 30, seen }).unwrap(),
        writer.done(&tp, Published { to: 40, from: 10, records: 30 }).unwrap(),
    ];
    assert_ne!(records[0].key, records[1].key, "compaction keeps both");
    let mut session = context.log.session(SessionOptions::publisher("test")).unwrap();
    records.into_iter().for_each(|record| session.publish(record).unwrap());
    session.flush().unwrap();
    let progress = read(&context);
    assert_eq!((progress.of(&tp), progress.done(&tp)), (seen, Some(40)));
    let other = TopicPartition::new("t.pay.events.v1", 0);
    assert_eq!((progress.of(&other), progress.done(&other)), (Seen::default(), None));
}

#[test]
fn reports_of_the_first_schema_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let topic = &context.plan.names.progress;
    let mut schema: Value = serde_json::from_str(&context.schema(topic).unwrap()).unwrap();
    schema["fields"].as_array_mut().unwrap().retain(|field| !field["name"].as_str().unwrap().starts_with("published"));
    let schema = schema.to_string();
    // Each reads the other.
    let history = FileRegistry::new(Store::memory());
    history.register("s", &schema).unwrap();
    history.register("s", &context.schema(topic).unwrap()).unwrap();
    let id = context.schemas.register("before", &schema).unwrap();
    let report = json!({"topic": "t", "partition": 2, "next_offset": 9, "mark": 5, "idle": true, "reported_time": 0});
    let value = JsonWriter::new(&schema).unwrap().framed(id, &report).unwrap();
    let mut session = context.log.session(SessionOptions::publisher("test")).unwrap();
    session.publish(Publish::keyed(topic.as_str().into(), "t/2".into(), value.into())).unwrap();
    session.flush().unwrap();
    let seen = Seen { max_us: None, mark_us: Some(5), idle: true };
    assert_eq!(read(&context).of(&TopicPartition::new("t", 2)), seen);
}
