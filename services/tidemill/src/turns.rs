//! Services in the generation in force: they run, make way while the logs are repartitioned, and run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gateway::Listener;
use registry::decisions;
use registry::generations::{Tenure, Wish};
use runtime::patience::Patience;
use tracing::{info, warn};

use crate::cli::gateway::Doors;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::note;
use crate::retention;
use crate::services::{self, Job};
use crate::supervisor;

/// Time between two looks into the store.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two looks at signals.
const NOTICE: Duration = Duration::from_millis(100);

/// The job that looks, in logs.
const GENERATION: &str = "generation";

/// What a process runs.
pub struct Turns<'a> {
    /// Makes the jobs of services, each time they begin.
    pub jobs: &'a dyn Fn(&Environment) -> Result<Vec<Job>, Error>,
    /// Where the gateway listens, if there is one.
    pub doors: Option<&'a Doors>,
    /// What is published beside them. It is published to the end before services make way.
    pub publish: Option<Job>,
    /// Whether they end once everything published has gone through.
    pub drain: bool,
}

/// Runs them until they end, are asked to stop, or fail.
pub fn run(opened: &Environment, turns: Turns<'_>) -> Result<(), Error> {
    let Turns { jobs: services, doors, mut publish, drain } = turns;
    let listener = doors.map(Doors::listener).transpose()?;
    while wait(opened, listener.as_ref())? {
        let Ok(environment) = patience(opened).until(GENERATION, || opened.renewed()) else { break };
        let mut jobs = services(&environment)?;
        if let Some(listener) = &listener {
            jobs.push(services::gateway(&environment, listener, &jobs, None));
        }
        announce(&environment, &jobs);
        let publishing = Arc::new(AtomicBool::new(publish.is_some()));
        jobs.extend(publish.take().map(|job| telling(job, publishing.clone())));
        jobs.extend(retention::job(&environment));
        jobs.extend(environment.tenure.clone().map(|tenure| watch(&environment, tenure, publishing)));
        supervisor::run(&environment, jobs, drain)?;
        if !opened.signals.making_way() || opened.signals.go_on().is_err() {
            break;
        }
    }
    opened.signals.check()
}

/// Waits while a generation is on its way. False once somebody asked to stop.
fn wait(opened: &Environment, listener: Option<&Listener>) -> Result<bool, Error> {
    if !opened.can_make_way() {
        return Ok(true);
    }
    let generations = opened.generations();
    let Ok(pending) = patience(opened).until(GENERATION, || generations.pending()) else { return Ok(false) };
    let Some((number, Wish { partitions, .. })) = pending else { return Ok(true) };
    info!(generation = number, partitions, "services wait until the logs are repartitioned, or that is withdrawn");
    let decided = move || generations.fate(number).map(|fate| fate.is_some());
    let mut jobs = vec![look(decided, move || info!(generation = number, "decided; services begin to work"))];
    if let Some(listener) = listener {
        let name = &opened.context.pipeline.name;
        let waiting = format!("the logs of {name} are being repartitioned to {partitions} partitions; services wait");
        jobs.push(services::gateway(opened, listener, &[], Some(waiting)));
    }
    supervisor::run(opened, jobs, false)?;
    Ok(opened.signals.go_on().is_ok())
}

/// Asks services to make way when their generation is not to be worked in any more.
fn watch(environment: &Environment, tenure: Arc<Tenure>, publishing: Arc<AtomicBool>) -> Job {
    let signals = environment.signals.clone();
    let is_over = move || Ok(tenure.end()?.is_some() && !publishing.load(Ordering::Relaxed));
    look(is_over, move || {
        info!("the logs are being repartitioned, or were; services stop, and begin again after it");
        signals.make_way();
    })
}

/// Looks into the store until something is so, and then acts. A store that does not answer is asked again.
fn look(
    mut is_so: impl FnMut() -> Result<bool, decisions::Error> + Send + 'static,
    act: impl FnOnce() + Send + 'static,
) -> Job {
    let run = move |stop: &AtomicBool| {
        let mut looked: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                match is_so() {
                    Ok(true) => {
                        act();
                        return Ok(());
                    }
                    Ok(false) => {}
                    Err(error) => warn!(%error, "which generation is in force is not known; asking again"),
                }
                looked = Some(Instant::now());
            }
            thread::sleep(NOTICE);
        }
        Ok(())
    };
    Job { name: GENERATION.to_owned(), stats: None, reads: Vec::new(), finite: false, run: Box::new(run) }
}

/// The same job, which takes back that it runs.
fn telling(job: Job, running: Arc<AtomicBool>) -> Job {
    let work = job.run;
    let run = move |stop: &AtomicBool| {
        let done = work(stop);
        running.store(false, Ordering::Relaxed);
        done
    };
    Job { run: Box::new(run), ..job }
}

fn patience(opened: &Environment) -> Patience {
    Patience::new(opened.signals.stop().clone())
}

/// Says what runs, and where data lies.
fn announce(environment: &Environment, jobs: &[Job]) {
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    note(&format!("pipeline {}: {}", environment.context.pipeline.name, environment.place()));
    note(&format!("running {}; Ctrl-C stops", names.join(", ")));
}
