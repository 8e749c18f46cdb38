//! The pipeline on the simulated log: the real shells with the real tasks, in histories full of crashes, zombies, late
//! requests and lost answers. Whatever happens, what comes out is what comes out when nothing happens.
//!
//! `TIDEMILL_SIMULATION_SEED` runs one history, `TIDEMILL_SIMULATION_SEEDS` as many as it says instead of the usual few.

mod bugs;
mod check;
mod cluster;
mod contents;
mod control;
mod exact;
mod ledger;
mod pipeline;
mod plot;
mod process;
mod retries;
mod schemas;
mod sessions;
mod snapshots;

use check::Reference;
use cluster::Wrap;
use flow::flaw::Flaw;
use plot::Plot;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Histories of each ordering.
const SEEDS: u64 = 1_000;
/// Histories with limits: their alerts are results in both modes.
const LIMITED_SEEDS: u64 = 200;
/// Names one seed to run instead of all.
const SEED: &str = "TIDEMILL_SIMULATION_SEED";
/// Says how many to run.
const COUNT: &str = "TIDEMILL_SIMULATION_SEEDS";

/// Runs one history; a panic is a failure like any other.
fn outcome(reference: &Reference, plot: Plot, wrap: Wrap, flaws: &[Flaw]) -> Result<(), String> {
    let run = || reference.check(plot, wrap, flaws);
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("a panic, see above".into()))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

fn all_histories(ordering: &str, seeds: u64) {
    let reference = Reference::of(ordering);
    let seeds = number(SEED).map_or(0..number(COUNT).unwrap_or(seeds), |seed| seed..seed + 1);
    for seed in seeds {
        if let Err(error) = outcome(reference, Plot::of(seed, &[]), Wrap(None), &[]) {
            panic!(
                "seed {seed}: {error}\nagain with: {SEED}={seed} cargo test --workspace --locked simulation::{ordering}"
            );
        }
    }
}

#[test]
fn event_time() {
    all_histories("event_time", SEEDS);
}

#[test]
fn arrival() {
    all_histories("arrival", SEEDS);
}

#[test]
fn limited() {
    all_histories(pipeline::LIMITED, LIMITED_SEEDS);
}
