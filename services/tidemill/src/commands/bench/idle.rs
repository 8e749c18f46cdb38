//! `tidemill bench pipeline --idle`: what services cost while nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::{Feed, Pipeline};
use super::fleet::Fleet;
use super::machine::{IS_DEBUG, Machine};
use super::place::Place;
use super::usage::{Row, Usage};
use super::{pipeline, prepare};
use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note, table};
use crate::services;
use crate::signals::Signals;

/// Events that are published and gone through before, so that no log is empty.
const EVENTS: u64 = 1_000;
/// How long the services have for these and for coming to rest, on top of the idle timeout.
const SETTLE: Duration = Duration::from_secs(8);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Measures idle services: on the embedded log all in one process, on Kafka each in its own.
pub fn run(global: &Global, output: Output, options: &Pipeline) -> Result<(), Error> {
    pipeline::possible()?;
    let machine = Machine::look();
    let place = Place::open(global)?;
    let feed = Feed { transactions: Some(options.feed.transactions.unwrap_or(EVENTS)), ..options.feed.clone() };
    let feed = prepare::resolve(&feed, &place)?;
    let environment = place.environment()?;
    let signals = environment.signals.clone();
    prepare::champion(&environment, &feed, options.feed.events.is_none())?;
    prepare::publish(&environment, &feed)?;
    let names = at_work(&environment)?;
    let settle = SETTLE + environment.idle_timeout;
    let brokers = environment.brokers.is_some();
    drop(environment);
    let mut fleet = Fleet::default();
    match brokers {
        true => names.iter().try_for_each(|name| fleet.start(&place, std::slice::from_ref(name)))?,
        false => fleet.start(&place, &names)?,
    }
    note(&format!("{} come to rest, and are then measured for {} s", names.join(", "), options.feed.seconds));
    wait(&mut fleet, &signals, settle)?;
    let from = Instant::now();
    fleet.sample();
    wait(&mut fleet, &signals, Duration::from_secs(options.feed.seconds))?;
    let to = Instant::now();
    fleet.sample();
    let usage = Usage::of(&fleet.processes, Some(from), to)?;
    fleet.stop()?;
    let seconds = (to - from).as_secs_f64();
    output.show(|| text(&place, &machine, &usage, seconds), || value(&place, &machine, &usage, seconds))
}

/// The services that this pipeline has something to do for.
fn at_work(environment: &Environment) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for name in services::names() {
        let name = name.to_owned();
        if name == services::GATEWAY || !services::jobs(environment, std::slice::from_ref(&name))?.is_empty() {
            found.push(name);
        }
    }
    Ok(found)
}

fn wait(fleet: &mut Fleet, signals: &Signals, time: Duration) -> Result<(), Error> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if signals.stopping() {
            return Err(Error::Interrupted);
        }
        fleet.check()?;
        thread::sleep(LOOK.min(time.saturating_sub(begun.elapsed())));
    }
    Ok(())
}

fn percent(us: u64, seconds: f64) -> f64 {
    us as f64 / 1e4 / seconds
}

fn text(place: &Place, machine: &Machine, usage: &Usage, seconds: f64) -> String {
    let log =
        if place.global.brokers.is_some() { "Kafka, a process per service" } else { "the embedded log, one process" };
    let row = |name: &str, cpu: super::sample::Cpu| {
        vec![
            name.to_owned(),
            format!("{:.2}", percent(cpu.total_us(), seconds)),
            format!("{:.2}", percent(cpu.user_us, seconds)),
            format!("{:.2}", percent(cpu.system_us, seconds)),
        ]
    };
    let mut rows: Vec<_> = usage.rows.iter().map(|Row { name, cpu, .. }| row(name, *cpu)).collect();
    rows.push(row("total", usage.total));
    let warning = if IS_DEBUG { "\nNOT A MEASUREMENT: debug build" } else { "" };
    format!(
        "pipeline {} on {log}, nothing to do for {seconds:.0} s\n{}{warning}\n\n{}",
        place.declared,
        machine.text(),
        table(&["SERVICE", "% OF A CORE", "USER", "SYSTEM"], &rows)
    )
}

fn value(place: &Place, machine: &Machine, usage: &Usage, seconds: f64) -> Value {
    let row = |Row { name, cpu, .. }: &Row| {
        json!({
            "service": name,
            "percent_of_a_core": percent(cpu.total_us(), seconds),
            "user_percent": percent(cpu.user_us, seconds),
            "system_percent": percent(cpu.system_us, seconds),
        })
    };
    json!({
        "measurement": !IS_DEBUG,
        "mode": "idle",
        "pipeline": place.declared,
        "log": if place.global.brokers.is_some() { "kafka" } else { "embedded" },
        "machine": machine.value(),
        "seconds": seconds,
        "services": usage.rows.iter().map(row).collect::<Vec<_>>(),
        "total_percent_of_a_core": percent(usage.total.total_us(), seconds),
        "peak_memory_bytes": usage.peaks.iter().map(|(_, bytes)| bytes).sum::<u64>(),
    })
}
