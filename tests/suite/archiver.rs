//! Everything a pipeline wrote, archived: files tile the logs, each item is in them once, twins write the same bytes, and
//! what no schema explains is kept as it came.

#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use offline::archive::{Archive, ITEM, OFFSET, Selection};
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::{Publish, TopicPartition};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};

/// 2018-06-18, 00:00 UTC.
const FIRST_DAY_MS: i64 = 1_529_280_000_000;
const DAYS: i64 = 4;
const EVENTS_PER_DAY: i64 = 250;
/// Values that are no Avro, sent to the events topic.
const DAMAGED: usize = 3;
const IDLE: Duration = Duration::from_secs(3_600);
/// Far longer than the test takes.
const NEVER: Duration = Duration::from_secs(3_600);

fn transactions() -> Transactions {
    let transaction = |n| Transaction {
        id: n,
        time_ms: FIRST_DAY_MS + n * (DAY_MS / EVENTS_PER_DAY),
        customer: (n % 17) as i32,
        terminal: (n % 11) as i32,
        amount: 10.0 + (n * 37 % EVENTS_PER_DAY) as f64,
        fraud: n % 50 == 0,
    };
    (0..DAYS * EVENTS_PER_DAY).map(transaction).collect()
}

/// Runs the pipeline over the rows until all features are there.
fn stream(dir: &std::path::Path) -> Deployment {
    let log = Embedded::open(dir.join("log")).unwrap();
    let store = Store::local(&dir.join("store")).unwrap();
    let deployment = Deployment::new(Arc::new(log), store, fraud(&[]));
    let rows = transactions();
    let order = rows.spread(4);
    let topic: Arc<str> = deployment.context.plan.names.events.as_str().into();
    let damaged = |n: usize| Publish {
        partition: Some(0),
        ..Publish::keyed(topic.clone(), Bytes::from(n.to_string()), Bytes::from_static(b"no avro"))
    };
    deployment.publish((0..DAMAGED).map(damaged).collect());
    deployment.publish(rows.events(&deployment.context, &order));
    deployment.publish(rows.labels(&deployment.context, &order));
    let running = deployment.start(Duration::ZERO, IDLE);
    deployment.features(rows.len(), &running);
    assert_eq!(running.stop(), Vec::<String>::new());
    deployment
}

/// Archives into a store, until everything that the log holds is in it.
fn archive(deployment: &Deployment, store: &Store, flush_interval: Duration) -> Archive {
    let options = archiver::Options { flush_interval, ..archiver::Options::default() };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let archiving = scope.spawn(|| archiver::run(&deployment.context, store, &options, &stop));
        // Asked to stop only once it owns its partitions: then it reads on to their ends.
        let archive = Archive::new(store.clone());
        while !archiving.is_finished() && archive.topics().unwrap().len() < archiver::topics(&deployment.context).len()
        {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        archiving.join().unwrap().unwrap();
    });
    Archive::new(store.clone())
}

/// All rows of a topic: positions, and whether each is a control row.
fn positions(archive: &Archive, topic: &str) -> Vec<(i32, i64, Option<i32>)> {
    let mut found = Vec::new();
    for part in archive.read(topic, &Selection::default()).unwrap() {
        let part = part.unwrap();
        let offsets = part.rows[OFFSET].as_primitive::<Int64Type>();
        let items = part.rows[ITEM].as_primitive::<Int32Type>();
        found.extend(
            (0..offsets.len())
                .map(|row| (part.partition, offsets.value(row), items.is_valid(row).then(|| items.value(row)))),
        );
    }
    found
}

