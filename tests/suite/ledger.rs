//! The ledger over the shipped pipeline: both sides agree while it runs and afterwards, counts do not depend on batches
//! and restarts, and an item that is deleted, swapped or doubled in a copy of a log is found in its bucket.

use arrow::array::UInt32Array;
use arrow::compute::take;
use featurizer::{Featurizer, Role};
use flow::items::LogBatch;
use flow::ledger::{Row, State};
use flow::processor::{InRecord, Task};
use flow::snapshot::Merged;
use flow::wire::{Draft, Raw, Rows};
use registry::store::Store;
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::ledger::{Verified, differences, recount, verify};
use runtime::log::{Input, Publish, Record, SessionOptions, TopicPartition};
use runtime::shell::Service;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, Transactions};
use tests::pipeline::{Deployment, fraud};

const EVENTS: usize = 360;
/// Those that are not rejected.
const GOOD: u64 = EVENTS as u64 - 8;
const STEPS: usize = 12;
const IDLE: Duration = Duration::from_millis(300);
/// Long enough for every task to write its rows again.
const WAIT: Duration = Duration::from_secs(60);

fn transactions() -> Transactions {
    let mut rows = Transactions::default();
    for at in 0..EVENTS as i64 {
        rows.id.push(1_000 + at);
        rows.time_ms.push(1_522_540_800_000 + at * DAY_MS / 10);
        rows.customer.push((at * 7 % 23) as i32);
        rows.terminal.push((at * 11 % 17) as i32);
        rows.amount.push(if at % 50 == 3 { -1.0 } else { (at * 37 % 1_000) as f64 / 8.0 });
        rows.fraud.push(at % 5 == 0);
    }
    rows
}

/// A pipeline that has seen all transactions, some of them twice and some bad ones, and its ledger.
struct World {
    deployment: Deployment,
    verified: Verified,
    _dir: tempfile::TempDir,
}

fn certain(context: &Context, wait: Duration) -> Verified {
    verify(context, wait, &AtomicBool::new(false)).unwrap()
}

/// What of the standings is not as it should be.
fn wrong(verified: &Verified, allowed: &[State]) -> Vec<String> {
    let wrong = verified.standings.iter().filter(|standing| !allowed.contains(&standing.state));
    wrong.map(|standing| format!("{}: {standing:?}", verified.edges[standing.edge].to)).collect()
}

/// What went to topics with this in their names, as far as both ends agree.
fn agreed(verified: &Verified, to: &str) -> u64 {
    let edges = &verified.edges;
    let of = verified.standings.iter().filter(|standing| edges[standing.edge].to.contains(to));
    of.filter(|standing| standing.state == State::Agrees).map(|standing| standing.written.total()).sum()
}

impl World {
    fn new(ordering: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Embedded::open(dir.path().join("log")).unwrap();
        let horizon = ("dedupe_horizon: 1d", "dedupe_horizon: 30d");
        let pipeline = fraud(&[("ordering: arrival", &format!("ordering: {ordering}")), horizon]);
        let deployment = Deployment::new(Arc::new(log), Store::memory(), pipeline);
        let context = &deployment.context;
        let mut running = deployment.start(Duration::ZERO, IDLE);
        deployment.start_scorer(Duration::ZERO, &mut running);
        deployment.start_monitor(Duration::ZERO, &mut running);
        let rows = transactions();
        let mut arrivals: Vec<(i64, usize, bool)> =
            (0..rows.len()).map(|row| (rows.time_ms[row], row, false)).collect();
        arrivals.extend((0..rows.len()).map(|row| (rows.time_ms[row] + LABEL_DELAY_MS, row, true)));
        arrivals.extend((0..rows.len()).step_by(9).map(|row| (rows.time_ms[row] + 1, row, false)));
        arrivals.sort_unstable();
        for step in arrivals.chunks(arrivals.len().div_ceil(STEPS)) {
            let pick = |labels: bool| -> Vec<(usize, i32)> {
                step.iter().filter(|one| one.2 == labels).map(|one| (one.1, (one.1 % 4) as i32)).collect()
            };
            for (picked, labels) in [(pick(false), false), (pick(true), true)] {
                if !picked.is_empty() {
                    deployment.publish(match labels {
                        true => rows.labels(context, &picked),
                        false => rows.events(context, &picked),
                    });
                }
            }
            // In the middle of it all some may not be there yet; nothing may differ.
            let verified = certain(context, Duration::ZERO);
            assert_eq!(wrong(&verified, &[State::Agrees, State::Open, State::Pending]), Vec::<String>::new());
            running.check();
        }
        // Labels whose events were rejected wait for them.
        deployment.wait(&[&running], || agreed(&certain(context, Duration::ZERO), "outcomes") == GOOD);
        let verified = certain(context, WAIT);
        let said = wrong(&verified, &[State::Agrees, State::Open]);
        assert_eq!((running.stop(), said), (vec![], vec![]));
        let verified = certain(&deployment.context, WAIT);
        assert_eq!(verified.unread, 0);
        assert_eq!(wrong(&verified, &[State::Agrees, State::Open]), Vec::<String>::new());
        World { deployment, verified, _dir: dir }
    }

