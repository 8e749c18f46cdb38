//! A measured process: services and nothing else, but for a thread that directs the run where nobody else can look into
//! the log.

use super::args::Worker;
use super::direct::{THREAD, direct};
use super::mark::Mark;
use super::place::environment;
use crate::cli::Global;
use crate::error::Error;
use crate::output::Output;
use crate::services::{self, Job};
use crate::supervisor;
use gateway::Listener;

/// Where a gateway that is measured listens: anywhere.
const LISTEN: &str = "127.0.0.1:0";

/// Runs services until it is asked to stop, or until everything has gone through if it directs.
pub fn run(global: &Global, options: &Worker) -> Result<(), Error> {
    let environment = environment(global, &options.name)?;
    let mut jobs = services::jobs(&environment, &options.services)?;
    if options.services.iter().any(|name| name == services::GATEWAY) {
        jobs.push(services::gateway(&environment, &Listener::bind(LISTEN)?, &jobs, None));
    }
    if options.direct {
        let reads: Vec<_> = jobs.iter().flat_map(|job| job.reads.clone()).collect();
        let (environment, feed) = (environment.clone(), options.feed.clone());
        let output = Output::new(global.output);
        jobs.push(Job {
            name: THREAD.to_owned(),
            stats: None,
            reads: Vec::new(),
            // Its end is the end of all.
            finite: false,
            run: Box::new(move |_| direct(&environment, &reads, &feed, &mut |mark: Mark| output.line(&mark.line()))),
        });
    }
    supervisor::run(&environment, jobs, false)
}