/// Values of a text column that are there.
fn texts(archive: &Archive, topic: &str, column: &str) -> Vec<String> {
    let selection = Selection { columns: Some(vec![column.to_owned()]), ..Selection::default() };
    let parts = archive.read(topic, &selection).unwrap().map(Result::unwrap);
    parts
        .flat_map(|part| part.rows[column].as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// All objects of an archive.
fn bytes(store: &Store) -> Vec<(String, Bytes)> {
    store.list("archive").unwrap().into_iter().map(|key| (key.clone(), store.get(&key).unwrap())).collect()
}

#[test]
fn files_tile_the_logs_and_hold_each_item_once() {
    let dir = tempfile::tempdir().unwrap();
    let deployment = stream(dir.path());
    let (context, names) = (&deployment.context, &deployment.context.plan.names);
    let archive = archive(&deployment, &Store::memory(), NEVER);
    for topic in archiver::topics(context) {
        let partitions = context.topic(&topic).unwrap().partitions as i32;
        for partition in 0..partitions {
            let (start, end) = context.log.watermarks(&TopicPartition::new(topic.as_str(), partition)).unwrap();
            let files = archive.partition_files(&topic, partition).unwrap();
            let covered = files.first().map_or(start, |file| file.start)..files.last().map_or(start, |file| file.end);
            assert_eq!(covered, start..end, "{topic}/{partition}");
        }
    }
    let events = (DAYS * EVENTS_PER_DAY) as usize;
    assert_eq!(positions(&archive, &names.events).len(), events + DAMAGED);
    for log in names.entity_logs.iter().chain([&names.features_log]) {
        let rows = positions(&archive, log);
        let items = rows.iter().filter(|row| row.2.is_some_and(|item| item >= 0)).count();
        let ids: BTreeSet<String> = texts(&archive, log, "id").into_iter().collect();
        assert_eq!(ids.len(), events, "{log}");
        // A stage that derives from labels has items of labelled events, too.
        assert!(items >= events && texts(&archive, log, "id").len() == items, "{log}: {items} items");
        let control = texts(&archive, log, archiver::CONTROL);
        assert_eq!(control.len(), rows.len() - items, "{log}");
        let control: Vec<archiver::Control> = control.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(control.iter().filter(|one| one.fence.is_some()).count(), 4, "{log}: a first fence per partition");
        // Later stages write marks when they get round to it, the validator before it stops.
        assert!(log != names.first_log() || control.iter().any(|one| !one.marks.is_empty()), "{log}");
    }
}

#[test]
fn values_that_no_schema_explains_are_kept_as_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let deployment = stream(dir.path());
    let names = &deployment.context.plan.names;
    let archive = archive(&deployment, &Store::memory(), NEVER);
    let dead = flow::plan::Names::dead_letters(&names.events);
    for topic in [&names.events, &dead] {
        let mut kept = 0;
        for part in archive.read(topic, &Selection::default()).unwrap() {
            let rows = part.unwrap().rows;
            let values = rows[archiver::VALUE].as_binary::<i32>();
            kept += values.iter().flatten().filter(|value| *value == b"no avro").count();
        }
        assert_eq!(kept, DAMAGED, "{topic}");
    }
    assert_eq!(positions(&archive, &dead).len(), DAMAGED);
    assert_eq!(texts(&archive, &dead, archiver::HEADERS).len(), DAMAGED);
}

#[test]
fn twins_write_the_same_bytes_and_other_cuts_hold_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let deployment = stream(dir.path());
    let (one, twin, often) = (Store::memory(), Store::memory(), Store::memory());
    let first = archive(&deployment, &one, NEVER);
    archive(&deployment, &twin, NEVER);
    assert!(bytes(&one) == bytes(&twin), "twins differ");
    let often = archive(&deployment, &often, Duration::from_millis(1));
    for topic in archiver::topics(&deployment.context) {
        assert_eq!(positions(&first, &topic), positions(&often, &topic), "{topic}");
    }
    // Archiving again what is archived changes nothing.
    let before = bytes(&one);
    archive(&deployment, &one, NEVER);
    assert!(bytes(&one) == before, "an archive changed");
}

#[test]
fn a_new_schema_version_begins_a_file_once_and_older_records_follow_its_shape() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path().join("log")).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(Arc::new(log), store, fraud(&[]));
    let (context, topic) = (&deployment.context, deployment.context.plan.names.events.clone());
    let old = context.schema(&topic).unwrap();
    let mut newer: serde_json::Value = serde_json::from_str(&old).unwrap();
    let note = serde_json::json!({ "name": "note", "type": ["null", "string"], "default": null });
    newer["fields"].as_array_mut().unwrap().push(note);
    let newer = newer.to_string();
    let subject = schemas::registry::value_subject(&topic);
    let rows = transactions();
    // Encoded while the planned schema is the newest.
    let mut records = rows.events(context, &(0..5).map(|row| (row, 0)).collect::<Vec<_>>());
    let old_id = context.schema_id(&topic).unwrap();
    let (store, stop) = (Store::memory(), AtomicBool::new(false));
    let archive = Archive::new(store.clone());
    let archived = |count: u64| {
        let files = archive.partition_files(&topic, 0).unwrap();
        files.iter().map(|file| file.rows).sum::<u64>() == count
    };
    let options = archiver::Options { flush_interval: Duration::from_millis(1), ..archiver::Options::default() };
    let id = std::thread::scope(|scope| {
        let archiving = scope.spawn(|| archiver::run(context, &store, &options, &stop));
        let rest = records.split_off(1);
        deployment.publish(records);
        deployment.wait(&[], || archiving.is_finished() || archived(1));
        let id = context.schemas.register(&subject, &newer).unwrap();
        deployment
            .publish(rest.into_iter().zip(1..).map(|(old, row)| with_note(&rows, row, id, &newer, old)).collect());
        deployment.wait(&[], || archiving.is_finished() || archived(5));
        stop.store(true, Ordering::Relaxed);
        archiving.join().unwrap().unwrap();
        id
    });
    let files = archive.partition_files(&topic, 0).unwrap();
    let of = |id: u32| files.iter().filter(|file| file.schema.id == Some(id)).map(|file| file.rows).sum::<u64>();
    assert_eq!((of(old_id), of(id)), (1, 4));
    let parts: Vec<_> = archive.read(&topic, &Selection::default()).unwrap().map(Result::unwrap).collect();
    let notes: usize = parts
        .iter()
        .filter_map(|part| part.rows.column_by_name("note"))
        .map(|column| column.len() - column.null_count())
        .sum();
    let amounts: usize = parts.iter().map(|part| part.rows["amount"].len() - part.rows["amount"].null_count()).sum();
    assert_eq!((notes, amounts), (2, 5));
}

/// Every other record as a producer of the newer version writes it; the others as they are.
fn with_note(rows: &Transactions, row: usize, id: u32, schema: &str, old: Publish) -> Publish {
    if row.is_multiple_of(2) {
        return old;
    }
    let value = serde_json::json!({
        "transaction_id": rows.id[row], "event_time": rows.time_ms[row], "customer_id": rows.customer[row],
        "terminal_id": rows.terminal[row], "amount": rows.amount[row], "note": "seen",
    });
    let value = schemas::json::JsonWriter::new(schema).unwrap().framed(id, &value).unwrap();
    Publish { value: Some(value.into()), ..old }
}
