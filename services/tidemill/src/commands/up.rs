//! `tidemill up`: everything in one process.

use std::time::Duration;

use serde_json::json;

use crate::cli::Global;
use crate::cli::files::Up;
use crate::commands::publish;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note};
use crate::rehearsal;
use crate::services::{self, Job};
use crate::supervisor;

/// How long records wait to be archived where somebody waits for the end.
pub(super) const DRAIN_ARCHIVE_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(global: &Global, output: Output, options: &Up) -> Result<(), Error> {
    let environment = opened(global, options.drain)?;
    let applied = environment.apply()?;
    if !applied.topics.is_empty() {
        note(&format!("created {} topics", applied.topics.len()));
    }
    if !applied.named.is_empty() {
        note("the sources have gained partitions, which are read from now on");
    }
    let mut jobs = services::jobs(&environment, &[])?;
    jobs.push(services::gateway(&environment, &options.listen, &jobs));
    announce(&environment, &jobs);
    if let Some(file) = &options.publish {
        jobs.push(publish::job(&environment, output, file, &options.source)?);
    }
    finish(&environment, output, supervisor::run(&environment, jobs, options.drain))
}

/// The environment of services; those that are to end once all is done close their files soon.
pub fn opened(global: &Global, drain: bool) -> Result<Environment, Error> {
    rehearsal::arm()?;
    let environment = Environment::open(global)?;
    environment.check_generation()?;
    let archive_interval = if drain { DRAIN_ARCHIVE_INTERVAL } else { environment.archive_interval };
    Ok(Environment { archive_interval, ..environment })
}

/// Says what runs, and where data lies.
pub fn announce(environment: &Environment, jobs: &[Job]) {
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    note(&format!("pipeline {}: {}", environment.context.pipeline.name, environment.place()));
    note(&format!("running {}; Ctrl-C stops", names.join(", ")));
}

/// Says that everything stopped cleanly, when it did.
pub fn finish(environment: &Environment, output: Output, ended: Result<(), Error>) -> Result<(), Error> {
    if matches!(ended, Ok(()) | Err(Error::Interrupted)) {
        note("stopped; everything is committed");
        if output.is_json() {
            output.line(&json!({ "stopped": true, "pipeline": environment.context.pipeline.name }).to_string())?;
        }
    }
    ended
}
