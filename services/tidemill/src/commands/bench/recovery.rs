//! `tidemill bench recovery`: how long after a kill the first output is committed, with so many keys of state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use flow::plan::Service;
use registry::store::Store;
use runtime::apply::apply;
use runtime::log::TopicPartition;
use runtime::snapshot::Vault;
use serde_json::json;

use super::args::Recovery;
use super::fleet::Fleet;
use super::keyed::Keyed;
use super::machine::{IS_DEBUG, Machine};
use super::place::Place;
use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note};
use crate::publish::{Options, Pace, Publisher};
use crate::supervisor::Drained;
use crate::{services, supervisor};

/// What runs: all that has state by key, and what feeds it.
const SERVICES: [&str; 2] = ["validator", "featurizer"];
/// Events that the killed process has not seen, for keys that it had.
const FRESH: u64 = 1_000;
/// Entries that a key has in snapshots of the first stage: its windows, and the id of its event.
const ENTRIES_PER_KEY_FIRST: u64 = 2;
/// Pause between two looks at the store.
const LOOK_STORE: Duration = Duration::from_millis(500);
/// Pause between two looks at the commits: what the figure is exact to.
const LOOK: Duration = Duration::from_millis(20);

/// What was measured.
struct Recovered {
    open: Duration,
    first: Duration,
    all: Duration,
    snapshots_bytes: u64,
}

/// Fills the state, kills who has it, and measures the next start.
pub fn run(global: &Global, output: Output, options: &Recovery) -> Result<(), Error> {
    if global.brokers.is_some() {
        return Err(Error::Input("recovery is measured on the embedded log; leave out --brokers".to_owned()));
    }
    let (machine, place) = (Machine::look(), Place::open(global)?);
    let environment = place.environment()?;
    apply(&environment.context)?;
    note(&format!("publishing an event for each of {} keys", options.keys));
    publish(&environment, 0..options.keys, 0)?;
    let recovered = measure(&place, environment, options.keys)?;
    let Recovered { open, first, all, snapshots_bytes } = recovered;
    let text = || {
        let warning = if IS_DEBUG { "\nNOT A MEASUREMENT: debug build" } else { "" };
        format!(
            "pipeline {}, {} keys in each stage, killed and started again\n{}{warning}\n\nlog open after {:.2} s, first output committed after {:.2} s, all {FRESH} events through after {:.2} s; snapshots of {} MiB",
            place.declared,
            options.keys,
            machine.text(),
            open.as_secs_f64(),
            first.as_secs_f64(),
            all.as_secs_f64(),
            snapshots_bytes >> 20
        )
    };
    let value = || {
        json!({
            "measurement": !IS_DEBUG,
            "mode": "recovery",
            "pipeline": place.declared,
            "machine": machine.value(),
            "keys": options.keys,
            "open_seconds": open.as_secs_f64(),
            "first_committed_seconds": first.as_secs_f64(),
            "all_committed_seconds": all.as_secs_f64(),
            "snapshot_bytes": snapshots_bytes,
        })
    };
    output.show(text, value)
}

