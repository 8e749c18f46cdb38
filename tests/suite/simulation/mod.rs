//! The pipeline on the simulated log: the real shells with the real tasks, in histories full of crashes, zombies, late
//! requests and lost answers. Whatever happens, what comes out is what comes out when nothing happens.

mod bugs;
mod check;
mod cluster;
mod contents;
mod pipeline;
mod schemas;

use bugs::Bug;
use check::Reference;
use cluster::Wrap;
use runtime::log::Log;
use runtime::simulated::Simulated;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Histories of each ordering.
const SEEDS: u64 = 150;
/// Histories within which a bug must show.
const BUG_SEEDS: u64 = 60;
/// Names one seed to run instead of all.
const SEED: &str = "TIDEMILL_SIMULATION_SEED";

fn honest(log: Simulated, _salt: u64) -> Arc<dyn Log> {
    Arc::new(log)
}

/// Runs one history; a panic is a failure like any other.
fn outcome(reference: &Reference, seed: u64, wrap: Wrap) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| reference.check(seed, wrap))).unwrap_or_else(|_| Err("a panic, see above".into()))
}

fn all_histories(ordering: &str) {
    let reference = Reference::new(ordering);
    let one = std::env::var(SEED).ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in one.map_or(0..SEEDS, |seed| seed..seed + 1) {
        if let Err(error) = outcome(&reference, seed, honest) {
            panic!(
                "seed {seed}: {error}\nagain with: {SEED}={seed} cargo test --workspace --locked simulation::{ordering}"
            );
        }
    }
}

#[test]
fn event_time() {
    all_histories("event_time");
}

#[test]
fn arrival() {
    all_histories("arrival");
}

/// Whether some history shows that sessions have a bug, and what was said of it first.
#[track_caller]
fn is_found(wrap: Wrap, said: &str) {
    let reference = Reference::new("event_time");
    let found = (0..BUG_SEEDS).find_map(|seed| outcome(&reference, seed, wrap).err());
    let found = found.expect("the bug goes unnoticed");
    assert!(found.contains(said), "found for another reason: {found}");
}

#[test]
fn commits_before_publishing_are_found() {
    is_found(|log, salt| bugs::with(Bug::CommitsBeforePublishing, log, salt), "");
}

#[test]
fn commits_one_too_far_are_found() {
    is_found(|log, salt| bugs::with(Bug::CommitsOneTooFar, log, salt), "");
}

#[test]
fn commits_without_their_state_are_found() {
    is_found(|log, salt| bugs::with(Bug::DropsMetadata, log, salt), "without its state");
}

#[test]
fn commits_for_partitions_of_others_are_found() {
    is_found(|log, salt| bugs::with(Bug::CommitsForOthers, log, salt), "the committed offset fell");
}

#[test]
fn a_lost_record_is_found() {
    is_found(|log, salt| bugs::with(Bug::LosesARecord, log, salt), "");
}

#[test]
fn swapped_records_are_found() {
    is_found(|log, salt| bugs::with(Bug::SwapsRecords, log, salt), "");
}

#[test]
fn a_changed_item_is_found() {
    is_found(|log, salt| bugs::with(Bug::ChangesAnItem, log, salt), "");
}

#[test]
fn a_restore_that_skips_the_log_is_found() {
    is_found(|log, salt| bugs::with(Bug::IgnoresSeek, log, salt), "");
}
