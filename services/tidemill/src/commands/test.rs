//! `tidemill test`: cases of a test file beside the pipeline file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use flow::config::Pipeline;
use serde_json::json;

use crate::cli::{Global, test};
use crate::error::Error;
use crate::loading;
use crate::output::Output;
use crate::testing::model::{self, Chosen};
use crate::testing::{Case, Difference, Outcome, TestFile, differences, read, run as run_case};

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
    let models = models(global, &pipeline, &file, &path, &meant)?;
    let meant: Vec<Meant<'_>> = meant
        .into_iter()
        .map(|(name, case)| Meant { name, case, model: wanted(&file, case).and_then(|wanted| models.get(wanted)) })
        .collect();
    let mut failed = 0;
    for several in meant.chunks(CASES_AT_ONCE) {
        for (Meant { name, case, .. }, outcome) in several.iter().zip(run_cases(global, &pipeline, several)) {
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

/// A case that is to be run.
struct Meant<'c> {
    name: &'c str,
    case: &'c Case,
    model: Option<&'c Chosen>,
}

/// The model that a case names, or its file for it; none if it expects neither scores nor decisions.
fn wanted<'c>(file: &'c TestFile, case: &'c Case) -> Option<&'c str> {
    case.needs_model().and(case.model.as_deref().or(file.model.as_deref()))
}

/// All models that cases need, each once.
fn models(
    global: &Global,
    pipeline: &Pipeline,
    file: &TestFile,
    path: &Path,
    meant: &[(&String, &Case)],
) -> Result<BTreeMap<String, Chosen>, Error> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut found = BTreeMap::new();
    for wanted in meant.iter().filter_map(|(_, case)| wanted(file, case)) {
        if !found.contains_key(wanted) {
            found.insert(wanted.to_owned(), model::find(global, pipeline, beside, wanted)?);
        }
    }
    Ok(found)
}

/// Runs cases beside each other: nearly all of a case's time is waiting until nothing more comes.
fn run_cases(global: &Global, pipeline: &Pipeline, cases: &[Meant<'_>]) -> Vec<Result<Outcome, Error>> {
    thread::scope(|scope| {
        let run = |meant: &Meant<'_>| run_case(global, pipeline, meant.case, meant.model);
        let running: Vec<_> = cases.iter().map(|meant| scope.spawn(move || run(meant))).collect();
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