fn measure(place: &Place, environment: Environment, keys: u64) -> Result<Recovered, Error> {
    let (store, signals) = (environment.store.clone(), environment.signals.clone());
    let logs: Vec<_> = environment.context.plan.stages.iter().map(|stage| stage.reads.clone()).collect();
    drop(environment);
    let names: Vec<String> = SERVICES.iter().map(|name| (*name).to_owned()).collect();
    let mut fleet = Fleet::default();
    fleet.start(place, &names)?;
    note("waiting until snapshots have all of them");
    while !all_saved(&store, &logs, keys)? {
        if signals.stopping() {
            return Err(Error::Interrupted);
        }
        fleet.check()?;
        thread::sleep(LOOK_STORE);
    }
    note("kill -9");
    drop(fleet);
    let environment = place.environment()?;
    publish(&environment, 0..FRESH, keys)?;
    drop(environment);
    let started = Instant::now();
    let environment = place.environment()?;
    let open = started.elapsed();
    let jobs = services::jobs(&environment, &names)?;
    let reads: Vec<_> = jobs.iter().flat_map(|job| job.reads.clone()).collect();
    let before = committed(&environment)?;
    let snapshots_bytes = saved(&store, "")?.1;
    thread::scope(|scope| {
        let running = scope.spawn(|| supervisor::run(&environment, jobs, false));
        let stop = || environment.signals.stop().store(true, Ordering::Relaxed);
        let mut drained = Drained::new(&environment, &reads, 0)?;
        let mut first = None;
        let watched = loop {
            if running.is_finished() {
                break Err(Error::Failed("the services ended before everything was through".to_owned()));
            }
            match (committed(&environment), first) {
                (Err(error), _) => break Err(error),
                (Ok(now), None) if now > before => first = Some(started.elapsed()),
                _ => {}
            }
            match (drained.look(), first) {
                (Err(error), _) => break Err(error),
                (Ok(true), Some(first)) => {
                    let all = started.elapsed().saturating_sub(drained.age());
                    break Ok(Recovered { open, first, all, snapshots_bytes });
                }
                _ => thread::sleep(LOOK),
            }
        };
        stop();
        match running.join() {
            Ok(Err(error)) if !matches!(error, Error::Interrupted) => Err(error),
            _ => watched,
        }
    })
}

/// Publishes events with these keys; ids and times go on from `from`.
fn publish(environment: &Environment, keys: std::ops::Range<u64>, from: u64) -> Result<(), Error> {
    let keyed = Keyed::new(&environment.context.pipeline)?;
    let stop = environment.signals.stop().clone();
    let options = Options { map: Vec::new(), label_column: None, label_delay_us: 0, pace: Pace::Full };
    let told = Arc::new(move || stop.load(Ordering::Relaxed));
    let mut publisher = Publisher::open(&environment.context, keyed.schema(), &options, told)?;
    for batch in keyed.batches(keys, from) {
        if !publisher.push(&batch?)? {
            publisher.end()?;
            return Err(Error::Interrupted);
        }
    }
    publisher.finish()?;
    Ok(())
}

/// Whether the newest snapshots of each stage have all keys.
fn all_saved(store: &Store, logs: &[String], keys: u64) -> Result<bool, Error> {
    for (at, log) in logs.iter().enumerate() {
        let entries = if at == 0 { ENTRIES_PER_KEY_FIRST * keys } else { keys };
        if saved(store, log)?.0 < entries {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Entries and bytes in the newest snapshots of tasks that read logs with this in their names.
fn saved(store: &Store, log: &str) -> Result<(u64, u64), Error> {
    let failed = |error: runtime::snapshot::Error| Error::Failed(format!("the snapshots cannot be read: {error}"));
    let vault = Vault::new(store.clone());
    let (mut entries, mut bytes) = (0, 0);
    for owner in vault.owners().map_err(failed)?.iter().filter(|owner| owner.log.contains(log)) {
        let newest = vault.list(owner).map_err(failed)?.into_iter().next();
        // One that was just replaced is counted with the next look.
        let Some(Ok(manifest)) = newest.map(|name| vault.manifest(owner, &name)) else { continue };
        entries += manifest.files.iter().map(|file| file.entries).sum::<u64>();
        bytes += manifest.bytes();
    }
    Ok((entries, bytes))
}

/// Sum of the last stage's committed offsets: it rises with the first features that are there for good.
fn committed(environment: &Environment) -> Result<i64, Error> {
    let plan = &environment.context.plan;
    let Some(stage) = plan.stages.last() else { return Ok(0) };
    let task = plan.tasks_of(Service::Featurizer).find(|task| task.reads.contains(&stage.reads));
    let Some(task) = task else { return Ok(0) };
    let partitions = plan.topic(&stage.reads).map_or(0, |topic| topic.partitions.cast_signed());
    let tps: Vec<_> = (0..partitions).map(|at| TopicPartition::new(stage.reads.as_str(), at)).collect();
    let committed = environment.context.log.committed(&task.group_id, &tps)?;
    Ok(committed.iter().flatten().map(|committed| committed.offset).sum())
}
