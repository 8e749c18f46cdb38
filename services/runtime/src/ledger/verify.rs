//! Whether the ledger's rows agree, while the pipeline runs.

use super::{Error, Follower, judged};
use crate::context::Context;
use flow::ledger::{Edge, Judge, Sample, Standing, State, edges};
use flow::plan::Plan;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks when nothing changed.
const LOOK_MS: u64 = 200;

/// How everything stood at the end.
pub struct Verified {
    /// The edges by number.
    pub edges: Vec<Edge>,
    /// Every edge, reader and bucket.
    pub standings: Vec<Standing>,
    /// What the ledger said last.
    pub sample: Sample,
    /// Source records that were there at the beginning, and that no validator has told of.
    pub unread: u64,
}

/// Reads the ledger until nothing is pending of what was there at the beginning, or for so long, or until it is to stop.
pub fn verify(context: &Context, wait: Duration, stop: &AtomicBool) -> Result<Verified, Error> {
    let mut follower = Follower::open(context)?;
    settle(&context.plan, wait, stop, || Ok(follower.sample()?.clone()))
}

/// The same with samples from anywhere.
pub fn settle<E>(
    plan: &Plan,
    wait: Duration,
    stop: &AtomicBool,
    mut sample: impl FnMut() -> Result<Sample, E>,
) -> Result<Verified, E> {
    let mut judge = Judge::new(edges(plan));
    // Certainty moves one task further with each sample.
    let mut rounds = judge.edges().len() + 1;
    let began = Instant::now();
    let first = sample()?;
    let ends = first.ends.clone();
    let mut last = judge.judge(first);
    loop {
        let sample = sample()?;
        let standings = judge.judge(sample.clone());
        let still = standings == last;
        let unread = unread(plan, &ends, &sample);
        let pending = unread > 0 || standings.iter().any(|standing| standing.state == State::Pending);
        rounds = rounds.saturating_sub(1);
        let over = stop.load(Ordering::Relaxed) || (rounds == 0 && began.elapsed() >= wait);
        if over || (still && !pending) {
            return Ok(Verified { edges: judge.edges().to_vec(), standings, sample, unread });
        }
        if still {
            thread::sleep(Duration::from_millis(LOOK_MS));
        }
        last = standings;
    }
}

/// How many source records and retries below these ends are still before their validator.
fn unread(plan: &Plan, ends: &BTreeMap<(String, u16), i64>, sample: &Sample) -> u64 {
    let is_source = |topic: &String| plan.names.sources().any(|source| source == topic);
    let sources = ends.iter().filter(|((topic, _), _)| is_source(topic) || plan.names.retried(topic).is_some());
    let before = |((topic, partition), end): (&(String, u16), &i64)| end - judged(plan, sample, topic, *partition);
    sources.map(|one| before(one).max(0).unsigned_abs()).sum()
}
