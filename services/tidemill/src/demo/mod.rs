//! `tidemill demo`: the whole product on simulated card transactions, in one process and a folder of its own. Weeks of
//! history go through at full speed, a first model is trained, then days pass in seconds: predictions, drift on cue, an
//! incident, a retrained model that takes over.

mod export;
mod feed;
mod show;
mod simulate;
pub mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use feed::Feed;
use gateway::Listener;
use runtime::apply::apply;
use runtime::log::TopicPartition;
use show::Show;
use simulate::{Simulator, Transaction, World};

use crate::cli::Global;
use crate::cli::demo::Demo;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note};
use crate::services::{self, Job};
use crate::supervisor;

/// The pipeline the demo runs.
const PIPELINE: &str = "demo";
/// Days of history before the first model.
const HISTORY_DAYS: u32 = 45;
/// Slices of a live day; each is published at once.
const SLICES: u32 = 24;
/// Pause between two slices, so that a live day takes some five seconds.
const SLICE_MS: u64 = 200;
/// Live day on which everybody starts to spend more.
const DRIFT_DAY: u32 = 3;
/// How much more.
const DRIFT_FACTOR: f64 = 1.8;
/// Days that can be simulated: ten years.
pub const DAYS_MAX: u32 = 3_650;
/// Live days after which the demo ends by itself.
const LIVE_DAYS_MAX: u32 = 14;
/// Live days that the demo goes on after a retrained model took over.
const DAYS_AFTER: u32 = 1;
/// Pause between two looks at whether history went through.
const LOOK_MS: u64 = 300;
/// The archive follows closely, so that a retraining sees what just happened.
const ARCHIVE_INTERVAL: Duration = Duration::from_secs(1);
/// The simulated world: some 3,000 transactions a day, from Monday 2025-01-06 on; a first day in the future would make
/// all of them events with a wrong clock.
const WORLD: World =
    World { customers: 1_500, terminals: 3_000, terminals_compromised: 1, cards_stolen: 2, first_day: 20_094, seed: 7 };

