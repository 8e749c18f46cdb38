//! `tidemill dlq`: dead letters, and publishing them once more.

mod letters;
mod list;
pub(crate) mod read;
mod retry;
mod show;

use crate::cli::Global;
use crate::cli::dlq::Dlq;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;

pub fn run(global: &Global, output: Output, command: &Dlq) -> Result<(), Error> {
    let environment = Environment::existing(global)?;
    match command {
        Dlq::List { which, limit } => list::run(&environment, output, which, *limit),
        Dlq::Show { id } => show::run(&environment, output, id),
        Dlq::Retry(options) => retry::run(&environment, output, options),
    }
}
