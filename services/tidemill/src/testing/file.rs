//! The test file: cases with events and what is expected of them, every value with its line.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use crate::error::Error;

/// How far a number may be from the one expected, as a part of it, where a case says nothing else.
const TOLERANCE: f64 = 1e-9;
/// How far a score may be from the one expected where a case says nothing else.
const SCORE_TOLERANCE: f64 = 1e-6;

/// A test file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The model of cases that name none of their own.
    #[serde(default)]
    pub model: Option<String>,
    /// Cases by name.
    pub cases: BTreeMap<String, Case>,
}

/// Events, and what is expected of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The events in the order of their arrival. One that has the label's column is labelled.
    pub events: Vec<Map<String, Value>>,
    /// How long after its event a label becomes known.
    #[serde(default)]
    pub label_delay: Option<Spanned<String>>,
    /// How far a number may be from the one expected, as a part of it.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
    /// How far a score may be from the one expected.
    #[serde(default = "score_tolerance")]
    pub score_tolerance: f64,
    /// The model that scores the events.
    #[serde(default)]
    pub model: Option<String>,
    /// What is expected.
    pub expect: Expected,
}

/// What is expected of events, by their ids.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Features; those that are not named may be anything.
    #[serde(default)]
    pub features: BTreeMap<String, BTreeMap<String, Spanned<Value>>>,
    /// Scores; those that are not named may be anything.
    #[serde(default)]
    pub scores: BTreeMap<String, Spanned<f64>>,
    /// Decisions; those that are not named may be anything.
    #[serde(default)]
    pub decisions: BTreeMap<String, Spanned<bool>>,
    /// Classes that a model names; those that are not named may be anything.
    #[serde(default)]
    pub classes: BTreeMap<String, Spanned<Value>>,
    /// Dead letters, all of them, with their codes.
    #[serde(default)]
    pub rejected: BTreeMap<String, Spanned<String>>,
    /// Late events, all of them.
    #[serde(default)]
    pub late: Vec<Spanned<Value>>,
}

impl Case {
    /// The line of the first score, decision or class that is expected.
    pub fn needs_model(&self) -> Option<u64> {
        let Expected { scores, decisions, classes, .. } = &self.expect;
        let scores = scores.values().map(|score| score.referenced.line());
        let decisions = decisions.values().map(|decision| decision.referenced.line());
        scores.chain(decisions).chain(classes.values().map(|class| class.referenced.line())).min()
    }
}

fn tolerance() -> f64 {
    TOLERANCE
}

fn score_tolerance() -> f64 {
    SCORE_TOLERANCE
}

/// Reads a test file.
pub fn read(path: &Path) -> Result<TestFile, Error> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Input(format!(
            "there is no test file {shown}; write one beside the pipeline file, such as
cases:
  the_second_one_counts:
    events:
      - {{ id: a, … }}
      - {{ id: b, … }}
    expect:
      features: {{ b: {{ customer_count_1d: 2 }} }}"
        )),
        _ => Error::Input(format!("cannot read {shown}: {error}")),
    })?;
    let file: TestFile =
        serde_saphyr::from_str(&text).map_err(|error| Error::Input(format!("{shown} is no test file: {error}")))?;
    if file.cases.is_empty() {
        return Err(Error::Input(format!("{shown} has no cases")));
    }
    for (name, case) in &file.cases {
        if case.events.is_empty() {
            return Err(Error::Input(format!("{shown}: case `{name}` has no events")));
        }
        if let Some(line) = case.needs_model().filter(|_| case.model.is_none() && file.model.is_none()) {
            return Err(Error::Input(format!(
                "{shown}:{line}: case `{name}` expects scores, decisions or classes, and no model is named; write `model: NAME` for one that `tidemill train` published, or `model: ./FOLDER` for one in files, above `cases` or in the case"
            )));
        }
    }
    Ok(file)
}
