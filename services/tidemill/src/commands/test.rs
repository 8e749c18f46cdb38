//! `tidemill test`: cases of a test file beside the pipeline file.

use std::path::{Path, PathBuf};
use std::thread;

use flow::config::Pipeline;
use serde_json::json;

use crate::cli::{Global, test};
use crate::error::Error;
use crate::loading;
use crate::output::Output;
use crate::testing::{Case, Difference, Outcome, differences, read, run as run_case};

/// Cases that run beside each other.
const CASES_AT_ONCE: usize = 16;
/// Ending of a test file's name.
const ENDING: &str = "test.yaml";

pub fn run(global: &Global, output: Output, options: &test::Test) -> Result<(), Error> {
    let loaded = loading::load(global)?;
    let path = options.file.clone().unwrap_or_else(|| beside(&loaded.path));
    let pipeline = loaded.checked(global)?;
    let file = read(&path)?;
    let known = pipeline.features.names();
    let is_meant = |name: &str| options.case.as_ref().is_none_or(|part| name.contains(part));
    let meant: Vec<(&String, &Case)> = file.cases.iter().filter(|(name, _)| is_meant(name)).collect();
    if meant.is_empty() {
        return Err(Error::Input(format!("{} has no such case", path.display())));
    }
    let mut failed = 0;
    for several in meant.chunks(CASES_AT_ONCE) {
        for ((name, case), outcome) in several.iter().zip(run_cases(global, &pipeline, several)) {
            let found = differences(case, &outcome?, &known);
            failed += usize::from(!found.is_empty());
            output.show(|| text(&path, name, &found), || value(name, &found))?;
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Error::Failed(format!("{failed} of {} cases differ", meant.len()))),
    }
}

/// Runs cases beside each other: nearly all of a case's time is waiting until nothing more comes.
fn run_cases(global: &Global, pipeline: &Pipeline, cases: &[(&String, &Case)]) -> Vec<Result<Outcome, Error>> {
    thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(_, case)| scope.spawn(|| run_case(global, pipeline, case))).collect();
        let panicked = |_| Err(Error::Failed("a case panicked; please report it".to_owned()));
        running.into_iter().map(|case| case.join().unwrap_or_else(panicked)).collect()
    })
}

fn beside(pipeline: &str) -> PathBuf {
    Path::new(pipeline).with_extension(ENDING)
}

fn text(path: &Path, name: &str, found: &[Difference]) -> String {
    if found.is_empty() {
        return format!("ok    {name}");
    }
    let line = |difference: &Difference| match difference.line {
        Some(line) => format!("\n  {}:{line}: {difference}", path.display()),
        None => format!("\n  {}: {difference}", path.display()),
    };
    format!("FAIL  {name}{}", found.iter().map(line).collect::<String>())
}

fn value(name: &str, found: &[Difference]) -> serde_json::Value {
    let differences = found.iter().map(|found| json!({ "line": found.line, "what": found.what }));
    json!({ "case": name, "passed": found.is_empty(), "differences": differences.collect::<Vec<_>>() })
}
