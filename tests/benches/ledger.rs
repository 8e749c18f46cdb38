//! The ledger: its share in what the tasks of the shipped pipeline cost per item.
//!
//! `cargo bench -p tests --bench ledger`. Target: at most a fiftieth of each task. A pipeline runs once over the embedded
//! log; then each of its tasks handles its log again, suppressed, and beside it the same items are counted alone, by the
//! calls that the task makes. Times are of the process's CPU, the fastest of several rounds.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use featurizer::Featurizer;
use flow::items::LogBatch;
use flow::ledger::{Buckets, Edges, End, Fate, OriginHash, bucket};
use flow::processor::InRecord;
use flow::wire::Raw;
use registry::store::Store;
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::log::{Record, SessionOptions, TopicPartition};
use runtime::shell::Service;
use tests::clock::cpu_ns;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};

const EVENTS: usize = 40_000;
const EVENTS_PER_DAY: i64 = 500;
const SOURCE_PARTITIONS: i32 = 4;
const ROUNDS: usize = 5;
/// Records of one source partition, of many buckets.
const SOURCE_OFFSETS: i64 = 1_000_000;

/// Nanoseconds of the fastest round, per item.
fn fastest(items: usize, mut round: impl FnMut()) -> f64 {
    let timed = |_| {
        let start = cpu_ns();
        round();
        (cpu_ns() - start) as f64 / items as f64
    };
    (0..ROUNDS).map(timed).fold(f64::INFINITY, f64::min)
}

fn transactions() -> Transactions {
    let transaction = |at| Transaction {
        id: at,
        time_ms: 1_522_540_800_000 + at * DAY_MS / EVENTS_PER_DAY,
        customer: (at * 7 % 4_999) as i32,
        terminal: (at * 11 % 9_973) as i32,
        amount: (at * 37 % 10_000) as f64 / 8.0,
        fraud: at % 100 == 0,
    };
    (0..EVENTS as i64).map(transaction).collect()
}

fn records(context: &Context, tp: &TopicPartition) -> Vec<Record> {
    let (start, end) = context.log.watermarks(tp).unwrap();
    let mut session = context.log.session(SessionOptions::assigned("bench.read", vec![(tp.clone(), start)])).unwrap();
    let mut found = Vec::new();
    while found.len() < (end - start) as usize {
        found.extend(session.poll(Duration::from_millis(200)).unwrap().records.into_iter().flat_map(|(_, all)| all));
    }
    found
}

fn decoded(context: &Context, topic: &str, records: &[Record]) -> LogBatch {
    let mut reader = context.reader(topic).unwrap();
    let mut raw = Vec::with_capacity(records.len());
    for Record { offset, append_time_ms, value, .. } in records {
        let framed = schemas::framing::split(value.as_deref(), []).unwrap();
        raw.push(Raw { offset: *offset, append_time_ms: *append_time_ms, framed });
    }
    let id = raw[0].framed.id;
    reader.add_writer(id, &context.schema_source().schema(id).unwrap()).unwrap();
    reader.decode(&raw).unwrap()
}

/// Counts a batch as a task does that writes every item to so many topics.
fn counted(edges: &mut Edges, batch: &LogBatch, topics: &[u16]) {
    let items = &batch.items;
    for head in &batch.records {
        edges.took(head.items.clone().map(|row| (items.spot(row).parent, items.origin(row))));
    }
    edges.ended((0..items.len()).map(|row| (items.spot(row), End::Emitted)));
    edges.wrote(topics, (0..items.len()).map(|row| items.origin(row)));
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path().join("log")).unwrap();
    let deployment = Deployment::new(Arc::new(log), Store::memory(), fraud(&[]));
    let context = &deployment.context;
    let mut running = deployment.start(Duration::ZERO, Duration::from_millis(300));
    deployment.start_scorer(Duration::ZERO, &mut running);
    let rows = transactions();
    let placed = rows.spread(SOURCE_PARTITIONS);
    for placed in placed.chunks(2_000) {
        deployment.publish(rows.events(context, placed));
    }
    deployment.features(EVENTS, &running);
    assert_eq!(running.stop(), [""; 0]);

    println!("{:<28} {:>12} {:>12} {:>8}", "task over", "task ns", "ledger ns", "share");
    for (role, topic) in Featurizer::roles(context) {
        let tp = TopicPartition::new(topic.as_str(), 0);
        let records = records(context, &tp);
        let batch = decoded(context, &topic, &records);
        let incoming = |record: Record| InRecord {
            offset: record.offset,
            append_time_ms: record.append_time_ms,
            value: record.value,
            ..InRecord::default()
        };
        let records: Vec<InRecord> = records.into_iter().map(incoming).collect();
        let task = fastest(batch.items.len(), || {
            let mut task = Featurizer::new(context.clone(), role).open(&tp, None).unwrap().task;
            task.handle(&records, true, &mut Vec::new()).unwrap();
        });
        for topics in [&[0][..], &[0, 1]] {
            let mut edges = Edges::new(context.names.clone());
            let ledger = fastest(batch.items.len(), || counted(&mut edges, &batch, topics));
            let name = format!("{topic}, {} out", topics.len());
            println!("{name:<28} {task:>12.1} {ledger:>12.1} {:>7.2}%", 100.0 * ledger / task);
        }
    }
    let hash = OriginHash::new("bench", 0);
    let ledger = fastest(SOURCE_OFFSETS as usize, || {
        let mut buckets = Buckets::default();
        (0..SOURCE_OFFSETS).for_each(|offset| buckets.add(bucket(offset), Fate::Accepted, hash.of(offset)));
        assert_eq!(buckets.changed().len() as i64, bucket(SOURCE_OFFSETS - 1) + 1);
    });
    println!("{:<28} {:>12} {ledger:>12.1}", "a source, by its validator", "");
}
