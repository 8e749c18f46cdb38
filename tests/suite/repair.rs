//! `tidemill repair`: groups whose offsets are gone, have no state or an unreadable one get both back from what their tasks
//! wrote, and results are those of a pipeline in which nothing was lost.

#![allow(clippy::unwrap_used)]

use crate::monitor::{order, transactions};
use crate::processes::{Processes, Published, SERVICES};
use flow::state::{TaskState, split_pointer};
use runtime::log::{Commit, Committed, Log, SessionOptions, TopicPartition};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::time::Duration;
use tests::kafka::Kafka;
use tests::pipeline::{Features, Running};
use tests::service::State;

/// Small polls, so that a process that is killed has work in its hands everywhere; sources are quiet soon.
const ARGUMENTS: [&str; 6] = ["--idle-timeout", "3s", "--snapshot-interval", "500ms", "--poll-records", "4"];
/// What services say whose group has lost something.
const HINT: &str = "run `tidemill repair`";
/// What a group may have lost.
const HARMS: [Harm; 3] = [Harm::Gone, Harm::Bare, Harm::Unreadable];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Gone,
    Bare,
    Unreadable,
}

struct World(Processes);

/// What came of a pipeline.
#[derive(Debug, PartialEq)]
struct Results {
    features: Features,
    published: Published,
}

type Commits = BTreeMap<(String, TopicPartition), Option<Committed>>;

impl Deref for World {
    type Target = Processes;

    fn deref(&self) -> &Processes {
        &self.0
    }
}

impl World {
    fn new(kafka: Option<Kafka>, delivery: &'static str) -> Self {
        let ordering = ("ordering: arrival", "ordering: event_time");
        let delivery = match delivery {
            "exactly_once" => ("delivery: low_latency", "delivery: exactly_once"),
            _ => ("delivery: low_latency", "delivery: low_latency"),
        };
        World(Processes::new(kafka, &[ordering, delivery], &ARGUMENTS))
    }

    fn publish(&self, days: Range<i64>, labels: Range<i64>) {
        let deployment = self.deployment();
        let (events, labels) = (transactions(days), transactions(labels));
        deployment.publish(events.events(&deployment.context, &order(&events)));
        deployment.publish(labels.labels(&deployment.context, &order(&labels)));
    }

    /// Runs everything until a process is killed with work in its hands.
    fn kill(&self, failpoint: &str) {
        let mut process = self.place().start(SERVICES, &["--drain"], Some(failpoint));
        assert_eq!(process.ended(), State::Killed, "{}", process.tail());
    }

    /// What all groups with state have committed.
    fn commits(&self) -> Commits {
        let deployment = self.deployment();
        let context = &deployment.context;
        let with_state = ["validator", "featurizer", "scorer", "monitor"];
        let tasks = context.plan.tasks.iter().filter(|task| with_state.contains(&task.service.name()));
        let mut found = Commits::new();
        for (task, topic) in tasks.flat_map(|task| task.reads.iter().map(move |topic| (task, topic))) {
            let tps: Vec<_> = context.bounds(topic).unwrap().into_iter().map(|(tp, ..)| tp).collect();
            let committed = context.log.committed(&task.group_id, &tps).unwrap();
            found
                .extend(tps.into_iter().zip(committed).map(|(tp, committed)| ((task.group_id.clone(), tp), committed)));
        }
        found
    }

    /// Harms every group that has committed something, each in another way; what its partitions have now.
    fn harm(&self) -> usize {
        let before = self.commits();
        let groups: Vec<&String> =
            before.keys().map(|(group, _)| group).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let deployment = self.deployment();
        let log = &deployment.context.log;
        let mut harmed = 0;
        for (at, group) in groups.into_iter().enumerate() {
            let of_group = before.iter().filter(|((of, _), _)| of == group);
            let harm = HARMS[at % HARMS.len()];
            deployment.wait(&[], || log.members(group).unwrap().is_empty());
            let commit = |((_, tp), committed): (&(String, TopicPartition), &Option<Committed>)| {
                let offset = committed.as_ref()?.offset;
                let (offset, metadata) = match harm {
                    Harm::Gone => (0, String::new()),
                    Harm::Bare => (offset, String::new()),
                    Harm::Unreadable => (offset, "somebody's note".to_owned()),
                };
                Some(Commit { tp: tp.clone(), offset, metadata })
            };
            let commits: Vec<Commit> = of_group.filter_map(commit).collect();
            // Who has read nothing has lost nothing.
            harmed += commits_of(&before, group).filter(|committed| committed.offset > 0).count();
            match &self.kafka {
                Some(kafka) if harm == Harm::Gone => {
                    runtime::kafka::Kafka::connect(kafka.brokers(), &BTreeMap::new())
                        .unwrap()
                        .delete_groups(&[group])
                        .unwrap();
                }
                _ => log.set_committed(group, &commits).unwrap(),
            }
        }
        harmed
    }

    fn results(&self, events: usize) -> Results {
        let deployment = self.deployment();
        Results { features: deployment.features(events, &Running::default()), published: Published::of(&deployment) }
    }

    /// Records of a topic, repeats included.
    fn records(&self, topic: &str) -> usize {
        let context = self.deployment().context;
        let mut count = 0;
        for (tp, start, end) in context.bounds(topic).unwrap() {
            let options = SessionOptions::assigned("test.records", vec![(tp, start)]);
            let mut session = context.log.session(options).unwrap();
            let mut next = start;
            while next < end {
                let poll = session.poll(Duration::from_millis(200)).unwrap();
                for record in poll.records.into_iter().flat_map(|(_, records)| records) {
                    next = record.offset + 1;
                    count += 1;
                }
            }
        }
        count
    }
}

