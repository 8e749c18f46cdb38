//! Two, four and eight processes of every service share the partitions of a running pipeline; some are added and taken
//! away under load, asked to go or killed. State moves by snapshot: whoever takes a partition says from which, and how
//! much of the log was read again.

use super::feed::{Feed, made_up};
use super::settled::Settled;
use super::{ARGUMENTS, agreement, calm, subscriber};
use crate::monitor::promote;
use registry::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::pipeline::{Deployment, fraud, fraud_text};
use tests::service::{Place, Process, State};

/// As many partitions as there are processes of a service at most.
const PARTITIONS: usize = 8;
/// Every process runs these.
const ALL: &str = "validator featurizer scorer monitor archiver";
/// Tasks with the most state, by the names of their services in the log.
const STATEFUL: [&str; 3] = ["featurizer.customer", "featurizer.terminal", "featurizer.journal"];
/// Those that must share their partitions evenly.
const SHARED: [&str; 5] = ["validator", "featurizer.customer", "featurizer.terminal", "featurizer.journal", "scorer"];
/// How many processes there are, one after the other.
const CREWS: [usize; 5] = [2, 4, 8, 4, 2];
/// Days of events before the first change, and between two changes.
const FILLING_DAYS: usize = 8;
const DAYS: usize = 4;
const REPLACED: [(&str, &str); 2] = [("ordering: arrival", "ordering: event_time"), ("partitions: 4", "partitions: 8")];
/// A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(300);
/// Of what was read before, at most one of so many records came after the snapshot, and at most one of so many is read
/// again.
const SINCE_PARTS_MIN: u64 = 20;
const AGAIN_PARTS_MIN: u64 = 2;

/// The processes that run, and those that did.
struct Crew {
    place: Place,
    present: Vec<Process>,
    past: Vec<Process>,
    began: Instant,
}

impl Crew {
    fn fill(&mut self, count: usize) {
        while self.present.len() < count {
            self.present.push(self.place.start(ALL, &[], None));
        }
    }

