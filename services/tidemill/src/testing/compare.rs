//! What differs between a case and what came of it, with lines of the test file.

use std::collections::BTreeSet;
use std::fmt;

use flow::config::nearest;
use serde_json::Value;

use super::{Case, Outcome, Prediction, plain};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line of the test file that expects otherwise; none where nothing is said about it.
    pub line: Option<u64>,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// All differences. `known` are the features that the pipeline has.
pub fn differences(case: &Case, outcome: &Outcome, known: &[String]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |line: Option<u64>, what: String| found.push(Difference { line, what });
    for (id, features) in &case.expect.features {
        let Some(actual) = outcome.features.get(id) else {
            let line = features.values().next().map(|expected| expected.referenced.line());
            add(line, format!("event {id} has no features: it {}", fate(id, case, outcome)));
            continue;
        };
        for (name, expected) in features {
            let line = Some(expected.referenced.line());
            if !known.contains(name) {
                let help = nearest(name, known.iter().map(String::as_str));
                let help = help.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                add(line, format!("there is no feature `{name}`{help}"));
            } else if !is_close(&actual[name], &expected.value, case.tolerance) {
                add(line, format!("event {id}: {name} is {} and not {}", actual[name], expected.value));
            }
        }
    }
    predictions(case, outcome, &mut add);
    for (id, code) in &case.expect.rejected {
        match outcome.rejected.get(id) {
            Some(actual) if *actual == code.value => {}
            Some(actual) => add(
                Some(code.referenced.line()),
                format!("event {id} was rejected with {actual} and not with {}", code.value),
            ),
            None => add(
                Some(code.referenced.line()),
                format!("event {id} was not rejected: it {}", fate(id, case, outcome)),
            ),
        }
    }
    for (id, code) in outcome.rejected.iter().filter(|(id, _)| !case.expect.rejected.contains_key(*id)) {
        add(None, format!("event {id} was rejected with {code}, which the case does not expect"));
    }
    let late: BTreeSet<String> = case.expect.late.iter().map(|id| plain(&id.value)).collect();
    for id in case.expect.late.iter().filter(|id| !outcome.late.contains(&plain(&id.value))) {
        let name = plain(&id.value);
        add(Some(id.referenced.line()), format!("event {name} was not late: it {}", fate(&name, case, outcome)));
    }
    for id in outcome.late.iter().filter(|id| !late.contains(*id)) {
        add(None, format!("event {id} was late, which the case does not expect"));
    }
    found
}

fn predictions(case: &Case, outcome: &Outcome, add: &mut impl FnMut(Option<u64>, String)) {
    for (id, expected) in &case.expect.scores {
        let line = Some(expected.referenced.line());
        match outcome.predictions.get(id) {
            Some(found) if (found.score - expected.value).abs() <= case.score_tolerance => {}
            Some(found) => add(line, format!("event {id}: its score is {} and not {}", found.score, expected.value)),
            None => add(line, format!("event {id} has no score: it {}", fate(id, case, outcome))),
        }
    }
    for (id, expected) in &case.expect.decisions {
        let line = Some(expected.referenced.line());
        match outcome.predictions.get(id) {
            Some(Prediction { decision: Some(found), .. }) if *found == expected.value => {}
            Some(Prediction { decision: Some(found), score, .. }) => {
                add(
                    line,
                    format!("event {id}: its decision is {found} and not {}; its score is {score}", expected.value),
                );
            }
            Some(_) => add(line, format!("event {id} is not decided: the model has no threshold")),
            None => add(line, format!("event {id} has no decision: it {}", fate(id, case, outcome))),
        }
    }
    for (id, expected) in &case.expect.classes {
        let (line, expected) = (Some(expected.referenced.line()), plain(&expected.value));
        match outcome.predictions.get(id) {
            Some(Prediction { class: Some(found), .. }) if *found == expected => {}
            Some(Prediction { class: Some(found), score, .. }) => {
                add(line, format!("event {id}: its class is {found} and not {expected}; its score is {score}"));
            }
            Some(_) => add(line, format!("event {id} has no class: the model's objective is not multiclass")),
            None => add(line, format!("event {id} has no class: it {}", fate(id, case, outcome))),
        }
    }
}

/// What became of an event.
fn fate(id: &str, case: &Case, outcome: &Outcome) -> String {
    if let Some(code) = outcome.rejected.get(id) {
        return format!("was rejected with {code}");
    }
    if outcome.late.iter().any(|late| late == id) {
        return "was late".to_owned();
    }
    match outcome.features.contains_key(id) {
        true => "was accepted".to_owned(),
        false => format!("is none of the {} events of the case", case.events.len()),
    }
}

fn is_close(actual: &Value, expected: &Value, tolerance: f64) -> bool {
    match (actual.as_f64(), expected.as_f64()) {
        (Some(actual), Some(expected)) => (actual - expected).abs() <= tolerance * expected.abs(),
        _ => actual == expected,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_class_is_compared_as_text_and_one_that_is_not_there_says_why() {
        let case = "{ events: [{ id: a }], expect: { classes: { a: tram, b: 3, c: bus, d: bus } } }";
        let case: Case = serde_saphyr::from_str(case).unwrap();
        assert_eq!(case.needs_model(), Some(1));
        let predicted =
            |class: Option<&str>| Prediction { score: 0.5, decision: None, class: class.map(str::to_owned) };
        let mut outcome = Outcome::default();
        let predictions = [("a", predicted(Some("tram"))), ("b", predicted(Some("3"))), ("c", predicted(None))];
        outcome.predictions.extend(predictions.map(|(id, one)| (id.to_owned(), one)));
        let said =
            |outcome: &Outcome| differences(&case, outcome, &[]).into_iter().map(|one| one.what).collect::<Vec<_>>();
        let missing = "event d has no class: it is none of the 1 events of the case";
        let number = "event c has no class: the model's objective is not multiclass";
        assert_eq!(said(&outcome), [number, missing]);
        outcome.predictions.insert("a".to_owned(), predicted(Some("bus")));
        assert_eq!(said(&outcome)[0], "event a: its class is bus and not tram; its score is 0.5");
    }
}
