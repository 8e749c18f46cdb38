//! A bucket that its source has left: its counts are final on every edge while the pipeline goes on.

use super::{WAIT, World, altered, certain, wrong};
use crate::monitor::promote;
use flow::ledger::{BUCKET_OFFSETS, OUTSIDE, Standing, State};
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::ledger::{Verified, differences, recount};
use std::sync::Arc;
use std::time::Duration;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};

const IDLE: Duration = Duration::from_millis(300);
/// Events of the closed bucket that go the whole way, and as many after it.
const GOOD: usize = 64;
/// All others of the bucket are late, which costs little: 65,536 offsets are what a bucket has.
const LATE: usize = BUCKET_OFFSETS as usize - GOOD;
const FIRST_MS: i64 = 1_529_280_000_000;

fn transactions() -> Transactions {
    let transaction = |at| {
        let is_late = (GOOD..GOOD + LATE).contains(&at);
        Transaction {
            id: at as i64,
            time_ms: if is_late { FIRST_MS - DAY_MS } else { FIRST_MS + at as i64 },
            customer: (at % 17) as i32,
            terminal: (at % 11) as i32,
            amount: 10.0,
            fraud: at % 2 == 0,
        }
    };
    (0..2 * GOOD + LATE).map(transaction).collect()
}

/// How readers and writers stand in the bucket that is closed.
fn closed<'a>(verified: &'a Verified, events: &'a str) -> impl Iterator<Item = &'a Standing> {
    verified.standings.iter().filter(move |one| *one.bucket.0 == *events && one.bucket.2 == 0)
}

#[test]
fn a_closed_bucket_agrees_for_good_while_its_source_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path().join("log")).unwrap();
    let store = Store::memory();
    let deployment = Deployment::new(Arc::new(log), store.clone(), fraud(&[]));
    promote(&deployment, &store);
    let context = &deployment.context;
    let names = &context.plan.names;
    let mut running = deployment.start(Duration::ZERO, IDLE);
    deployment.start_scorer(Duration::ZERO, &mut running);
    deployment.start_monitor(Duration::ZERO, &mut running);
    let rows = transactions();
    let placed = rows.spread(1);
    let (first, after) = placed.split_at(BUCKET_OFFSETS as usize);
    deployment.publish(rows.events(context, first));
    deployment.publish(rows.labels(context, &first[..GOOD]));
    deployment.publish(rows.events(context, after));

    let logs = names.entity_logs.iter().chain([&names.features_log, &names.journal_log, &names.predictions]);
    let late = flow::plan::Names::late(&names.events);
    let mut expected: Vec<(&str, u64)> = logs.map(|log| (log.as_str(), GOOD as u64)).collect();
    expected.push((&late, LATE as u64));
    let is_final = |verified: &Verified| {
        let all = closed(verified, &names.events).all(|one| one.closed && one.settled && one.state == State::Agrees);
        let through = |(to, count): &(&str, u64)| {
            let on_edge = |one: &&Standing| verified.edges[one.edge].to == *to && one.written.total() == *count;
            closed(verified, &names.events).any(|one| on_edge(&one))
        };
        all && expected.iter().all(through)
    };
    deployment.wait(&[&running], || is_final(&certain(context, Duration::ZERO)));
    let verified = certain(context, WAIT);
    let mut told = verified.sample.rows().map(|(_, row)| row).filter(|row| *row.from == *OUTSIDE && row.bucket == 0);
    let of_source = told.find(|row| *row.source == *names.events).unwrap();
    assert!(of_source.closed, "{of_source:?}");
    assert_eq!((of_source.counts.emitted, of_source.counts.late), (GOOD as u64, LATE as u64));

    // More comes, and what is final stays as it was.
    let counts = |verified: &Verified| closed(verified, &names.events).cloned().collect::<Vec<_>>();
    deployment.publish(rows.events(context, &after[..1]));
    let later = certain(context, WAIT);
    assert_eq!(counts(&later), counts(&verified));
    assert_eq!((running.stop(), wrong(&later, &[State::Agrees, State::Open])), (vec![], vec![]));
    let world = World { verified: certain(context, WAIT), deployment, _dir: dir };
    let context = world.context();
    let counted = recount(context, &world.verified.sample).unwrap();
    assert_eq!(differences(&counted, &world.verified), (vec![], vec![]));
    altered::items(&world, &context.plan.names.events, context.plan.names.first_log());
}
