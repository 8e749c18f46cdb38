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
use crate::services;
use crate::turns::{self, Turns};

/// How long records wait to be archived where somebody waits for the end.
pub(super) const DRAIN_ARCHIVE_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(global: &Global, output: Output, options: &Up) -> Result<(), Error> {
    let environment = opened(global, options.drain)?;
    let publish = options.publish.as_ref();
    let publish = publish.map(|file| publish::job(&environment, output, file, &options.source)).transpose()?;
    let jobs = |environment: &Environment| {
        let applied = environment.apply()?;
        if !applied.topics.is_empty() {
            note(&format!("created {} topics", applied.topics.len()));
        }
        if !applied.named.is_empty() {
            note("the sources have gained partitions, which are read from now on");
        }
        services::jobs(environment, &[])
    };
    let ended =
        turns::run(&environment, Turns { jobs: &jobs, doors: Some(&options.doors), publish, drain: options.drain });
    finish(&environment, output, ended)
}

/// The environment of services; those that are to end once all is done close their files soon.
pub fn opened(global: &Global, drain: bool) -> Result<Environment, Error> {
    rehearsal::arm()?;
    let environment = Environment::open(global)?;
    if !environment.can_make_way() {
        environment.check_generation()?;
    }
    let archive_interval = if drain { DRAIN_ARCHIVE_INTERVAL } else { environment.archive_interval };
    Ok(Environment { archive_interval, ..environment })
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
