//! `tidemill run`: some services in this process.

use crate::cli::Global;
use crate::commands::up::{announce, finish, opened};
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;
use crate::{services, supervisor};

pub fn run(global: &Global, output: Output, names: &[String], listen: &str, drain: bool) -> Result<(), Error> {
    let environment = opened(global, drain)?;
    check_applied(&environment)?;
    let mut jobs = services::jobs(&environment, names)?;
    if names.iter().any(|name| name == services::GATEWAY) {
        jobs.push(services::gateway(&environment, listen, &jobs));
    }
    if jobs.is_empty() {
        let pipeline = &environment.context.pipeline.name;
        return Err(Error::Input(format!("pipeline {pipeline} has nothing to do for {}", names.join(", "))));
    }
    announce(&environment, &jobs);
    finish(&environment, output, supervisor::run(&environment, jobs, drain))
}

/// Services create nothing; a pipeline that was never applied is told at once, not topic by topic.
pub fn check_applied(environment: &Environment) -> Result<(), Error> {
    let context = &environment.context;
    let existing = context.log.topics()?;
    match context.plan.topics.iter().find(|topic| !existing.contains(&topic.name)) {
        None => Ok(()),
        Some(missing) => Err(Error::Input(format!(
            "topic {} does not exist ({}); run `tidemill apply` first",
            missing.name,
            environment.place()
        ))),
    }
}
