//! Readers that commit what a test says, and sources that wait for them.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use registry::decisions::Decisions;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::{Commit, TopicPartition};
use runtime::shell::{self, Worker};

use super::{Limit, longest};
use crate::service::{ValidatorService, shell_options};
use crate::tests::{EVENT, context, event, publish};
use crate::{Clock, Options};

const NEVER: Duration = Duration::from_secs(3_600);
/// Rounds in which everything that is there would have been read.
const ROUNDS: usize = 20;
const POLL_WAIT: Duration = Duration::from_millis(5);
const EVENTS: i64 = 10;

/// The reader of the first log commits these offsets.
fn commit(context: &Context, offsets: [i64; 2]) {
    let log = context.plan.names.first_log();
    let reader = context.plan.tasks.iter().find(|task| task.reads.iter().any(|name| name == log)).unwrap();
    let commits = [0, 1].map(|partition: i32| Commit {
        tp: TopicPartition::new(log, partition),
        offset: offsets[partition as usize],
        metadata: "x".to_owned(),
    });
    context.log.set_committed(&reader.group_id, &commits).unwrap();
}

fn ends(context: &Context) -> [i64; 2] {
    [0, 1].map(|at| context.log.watermarks(&TopicPartition::new(context.plan.names.first_log(), at)).unwrap().1)
}

fn records(context: &Context) -> u64 {
    longest(context).unwrap().unwrap().1
}

#[test]
fn a_reader_is_behind_by_what_it_has_not_committed() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    assert_eq!(ends(&context), [1, 1], "each has the fence with its parents");
    assert_eq!(records(&context), 0, "who never began is not waited for");
    commit(&context, [0, 1]);
    assert_eq!(records(&context), 1);
    commit(&context, [0, 0]);
    assert_eq!(records(&context), 2, "of all partitions");
    let (task, _) = longest(&context).unwrap().unwrap();
    assert!(task.reads.iter().any(|log| log == context.plan.names.first_log()), "{task:?}");
}

#[test]
fn waiting_ends_at_half_of_where_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let task = &context.plan.tasks[1];
    let limit = Limit { records_max: 10, every: NEVER };
    let waits = Options::new(&context.pipeline).behind;
    for (records, expected) in [(10, false), (11, true), (6, true), (5, false), (6, false), (11, true)] {
        super::judge(Some((task, records)), limit, &waits);
        assert_eq!(waits.load(Ordering::Relaxed), expected, "{records}");
    }
    super::judge(None, limit, &waits);
    assert!(!waits.load(Ordering::Relaxed));
}

/// One thread drives service and clock, so "nothing came" is no question of patience.
#[test]
fn sources_wait_while_a_reader_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let start = Instant::now();
    let now = std::sync::Arc::new(std::sync::Mutex::new(start));
    let clock = Clock::new({
        let now = now.clone();
        move || *now.lock().unwrap()
    });
    let options = Options { idle_timeout: NEVER, clock, ..Options::new(&context.pipeline) };
    let decisions = Decisions::new(Store::local(&dir.path().join("registry")).unwrap());
    let mut service = ValidatorService::new(context.clone(), decisions, options.clone()).unwrap();
    let shell = shell::Options { poll_wait: POLL_WAIT, ..shell_options(&context, &options).unwrap() };
    let mut worker = Worker::join(&*context.log, &shell).unwrap();
    let mut rounds = || {
        (0..ROUNDS)
            .map(|_| {
                *now.lock().unwrap() += Duration::from_secs(1);
                worker.step(&mut service).unwrap()
            })
            .sum::<usize>()
    };
    options.behind.store(true, Ordering::Relaxed);
    assert_eq!(rounds(), 0, "partitions are taken and wait");
    let events: Vec<_> = (0..EVENTS).map(|n| event(0, n)).collect();
    publish(&context, &context.plan.names.events, EVENT, &events);
    assert_eq!(rounds(), 0);
    options.behind.store(false, Ordering::Relaxed);
    assert_eq!(rounds() as i64, EVENTS);
}

#[test]
fn a_service_finds_by_itself_that_a_reader_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    commit(&context, [0, 0]);
    let backlog = Limit { records_max: 1, every: Duration::from_millis(1) };
    let options = Options { backlog, ..Options::new(&context.pipeline) };
    let (waits, decisions) =
        (options.behind.clone(), Decisions::new(Store::local(&dir.path().join("registry")).unwrap()));
    thread::scope(|scope| {
        let serving = scope.spawn(|| crate::run(context.clone(), decisions, options));
        for expected in [true, false] {
            let deadline = Instant::now() + Duration::from_secs(60);
            while waits.load(Ordering::Relaxed) != expected && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            if waits.load(Ordering::Relaxed) != expected {
                break;
            }
            commit(&context, ends(&context));
        }
        let caught_up = !waits.load(Ordering::Relaxed);
        context.stop.store(true, Ordering::Relaxed);
        serving.join().unwrap().unwrap();
        assert!(caught_up, "sources were made to wait, and no longer");
    });
}