    fn context(&self) -> &Context {
        &self.deployment.context
    }
}

fn records(context: &Context, tp: &TopicPartition) -> Vec<Record> {
    let (start, end) = context.log.watermarks(tp).unwrap();
    let mut session = context.log.session(SessionOptions::assigned("test.read", vec![(tp.clone(), start)])).unwrap();
    let mut found = Vec::new();
    while found.len() < (end - start) as usize {
        let poll = session.poll(Duration::from_millis(200)).unwrap();
        found.extend(poll.records.into_iter().flat_map(|(_, records)| records));
    }
    found
}

fn incoming(record: Record) -> InRecord {
    let Record { offset, append_time_ms, key, value, headers } = record;
    let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
    InRecord { offset, append_time_ms, key, value, headers }
}

#[test]
fn both_sides_agree_while_a_pipeline_runs_and_the_logs_hold_what_is_said() {
    let world = World::new("event_time");
    for to in ["customer.log", "terminal.log", "features.log", "journal.log", "outcomes", "dlq"] {
        assert!(agreed(&world.verified, to) > 0, "something went to {to}");
    }
    let duplicates: u64 = world.verified.standings.iter().map(|standing| standing.read.duplicate).sum();
    assert!(duplicates > 0, "copies were dropped");
    let counted = recount(world.context(), &world.verified.sample).unwrap();
    assert_eq!(differences(&counted, &world.verified), (vec![], vec![]));
    an_altered_item_is_found(&world);
}

/// A record with its items in another order, some left out, or some twice.
fn altered(
    context: &Context,
    topic: &str,
    record: &Record,
    order: impl Fn(Vec<u32>) -> Vec<u32>,
) -> (Publish, LogBatch) {
    let framed = schemas::framing::split(record.value.as_deref(), []).unwrap();
    let (mut reader, mut writer) = (context.reader(topic).unwrap(), context.writer(topic).unwrap());
    reader.add_writer(framed.id, &context.schema_source().schema(framed.id).unwrap()).unwrap();
    let raw = Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed };
    let batch = reader.decode(&[raw]).unwrap();
    let (head, items) = (&batch.records[0], &batch.items);
    let order = order((0..head.items.len() as u32).collect());
    let mut rows = Rows::default();
    for row in order.iter().map(|row| *row as usize) {
        let envelope = items.envelope();
        let (id, key) = (items.ids().value(row), items.keys().value(row));
        rows.push(envelope.parent[row], envelope.trigger(row), items.origin(row), envelope.time_us[row], id, key);
    }
    let order = UInt32Array::from(order);
    for part in ["event", "features", "label", "prediction"] {
        if let Some(column) = items.columns().column_by_name(part) {
            rows.parts.push((part, take(column.as_ref(), &order, None).unwrap()));
        }
    }
    let draft = Draft { parents: head.parents.clone(), rows, marks: head.marks.clone(), fence: head.fence.clone() };
    let tp = TopicPartition::new(topic, 0);
    (Publish::batch(tp, writer.encode(draft).unwrap()), batch)
}

/// A copy of all topics, with one record replaced.
fn copy(world: &World, replaced: &TopicPartition, offset: i64, by: &Publish) -> (Context, tempfile::TempDir) {
    let (context, dir) = (world.context(), tempfile::tempdir().unwrap());
    let log = Embedded::open(dir.path().join("log")).unwrap();
    let copied = Context { log: Arc::new(log), ..context.clone() };
    copied.log.create_topics(&context.topic_specs()).unwrap();
    let options = SessionOptions { durable: true, ..SessionOptions::new("test.copy", Input::None) };
    let mut session = copied.log.session(options).unwrap();
    for topic in &context.plan.topics {
        for (tp, _, _) in context.bounds(&topic.name).unwrap() {
            for Record { offset: at, key, value, headers, .. } in records(context, &tp) {
                let value = if tp == *replaced && at == offset { by.value.clone() } else { value };
                let (topic, partition) = (tp.topic.clone(), Some(tp.partition));
                session.publish(Publish { topic, partition, key, value, headers }).unwrap();
            }
        }
    }
    session.flush().unwrap();
    (copied, dir)
}

/// Which rows of a record there are afterwards, in which order.
type Change<'a> = &'a dyn Fn(Vec<u32>) -> Vec<u32>;

