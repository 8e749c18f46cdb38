//! `tidemill bench`: what a pipeline costs on this machine, before somebody sizes a deployment.
//!
//! The measured processes are children that run nothing but the services ([`worker`]); whoever publishes, prepares the
//! model and counts afterwards is another process, so that the system's own account of each child's CPU is the figure.

mod args;
mod counts;
mod direct;
mod fleet;
mod idle;
mod keyed;
mod live;
mod machine;
mod mark;
mod model;
mod pipeline;
mod place;
mod prepare;
mod recovery;
mod report;
mod sample;
mod subscriber;
mod usage;
mod worker;

pub use args::Bench;

use crate::cli::Global;
use crate::error::Error;
use crate::output::{Output, note};

/// Services whose CPU is counted. The trainer works on request, the archiver is measured with `--with archiver`.
const MEASURED: [&str; 4] = ["validator", "featurizer", "scorer", "monitor"];

/// Runs a benchmark, or one of its processes.
pub fn run(global: &Global, output: Output, command: &Bench) -> Result<(), Error> {
    match command {
        Bench::Worker(options) => worker::run(global, options),
        Bench::Pipeline(options) => {
            warn();
            match options.idle {
                true => idle::run(global, output, options),
                false => pipeline::run(global, output, options),
            }
        }
        Bench::Recovery(options) => {
            warn();
            recovery::run(global, output, options)
        }
    }
}

fn warn() {
    if machine::IS_DEBUG {
        note("warning: this is a debug build, and what it shows is no measurement; build with --release");
    }
}
