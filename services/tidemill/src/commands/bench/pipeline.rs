//! `tidemill bench pipeline`: a replay at full speed, or events by the clock.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::args::Pipeline;
use super::counts::{self, Sent};
use super::direct::direct;
use super::fleet::{Fleet, Told};
use super::machine::Machine;
use super::mark::Mark;
use super::place::Place;
use super::report::{Load, Report};
use super::subscriber::Waits;
use super::usage::Usage;
use super::{MEASURED, prepare, sample};
use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note};
use crate::services;
use crate::signals::Signals;

/// Time between two looks at the processes.
const SAMPLE: Duration = Duration::from_millis(200);

/// How long a process may take to end once its director has.
const GOING: Duration = Duration::from_secs(3);

/// When the measured part ended, and what was published around it.
struct Course {
    through: Instant,
    /// When the clock started, and what was published before.
    live: Option<(Instant, Sent)>,
    /// How long predictions of the events since then took.
    waits: Waits,
    /// When the last event was published, and what was published in all.
    published: Option<(Instant, Sent)>,
}

/// Measures a replay, or events by the clock.
pub fn run(global: &Global, output: Output, options: &Pipeline) -> Result<(), Error> {
    possible()?;
    let machine = Machine::look();
    let place = Place::open(global)?;
    let feed = prepare::resolve(&options.feed, &place)?;
    let environment = place.environment()?;
    let signals = environment.signals.clone();
    prepare::champion(&environment, &feed, options.feed.events.is_none())?;
    let before = match feed.live {
        Some(_) => None,
        None => {
            note("publishing");
            let summary = prepare::publish(&environment, &feed)?;
            Some(Sent { events: summary.events, labels: summary.labels })
        }
    };
    let names: Vec<String> = MEASURED.iter().map(|name| (*name).to_owned()).chain(options.with.clone()).collect();
    note(&format!("measuring {}", names.join(", ")));
    let (told, marks) = channel();
    let mut fleet = Fleet::default();
    if environment.brokers.is_none() {
        // The measured process is to have the log.
        drop(environment);
        fleet.start_directing(&place, &names, &feed, told)?;
    } else {
        for name in &names {
            fleet.start(&place, std::slice::from_ref(name))?;
        }
        let reads: Vec<_> = services::jobs(&environment, &names)?.iter().flat_map(|job| job.reads.clone()).collect();
        let feed = feed.clone();
        // It ends with the run, or with the program.
        thread::spawn(move || {
            let ended = direct(&environment, &reads, &feed, &mut |mark| told.send(Ok(mark)).map_err(|_| Error::Closed));
            if let Err(error) = ended {
                let _: Result<(), _> = told.send(Err(error));
            }
        });
    }
    let course = watch(&mut fleet, &marks, &signals)?;
    let usage = Usage::of(&fleet.processes, course.live.as_ref().map(|(begun, _)| *begun), course.through)?;
    fleet.stop()?;
    note("counting");
    let environment = place.environment()?;
    let published = course.published.as_ref().map(|(_, sent)| *sent);
    let sent = before.or(published).ok_or_else(|| Error::Failed("nothing was published".to_owned()))?;
    let counts = counts::count(&environment.context, sent)?;
    counts.check()?;
    let load = match (&course.live, &course.published, feed.live) {
        (Some((begun, before)), Some((ended, _)), Some(rate)) => {
            let measured = sent.since(*before);
            course.waits.check(measured.events, counts.events_refused)?;
            Load::live(rate, measured, ended.saturating_duration_since(*begun), course.waits)
        }
        _ => Load::replay(sent),
    };
    let report = Report {
        pipeline: place.declared.clone(),
        brokers: place.global.brokers.is_some(),
        source: options.feed.events.as_ref().map(|file| file.display().to_string()),
        machine,
        load,
        records: read_by(&environment, &names)?,
        counts,
        usage,
    };
    report.show(output)
}

/// Fails early on a system that cannot be measured.
pub fn possible() -> Result<(), Error> {
    match sample::is_possible() {
        true => Ok(()),
        false => Err(Error::Failed("the CPU of processes is read from /proc, which this system lacks".to_owned())),
    }
}

/// Looks at the processes until everything is through.
fn watch(fleet: &mut Fleet, marks: &Receiver<Told>, signals: &Signals) -> Result<Course, Error> {
    let (mut live, mut published, mut waits) = (None, None, Waits::default());
    loop {
        let told = marks.recv_timeout(SAMPLE);
        fleet.sample();
        match told {
            Ok(Ok(Mark::Live { events, labels })) => {
                live = Some((Instant::now(), Sent { events, labels }));
                fleet.sample();
            }
            Ok(Ok(Mark::Published { events, labels })) => published = Some((Instant::now(), Sent { events, labels })),
            Ok(Ok(Mark::Waited(told))) => waits = told,
            Ok(Ok(Mark::Through { ago_ms })) => {
                let now = Instant::now();
                let through = now.checked_sub(Duration::from_millis(ago_ms)).unwrap_or(now);
                return Ok(Course { through, live, waits, published });
            }
            Ok(Err(error)) => return Err(error),
            Err(_) if signals.stopping() => return Err(Error::Interrupted),
            Err(RecvTimeoutError::Timeout) => fleet.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                // Whoever directed is gone, and the process that it was part of goes too.
                thread::sleep(GOING);
                fleet.check()?;
                return Err(Error::Failed("the run ended before everything was through".to_owned()));
            }
        }
    }
}

/// Log records that each service had to read.
fn read_by(environment: &Environment, names: &[String]) -> Result<Vec<u64>, Error> {
    let count = |name: &String| {
        let jobs = services::jobs(environment, std::slice::from_ref(name))?;
        let topics = jobs.iter().flat_map(|job| &job.reads).flat_map(|(_, topics)| topics);
        topics.map(|topic| counts::records(&environment.context, topic)).sum()
    };
    names.iter().map(count).collect()
}
