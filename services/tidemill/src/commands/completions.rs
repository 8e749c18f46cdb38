//! `tidemill completions`: what a shell needs to complete our command lines.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::error::Error;
use crate::output::Output;

pub fn run(output: Output, shell: Shell) -> Result<(), Error> {
    let mut command = Cli::command();
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    generate(shell, &mut command, name, &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())
}