fn an_altered_item_is_found(world: &World) {
    let context = world.context();
    let topic = context.plan.names.features_log.clone();
    let tp = TopicPartition::new(topic.as_str(), 0);
    let same = |order: Vec<u32>| order;
    let several = records(context, &tp).into_iter().find(|record| {
        let (_, batch) = altered(context, &topic, record, same);
        batch.items.len() > 3
    });
    let record = several.expect("a record of several items");
    let deleted = |order: Vec<u32>| order.into_iter().filter(|row| *row != 1).collect();
    let doubled = |order: Vec<u32>| order.into_iter().flat_map(|row| vec![row; if row == 1 { 2 } else { 1 }]).collect();
    let swapped = |mut order: Vec<u32>| {
        order.swap(1, 2);
        order
    };
    let changes: [(&str, Change<'_>); 3] = [("deleted", &deleted), ("doubled", &doubled), ("swapped", &swapped)];
    for (what, change) in changes {
        let (publish, batch) = altered(context, &topic, &record, change);
        let (copied, _dir) = copy(world, &tp, record.offset, &publish);
        let counted = recount(&copied, &world.verified.sample).unwrap();
        let (found, oddities) = differences(&counted, &world.verified);
        let origin = batch.items.origin(1);
        let source = context.names.topic(origin.place.topic).to_string();
        let bucket = (source, origin.place.partition, 0);
        if what == "swapped" {
            assert_eq!(found, [], "as many, from the same records");
        } else {
            assert!(!found.is_empty(), "{what}");
            for difference in &found {
                assert_eq!((&difference.to, &difference.bucket), (&topic, &bucket), "{what}");
                assert_eq!(difference.record, Some(origin.offset), "{what}: the record is named");
            }
        }
        assert!(!oddities.is_empty(), "{what}: readers would stop");
        assert!(oddities.iter().all(|oddity| oddity.log == format!("{topic}/0")), "{what}: {oddities:?}");
        if what == "swapped" {
            assert!(oddities.iter().any(|oddity| oddity.bucket == bucket || oddity.bucket.2 == 0), "{oddities:?}");
        }
    }
}

fn task(context: &Context, role: Role, tp: &TopicPartition) -> Box<dyn Task> {
    Featurizer::new(context.clone(), role).open(tp, None).unwrap().task
}

/// All rows of a task that nobody has asked for any yet.
fn rows(task: &mut dyn Task) -> Vec<Row> {
    let mut rows = task.ledger();
    rows.sort_by(|left, right| {
        let key = |row: &Row| (row.edge(), row.side, row.source.clone(), row.source_partition, row.bucket);
        key(left).cmp(&key(right))
    });
    rows
}

#[test]
fn counts_do_not_depend_on_batches_replays_and_snapshots() {
    for ordering in ["arrival", "event_time"] {
        let world = World::new(ordering);
        let context = world.context();
        for (role, log) in Featurizer::roles(context) {
            let tp = TopicPartition::new(log.as_str(), 1);
            let records: Vec<InRecord> = records(context, &tp).into_iter().map(incoming).collect();
            let mut whole = task(context, role, &tp);
            whole.handle(&records, false, &mut Vec::new()).unwrap();
            let expected = rows(&mut *whole);
            assert!(expected.len() > 2, "{tp}: {expected:?}");
            for size in [1, 7, 4096] {
                let (mut live, mut replayed) = (task(context, role, &tp), task(context, role, &tp));
                live.state().unwrap().track();
                let (mut changes, mut cut) = (Vec::new(), None);
                for (at, batch) in records.chunks(size).enumerate() {
                    live.handle(batch, false, &mut Vec::new()).unwrap();
                    replayed.handle(batch, true, &mut Vec::new()).unwrap();
                    if at == records.len() / size / 2 {
                        let state = live.state().unwrap();
                        let blob = state.cut();
                        changes.extend(state.collect(usize::MAX));
                        cut = Some((blob, batch[batch.len() - 1].offset + 1));
                    }
                }
                assert_eq!(rows(&mut *live), expected, "{tp} in batches of {size}");
                assert_eq!(rows(&mut *replayed), expected, "{tp} replayed");
                let (blob, position) = cut.unwrap();
                let mut merged = Merged::default();
                changes.iter().for_each(|changes| merged.add(&changes.bytes).unwrap());
                let mut restored = task(context, role, &tp);
                let from = merged.restore(&blob, restored.state().unwrap()).unwrap();
                for (part, suppressed) in [(from..position, true), (position..i64::MAX, false)] {
                    let part: Vec<InRecord> =
                        records.iter().filter(|record| part.contains(&record.offset)).cloned().collect();
                    restored.handle(&part, suppressed, &mut Vec::new()).unwrap();
                }
                assert_eq!(rows(&mut *restored), expected, "{tp} restored");
            }
        }
    }
}