fn commits_of<'a>(commits: &'a Commits, group: &'a str) -> impl Iterator<Item = &'a Committed> {
    commits.iter().filter(move |((of, _), _)| of == group).filter_map(|(_, committed)| committed.as_ref())
}

/// A commit as far as it is the same for whoever came to its offset: no pointer, and none of the schemas that a validator
/// has asked for already.
fn essence(committed: &Committed) -> (i64, Value) {
    let (text, _) = split_pointer(&committed.metadata);
    let mut state: TaskState = serde_json::from_str(&text).unwrap();
    state.schemas.clear();
    (committed.offset, serde_json::to_value(state).unwrap())
}

/// How a pipeline in which nothing is lost ends.
fn calm() -> Results {
    let world = World::new(None, "low_latency");
    world.publish(0..3, 0..0);
    world.drain();
    world.publish(3..6, 0..6);
    world.drain();
    world.results(6 * 200)
}

#[test]
fn offsets_and_state_come_back_as_they_were_on_the_embedded_log() {
    let world = World::new(None, "low_latency");
    world.call(&["repair"], 0, &["nothing to repair"]);
    world.publish(0..3, 0..0);
    world.drain();
    let before = world.commits();
    world.call(&["repair"], 0, &["nothing to repair"]);
    let harmed = world.harm();
    let after = world.commits();
    ["validator", "featurizer", "scorer", "monitor"].iter().for_each(|service| world.refuses(service, 4, HINT));

    world.call(&["repair", "nothing"], 2, &["there is no task `nothing`", "featurizer.journal", "monitor.judge"]);
    world.call(&["repair", "scorer", "--partition", "9"], 2, &["with partition 9"]);
    let (task, partition) = ("scorer", ["--partition", "1", "--from", "5"]);
    world.call(&[&["repair", task], &partition[..]].concat(), 2, &["reads an internal log"]);
    let planned = world.call(&["repair", "--dry-run"], 0, &[&format!("{harmed} of"), "nothing was changed"]);
    assert!(planned.contains("snapshot at"), "{planned}");
    assert_eq!(world.commits(), after, "a dry run commits nothing");
    world.call(&["repair", "scorer"], 0, &["fraud.scorer", "start their services"]);
    world.call(&["repair", "--output", "json"], 0, &["\"committed\":true"]);
    world.call(&["repair"], 0, &["nothing to repair"]);
    for (key, committed) in world.commits() {
        if before[&key].as_ref().is_some_and(|before| before.offset > 0) {
            assert_eq!(committed.as_ref().map(essence), before[&key].as_ref().map(essence), "{key:?}");
        }
    }

    world.publish(3..6, 0..6);
    world.drain();
    world.call(&["ledger", "verify", "--recount"], 0, &["everything agrees, logs counted"]);
    assert_eq!(world.results(6 * 200), calm());
}

/// Kills everything at a moment, harms all groups, repairs them, and goes on.
fn killed_and_harmed(world: &World) {
    world.publish(0..3, 0..0);
    world.kill("kill stored 1 fraud.featurizer.terminal");
    assert!(world.harm() > 0);
    world.call(&["repair"], 0, &["tasks have this commit now"]);
    world.drain();
    world.publish(3..6, 0..6);
    world.kill("kill published 1 fraud.scorer");
    assert!(world.harm() > 0);
    world.call(&["repair"], 0, &["tasks have this commit now"]);
    world.drain();
    world.call(&["ledger", "verify", "--recount"], 0, &["everything agrees, logs counted"]);
    assert_eq!(world.results(6 * 200), calm());
}

#[test]
fn nothing_is_lost_when_offsets_are_lost_in_the_middle_of_work() {
    killed_and_harmed(&World::new(None, "low_latency"));
}

#[test]
fn each_prediction_is_there_once_after_offsets_were_lost_on_kafka() {
    let Some(kafka) = Kafka::start() else { return };
    let world = World::new(Some(kafka), "exactly_once");
    killed_and_harmed(&world);
    let deployment = world.deployment();
    let names = &deployment.context.plan.names;
    assert_eq!(world.records(&names.predictions), 6 * 200, "a plain reader of committed records sees each once");

    // Somebody is there.
    let running = world.place().start("scorer", &[], None);
    let group = scorer::group(&deployment.context);
    deployment.wait(&[], || !deployment.context.log.members(&group).unwrap().is_empty());
    world.call(&["repair", "scorer", "--anyway"], 3, &["has members (", "scorer at", "stop those services"]);
    drop(running);

    // The source no longer has what comes next.
    let log = runtime::kafka::Kafka::connect(world.kafka.as_ref().unwrap().brokers(), &BTreeMap::new()).unwrap();
    let tp = TopicPartition::new(names.events.as_str(), 0);
    let end = log.watermarks(&tp).unwrap().1;
    world.publish(6..7, 0..0);
    log.delete_records(&tp, end + 10).unwrap();
    let validator = "fraud.validator";
    deployment.wait(&[], || log.members(validator).unwrap().is_empty());
    log.delete_groups(&[validator]).unwrap();
    let (from, end) = (format!("--from {}", end + 10), format!("up to {end}"));
    let hint = format!("tidemill repair {} --partition 0 {from}", names.events);
    world.call(&["repair"], 2, &["were deleted before they were read", &end, &hint]);
    world.call(&hint.split(' ').skip(1).collect::<Vec<_>>(), 0, &["fraud.validator"]);
    world.call(&["repair"], 0, &["7 of"]);
    world.drain();
    world.call(&["ledger", "verify"], 0, &["everything agrees"]);
    assert_eq!(world.records(&names.predictions), 7 * 200 - 10);
}
