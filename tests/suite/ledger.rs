//! The ledger over the shipped pipeline: both sides agree while it runs and afterwards, counts do not depend on batches
//! and restarts, and an item or record that is deleted, swapped or doubled in a copy of the logs is found in its bucket.

mod altered;
mod closed;

use crate::monitor::promote;
use featurizer::{Featurizer, Role};
use flow::ledger::{Row, State};
use flow::processor::{InRecord, Task};
use flow::snapshot::Merged;
use registry::store::Store;
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::ledger::{Verified, differences, recount, verify};
use runtime::log::{Record, SessionOptions, TopicPartition};
use runtime::shell::Service;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};

const EVENTS: usize = 360;
/// Those that are not rejected.
const GOOD: u64 = EVENTS as u64 - 8;
const STEPS: usize = 12;
const IDLE: Duration = Duration::from_millis(300);
/// Long enough for every task to write its rows again.
const WAIT: Duration = Duration::from_secs(60);

fn transactions() -> Transactions {
    let transaction = |at| Transaction {
        id: 1_000 + at,
        time_ms: 1_522_540_800_000 + at * DAY_MS / 10,
        customer: (at * 7 % 23) as i32,
        terminal: (at * 11 % 17) as i32,
        amount: if at % 50 == 3 { -1.0 } else { (at * 37 % 1_000) as f64 / 8.0 },
        fraud: at % 5 == 0,
    };
    (0..EVENTS as i64).map(transaction).collect()
}

/// A pipeline with a model that has seen all transactions, some of them twice and some bad ones, and its ledger.
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
        let store = Store::memory();
        let deployment = Deployment::new(Arc::new(log), store.clone(), pipeline);
        promote(&deployment, &store);
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
    for to in ["customer.log", "terminal.log", "features.log", "journal.log", "predictions", "outcomes", "dlq"] {
        assert!(agreed(&world.verified, to) > 0, "something went to {to}");
    }
    let duplicates: u64 = world.verified.standings.iter().map(|standing| standing.read.duplicate).sum();
    assert!(duplicates > 0, "copies were dropped");
    let counted = recount(world.context(), &world.verified.sample).unwrap();
    assert_eq!(differences(&counted, &world.verified), (vec![], vec![]));
    altered::every_edge_is_watched(&world);
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
