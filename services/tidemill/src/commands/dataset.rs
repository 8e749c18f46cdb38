//! `tidemill dataset`: rows of features with their labels, named for good.

use serde_json::json;

use crate::cli::Global;
use crate::cli::models::Dataset;
use crate::environment::{Environment, Workshop};
use crate::error::Error;
use crate::output::Output;
use crate::rows;

pub fn run(global: &Global, output: Output, command: &Dataset) -> Result<(), Error> {
    let Dataset::Build { model, window, out } = command;
    let workshop = Workshop::open(global)?;
    let model = workshop.model(model.as_deref())?;
    let environment = reach(global)?;
    rows::settle(environment.as_ref(), window)?;
    let chosen = rows::choose(&workshop, model, window, &rows::window(window))?;
    chosen.save(&workshop.store)?;
    let dataset = &chosen.rows;
    if let Some(out) = out {
        offline::table::write(out, dataset.table.schema(), std::slice::from_ref(&dataset.table))?;
    }
    let text = || {
        let written = out.as_ref().map(|out| format!("  written  {}\n", out.display()));
        rows::text("dataset", dataset) + &written.unwrap_or_default()
    };
    let value = || {
        let mut value = rows::value(dataset);
        value["out"] = json!(out.as_ref().map(|out| out.display().to_string()));
        value
    };
    output.show(text, value)
}

/// The log if there is one, for whoever can do without: that it does not answer is said, and no reason to fail. Nothing
/// here is left half done, so Ctrl-C ends it at once.
pub fn reach(global: &Global) -> Result<Option<Environment>, Error> {
    match Environment::reachable(global) {
        Ok(None) => Ok(None),
        Ok(Some(environment)) => {
            environment.signals.leave_at_once()?;
            Ok(Some(environment))
        }
        Err(error) => {
            crate::output::note(&format!("going on without the log: {error}"));
            Ok(None)
        }
    }
}
