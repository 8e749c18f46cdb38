//! Which process is struck where and when, drawn from a seed.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use runtime::failpoint::{
    ARCHIVED, COMMITTED, COMMITTING, FLUSHED, POLLED, PROCESSED, PUBLISHED, RESTORED, SENT, SNAPSHOT_FILES,
    SNAPSHOT_TAKEN, STORED,
};

/// Limits on the records of a poll.
const POLLS: [usize; 3] = [4_096, 7, 1];
/// Where every task of a shell comes by.
const SHELL: &[&str] = &[POLLED, PROCESSED, PUBLISHED, COMMITTING, FLUSHED, STORED, RESTORED];
/// Where tasks with snapshots come by, too.
const STATEFUL: &[&str] = &[SNAPSHOT_FILES, SNAPSHOT_TAKEN];
/// Where tasks come by whose results wait for a commit.
const RESULTS: &[&str] = &[SENT, COMMITTED];
/// Where the archiver comes by.
const FILES: &[&str] = &[POLLED, ARCHIVED, STORED];
/// Where a process is stopped: it wakes with work in its hands.
const ASLEEP: &[&str] = &[POLLED, PROCESSED, PUBLISHED, COMMITTING, FLUSHED];

/// A task that is struck.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What runs it.
    pub service: &'static str,
    /// Its consumer group.
    pub group: &'static str,
    /// Where it comes by.
    places: &'static [&'static [&'static str]],
    /// Whether its results wait for a commit with `exactly_once`.
    has_results: bool,
}

const fn target(
    service: &'static str,
    group: &'static str,
    places: &'static [&'static [&'static str]],
    has_results: bool,
) -> Target {
    Target { service, group, places, has_results }
}

/// All tasks, in the order in which they are struck.
const TARGETS: [Target; 9] = [
    target("featurizer", "fraud.featurizer.customer", &[SHELL, STATEFUL], false),
    target("scorer", "fraud.scorer", &[SHELL], true),
    target("validator", "fraud.validator", &[SHELL], false),
    target("archiver", "fraud.archiver", &[FILES], false),
    target("featurizer", "fraud.featurizer.journal", &[SHELL, STATEFUL], true),
    target("monitor", "fraud.monitor.features", &[SHELL], false),
    target("featurizer", "fraud.featurizer.terminal", &[SHELL, STATEFUL], false),
    target("monitor", "fraud.monitor.scores", &[SHELL], false),
    target("monitor", "fraud.monitor.judge", &[&[POLLED, COMMITTING, STORED]], false),
];
/// Those that are stopped and woken.
const SLEEPERS: [usize; 7] = [1, 0, 2, 4, 6, 3, 7];

/// One blow to one process.
#[derive(Debug, Clone)]
pub struct Strike {
    /// Whom.
    pub target: Target,
    /// Whether it is stopped, and killed otherwise.
    pub stops: bool,
    /// Limit on the records of a poll until then.
    pub poll_records: usize,
    place: &'static str,
    visit: u64,
}

impl Strike {
    /// As the process is told.
    pub fn failpoint(&self) -> String {
        let action = if self.stops { "stop" } else { "kill" };
        format!("{action} {} {} {}", self.place, self.visit, self.target.group)
    }
}

/// So many strikes, zombies spread among the kills.
pub fn strikes(seed: u64, kills: usize, zombies: usize, exactly_once: bool) -> Vec<Strike> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let all = kills + zombies;
    let (mut killed, mut stopped) = (0, 0);
    (0..all)
        .map(|at| {
            let stops = (at + 1) * zombies / all > stopped;
            let target =
                if stops { TARGETS[SLEEPERS[stopped % SLEEPERS.len()]] } else { TARGETS[killed % TARGETS.len()] };
            if stops {
                stopped += 1;
            } else {
                killed += 1;
            }
            let mut places: Vec<&str> = target.places.iter().flat_map(|places| places.iter().copied()).collect();
            if exactly_once && target.has_results {
                places.extend(RESULTS);
            }
            places.retain(|place| !stops || ASLEEP.contains(place));
            let place = *places.choose(&mut rng).unwrap();
            let poll_records = POLLS[at % POLLS.len()];
            let visit = rng.random_range(1..=visits_max(place, target.service, poll_records));
            Strike { target, stops, poll_records, place, visit }
        })
        .collect()
}

/// How often a process surely comes by while a few days are published.
fn visits_max(place: &str, service: &str, poll_records: usize) -> u64 {
    let is_source = service == "validator";
    match place {
        POLLED | PROCESSED | PUBLISHED if service == "monitor" => 3,
        POLLED | PROCESSED | PUBLISHED => match poll_records {
            1 if is_source => 2_000,
            7 if is_source => 600,
            1 => 40,
            _ => 8,
        },
        SENT | COMMITTED => 8,
        ARCHIVED | STORED | COMMITTING | FLUSHED => 3,
        _ => 2,
    }
}
