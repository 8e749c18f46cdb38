//! `tidemill run`: some services in this process.

use crate::cli::Global;
use crate::cli::gateway::Doors;
use crate::commands::up::{finish, opened};
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;
use crate::services;
use crate::turns::{self, Turns};

pub fn run(global: &Global, output: Output, names: &[String], doors: &Doors, drain: bool) -> Result<(), Error> {
    let environment = opened(global, drain)?;
    let doors = names.iter().any(|name| name == services::GATEWAY).then_some(doors);
    let jobs = |environment: &Environment| {
        check_applied(environment)?;
        let jobs = services::jobs(environment, names)?;
        if jobs.is_empty() && doors.is_none() {
            let pipeline = &environment.context.pipeline.name;
            return Err(Error::Input(format!("pipeline {pipeline} has nothing to do for {}", names.join(", "))));
        }
        Ok(jobs)
    };
    let ended = turns::run(&environment, Turns { jobs: &jobs, doors, publish: None, drain });
    finish(&environment, output, ended)
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
