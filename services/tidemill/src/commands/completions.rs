//! `tidemill completions`: what a shell needs to complete our command lines.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::cli::Cli;
use crate::error::Error;
use crate::output::Output;

pub fn run(output: Output, shell: Shell) -> Result<(), Error> {
    let mut command = Cli::command();
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    output.show(|| script.clone().into_owned(), || json!({ "shell": shell.to_string(), "script": script }))
}