/// Runs the demo.
pub fn run(global: &Global, output: Output, options: &Demo) -> Result<(), Error> {
    if let Some(file) = &options.export {
        return export::run(output, file, &options.days);
    }
    let folder = Folder::open(options)?;
    let idle = global.idle_timeout.or(Some(Duration::from_secs(2)));
    let global = Global {
        pipeline: Some(PIPELINE.to_owned()),
        data: folder.path.clone(),
        store: None,
        brokers: None,
        schema_registry: None,
        idle_timeout: idle,
        ..global.clone()
    };
    let environment = Environment { archive_interval: ARCHIVE_INTERVAL, ..Environment::open(&global)? };
    if folder.temporary.is_some() {
        environment.signals.scratch(&folder.path);
    }
    apply(&environment.context)?;
    let mut jobs = services::jobs(&environment, &[])?;
    note(&format!("tidemill demo: {} services in one process, {}; Ctrl-C ends it", jobs.len(), environment.place()));
    jobs.push(services::gateway(&environment, &Listener::bind(&options.listen)?, &jobs, None));
    let reads: Vec<_> = jobs.iter().flat_map(|job| job.reads.clone()).collect();
    let (director, seconds) = (environment.clone(), options.seconds);
    jobs.push(Job {
        name: "demo".to_owned(),
        stats: None,
        reads: Vec::new(),
        finite: false,
        run: Box::new(move |stop| direct(&director, output, &reads, seconds, stop)),
    });
    let ended = supervisor::run(&environment, jobs, false);
    drop(environment);
    match ended {
        Err(Error::Interrupted) | Ok(()) => {
            note(&folder.farewell());
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The next day of the script: on cue everybody begins to spend more.
fn scripted_day(simulator: &mut Simulator) -> Vec<Transaction> {
    if simulator.day() + 1 == HISTORY_DAYS + DRIFT_DAY {
        simulator.inflate(DRIFT_FACTOR);
    }
    simulator.next_day()
}

/// Where the demo keeps its log and store.
struct Folder {
    path: std::path::PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn open(options: &Demo) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Failed(format!("no folder for the demo: {error}"));
        let Some(path) = &options.keep else {
            let temporary = tempfile::Builder::new().prefix("tidemill-demo-").tempdir().map_err(failed)?;
            return Ok(Folder { path: temporary.path().to_owned(), temporary: Some(temporary) });
        };
        if path.exists() {
            if !options.fresh {
                let shown = path.display();
                return Err(Error::Input(format!("{shown} exists; --fresh removes it first, or name another folder")));
            }
            // Only what a demo made is removed.
            for part in ["log", "store"] {
                let part = path.join(part);
                if part.exists() {
                    std::fs::remove_dir_all(part).map_err(failed)?;
                }
            }
        }
        Ok(Folder { path: path.clone(), temporary: None })
    }

    fn farewell(&self) -> String {
        match &self.temporary {
            Some(_) => "demo over; its temporary folder is removed".to_owned(),
            None => format!("demo over; log and store stay in {}", self.path.display()),
        }
    }
}

type Reads = [(String, Vec<String>)];

/// The script.
fn direct(
    environment: &Environment,
    output: Output,
    reads: &Reads,
    seconds: Option<u64>,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let begun = Instant::now();
    let over = || stop.load(Ordering::Relaxed) || seconds.is_some_and(|limit| begun.elapsed().as_secs() >= limit);
    let mut simulator = Simulator::new(WORLD);
    let mut feed = Feed::open(&environment.context)?;
    let mut show = Show::open(environment, output)?;
    let mut published = 0;
    while simulator.day() < HISTORY_DAYS && !over() {
        let day = scripted_day(&mut simulator);
        published += day.len();
        feed.push(&day)?;
        feed.flush()?;
    }
    show.say(&format!("published {HISTORY_DAYS} days of history: {published} transactions"))?;
    while !caught_up(environment, reads)? && !over() {
        thread::sleep(Duration::from_millis(LOOK_MS));
    }
    if over() {
        return Ok(());
    }
    show.say(&format!(
        "history is through after {:.1} s: validated, features computed, archived",
        begun.elapsed().as_secs_f64()
    ))?;
    first_model(environment, &mut show, &over)?;
    live(environment, &mut simulator, &mut feed, &mut show, &over)
}

/// Trains and promotes the first champion, as soon as the archive has labels.
fn first_model(environment: &Environment, show: &mut Show, over: &dyn Fn() -> bool) -> Result<(), Error> {
    let surroundings = environment.surroundings();
    let Some(model) = environment.context.pipeline.models.first().map(|model| model.name.clone()) else {
        return Ok(());
    };
    while !over() {
        match trainer::first_model(&surroundings, &model) {
            Ok(Some(first)) => return show.trained(&first),
            Ok(None) => return Ok(()),
            Err(trainer::Error::NoLabels { .. }) => thread::sleep(Duration::from_millis(LOOK_MS)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Days in seconds, until a retrained model took over or enough was shown.
fn live(
    environment: &Environment,
    simulator: &mut Simulator,
    feed: &mut Feed,
    show: &mut Show,
    over: &dyn Fn() -> bool,
) -> Result<(), Error> {
    let schemas = Arc::clone(&environment.context.schemas);
    let mut after = 0;
    for live_day in 1..=LIVE_DAYS_MAX {
        if live_day == DRIFT_DAY {
            show.say(&format!("cue: from live day {live_day} on everybody spends {DRIFT_FACTOR} times as much"))?;
        }
        let day = scripted_day(simulator);
        for slice in day.chunks(day.len().div_ceil(SLICES as usize).max(1)) {
            if over() {
                return Ok(());
            }
            feed.push(slice)?;
            feed.flush()?;
            thread::sleep(Duration::from_millis(SLICE_MS));
            show.look(&*schemas)?;
        }
        show.day(live_day)?;
        if show.switched() {
            after += 1;
            if after > DAYS_AFTER {
                return show.say("a retrained model has taken over; that is the whole loop");
            }
        }
    }
    show.say(&format!("{LIVE_DAYS_MAX} live days shown"))
}

/// Whether all services have read everything there is.
fn caught_up(environment: &Environment, reads: &Reads) -> Result<bool, Error> {
    let context = &environment.context;
    for (group, topics) in reads {
        for topic in topics {
            let partitions = context.plan.topic(topic).map_or(0, |topic| topic.partitions as i32);
            let tps: Vec<_> = (0..partitions).map(|at| TopicPartition::new(topic.as_str(), at)).collect();
            for (tp, committed) in tps.iter().zip(context.log.committed(group, &tps)?) {
                let (start, end) = context.log.watermarks(tp)?;
                if committed.map_or(start, |committed| committed.offset) < end {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}