    /// Takes processes away: the first is asked to go, the next killed, and so on.
    fn shrink(&mut self, count: usize) {
        let leaving: Vec<Process> = self.present.drain(count..).collect();
        for (at, mut process) in leaving.into_iter().enumerate() {
            if at % 2 == 0 {
                process.ask_to_stop();
            } else {
                process.kill();
            }
            self.past.push(process);
        }
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        self.began = Instant::now();
        while !done(self) {
            for process in &mut self.present {
                assert_eq!(process.state(), State::Runs, "{}", process.tail());
            }
            let tails = || self.present.iter().map(Process::tail).collect::<Vec<_>>().join("\n\n");
            assert!(self.began.elapsed() < PATIENCE, "{what} did not come\n{}", tails());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// Whether all have the same number of partitions of each service that shares.
    fn is_even(&self) -> bool {
        let said: Vec<String> = self.present.iter().map(Process::said).collect();
        let held: Vec<_> = said.iter().map(|said| held(said)).collect();
        SHARED.iter().all(|service| {
            // A validator has those of events and of labels, and the retries of both.
            let own = PARTITIONS / self.present.len() * if *service == "validator" { 4 } else { 1 };
            held.iter().all(|held| held.get(*service).is_some_and(|tps| tps.len() == own))
        })
    }

    /// Asks all to stop, and waits until they have.
    fn disband(&mut self) {
        self.present.iter().for_each(Process::ask_to_stop);
        for process in self.past.iter_mut().chain(&mut self.present) {
            let ended = process.ended();
            let is_well = ended == State::Killed || matches!(ended, State::Ended(status) if status.success());
            assert!(is_well, "{ended:?}: {}", process.tail());
        }
    }
}

/// The value of a field in a line of the log.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    Some(rest.split(' ').next().unwrap_or_default())
}

fn number(line: &str, name: &str) -> u64 {
    field(line, name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no number {name} in: {line}"))
}

/// Which partitions each service of a process has, by what it said.
fn held(said: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut held: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in said.lines() {
        let Some(service) = field(line, "service") else { continue };
        let tps = held.entry(service).or_default();
        if line.contains("starting over from the last commit") {
            tps.clear();
        }
        let Some(tp) = field(line, "tp") else { continue };
        if line.contains("partition taken") {
            tps.insert(tp);
        } else if line.contains("partition given away") || line.contains("partition lost") {
            tps.remove(tp);
        }
    }
    held
}

/// How stateful tasks came to their state.
#[derive(Debug, Default)]
struct Moves {
    /// Those that began with a snapshot.
    restored: u64,
    /// Where these were committed: what would have been read again without a snapshot.
    committed: u64,
    /// What they had come to since the snapshot.
    since: u64,
    /// Records they read again: those, and those with items that were held for their time.
    again: u64,
    /// Those that found no snapshot.
    recomputed: Vec<String>,
}

impl Moves {
    fn add(&mut self, said: &str) {
        for line in said.lines() {
            // An owner is a partition `of` a group.
            let owner = STATEFUL.iter().any(|service| line.contains(&format!(" of fraud.{service} ")));
            if owner && line.contains("state restored from a snapshot") {
                self.restored += 1;
                self.committed += number(line, "committed");
                self.since += number(line, "committed") - number(line, "position");
            } else if owner && line.contains("no snapshot to restore from") {
                self.recomputed.push(line.to_owned());
            } else if line.contains("state is that of the commit")
                && field(line, "service").is_some_and(|service| STATEFUL.contains(&service))
            {
                self.again += number(line, "again");
            }
        }
    }
}

fn place(dir: &Path, brokers: &str) -> Place {
    std::fs::write(dir.join("pipeline.yaml"), fraud_text(&REPLACED)).unwrap();
    Place { dir: dir.to_owned(), brokers: Some(brokers.to_owned()), arguments: ARGUMENTS.map(str::to_owned).to_vec() }
}

#[test]
fn processes_come_and_go_and_their_state_moves_by_snapshot() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let _alone = super::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let rows = made_up(FILLING_DAYS + DAYS * CREWS.len());
    let calm = calm::run(&REPLACED, &rows);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(kafka.log(), store.clone(), fraud(&REPLACED));
    promote(&deployment, &store);
    let (context, names) = (&deployment.context, &deployment.context.plan.names);
    let place = place(dir.path(), kafka.brokers());
    let mut crew = Crew { place, present: Vec::new(), past: Vec::new(), began };
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let predicted = |least: usize| count.load(Ordering::Relaxed) >= least;
    let (journal, concurrent) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| subscriber::follow(context, &names.predictions, true, &stop, &count));
        let _stops = super::Stops(&stop);
        crew.fill(CREWS[0]);
        let (mut stage, mut events) = (0, Vec::new());
        let journal = Feed::new(&deployment, &rows).publish_days(|day, journal| {
            events.push(journal.len());
            let due = (day.saturating_sub(FILLING_DAYS) / DAYS).min(CREWS.len() - 1);
            if due == stage {
                return;
            }
            // What was published until the day before yesterday is through, and all have their share; the rest waits.
            crew.wait("a share for everyone", Crew::is_even);
            crew.wait("predictions", |_| predicted(events[day - 2]));
            stage = due;
            crew.shrink(crew.present.len().min(CREWS[stage]));
            crew.fill(CREWS[stage]);
        });
        crew.wait("the last prediction", |_| predicted(journal.len()));
        crew.wait("a share for everyone", Crew::is_even);
        let settled = Settled::new(context, true);
        crew.wait("the last commit", |_| settled.look());
        stop.store(true, Ordering::Relaxed);
        (journal, reader.join().unwrap())
    });
    crew.disband();

    agreement::check(&deployment, &calm, &journal, &concurrent, false);
    let mut moves = Moves::default();
    crew.past.iter().chain(&crew.present).for_each(|process| moves.add(&process.said()));
    eprintln!("{CREWS:?} processes, {} events in {} s: {moves:?}", rows.len(), began.elapsed().as_secs());
    assert_eq!(moves.recomputed, Vec::<String>::new(), "nobody recomputes what a snapshot has");
    // Every change moves most partitions of each stateful task.
    let least = (CREWS.len() - 1) * STATEFUL.len() * PARTITIONS / 2;
    assert!(moves.restored >= least as u64, "{moves:?}");
    assert!(moves.since * SINCE_PARTS_MIN <= moves.committed, "{moves:?}");
    assert!(moves.again * AGAIN_PARTS_MIN <= moves.committed, "{moves:?}");
}
