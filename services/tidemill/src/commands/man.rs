//! `tidemill man`: manual pages of all commands.

use std::path::Path;

use clap::CommandFactory;
use serde_json::json;

use crate::cli::Cli;
use crate::error::Error;
use crate::output::Output;

pub fn run(output: Output, dir: &Path) -> Result<(), Error> {
    let failed =
        |error: std::io::Error| Error::Input(format!("cannot write manual pages to {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    output.show(
        || format!("wrote manual pages to {0}; read them with man -l {0}/tidemill.1", dir.display()),
        || json!({ "dir": dir }),
    )
}
