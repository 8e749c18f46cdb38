//! Rules of a source, as the validator will compile them: what is no condition, what no event can meet, and what cannot be
//! put in place of a value.

use arrow::datatypes::SchemaRef;
use flow::config::{CONTRADICTION, Expression, Impute, Part, Pipeline, Problem, Reading, Span};
use flow::sql;
use validator::rules::{Error, compile};

use super::{bad, plain};

/// What is wrong with rules and fields of the events.
pub fn problems(reading: &Reading, pipeline: &Pipeline, schema: &SchemaRef) -> Vec<Problem> {
    let events = &pipeline.events;
    let mut problems = Vec::new();
    // To have one rule or field at a time put into it.
    let mut alone = pipeline.clone();
    (alone.events.rules, alone.events.fields) = (Vec::new(), Vec::new());
    let is_sound = reading.is_sound(Part::Events(&events.name));
    let rules = events.rules.iter().filter(|rule| reading.is_sound(Part::Rule(&events.name, &rule.name)));
    let fields = events.fields.iter().filter(|field| reading.is_sound(Part::Field(&events.name, &field.column)));
    for rule in rules.clone() {
        let already = problems.len();
        problems.extend(no_sql(&format!("rule `{}`", rule.name), &rule.check, schema));
        problems.extend(rule.imputes.iter().filter_map(|impute| no_imputed(impute, schema)));
        if problems.len() > already {
            continue;
        }
        if sql::is_never_true(&rule.check.text, schema).unwrap_or(false) {
            let message = format!("rule `{}` is true for no event at all", rule.name);
            let help = "it is constant, or its conditions contradict each other".to_owned();
            problems.push(Problem { code: CONTRADICTION, message, span: rule.check.span, help: Some(help) });
        } else if is_sound {
            alone.events.rules = vec![rule.clone()];
            problems.extend(compile(&alone).err().map(|error| of_validator(&alone, &error)));
        }
    }
    alone.events.rules.clear();
    for field in fields.clone() {
        let already = problems.len();
        problems.extend(field.impute.iter().filter_map(|impute| no_imputed(impute, schema)));
        if problems.len() == already && is_sound {
            alone.events.fields = vec![field.clone()];
            problems.extend(compile(&alone).err().map(|error| of_validator(&alone, &error)));
        }
    }
    // Each by itself may be good, and all together not.
    if problems.is_empty() && is_sound {
        (alone.events.rules, alone.events.fields) = (rules.cloned().collect(), fields.cloned().collect());
        problems.extend(compile(&alone).err().map(|error| of_validator(&alone, &error)));
    }
    problems
}

fn no_sql(what: &str, expression: &Expression, schema: &SchemaRef) -> Option<Problem> {
    let error = sql::Expression::compile(&expression.text, schema).err()?;
    Some(bad(expression, format!("{what}: {}", plain(&error.detail))))
}

fn no_imputed(impute: &Impute, schema: &SchemaRef) -> Option<Problem> {
    no_sql(&format!("imputed `{}`", impute.column), &impute.value, schema)
}

fn imputes(pipeline: &Pipeline) -> impl Iterator<Item = &Impute> {
    let events = &pipeline.events;
    let of_fields = events.fields.iter().filter_map(|field| field.impute.as_ref());
    events.rules.iter().flat_map(|rule| &rule.imputes).chain(of_fields)
}

/// What the validator says, where it stands in the file.
fn of_validator(pipeline: &Pipeline, error: &Error) -> Problem {
    let (span, message) = match error {
        Error::Rule { name, detail, .. } => {
            let rule = pipeline.events.rules.iter().find(|rule| rule.name == *name);
            (rule.map(|rule| rule.check.span), format!("rule `{name}`: {detail}"))
        }
        Error::Column { column, detail, .. } => {
            let impute = imputes(pipeline).find(|impute| impute.column == *column);
            (impute.map(|impute| impute.value.span), format!("`{column}` cannot be imputed: {detail}"))
        }
        other => (None, other.to_string()),
    };
    Problem { code: CONTRADICTION, message, span: span.unwrap_or(Span::FILE), help: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use flow::config::Reading;

    use crate::check::check;

    /// The shipped pipeline with its rule replaced.
    #[track_caller]
    fn expect(rule: &str, expected: &[&str]) {
        let yaml = include_str!("../../../../topologies/pipelines/fraud.yaml");
        let old = "amount_in_range: { check: amount >= 0 and amount < 100000, on_fail: reject }";
        let yaml = yaml.replacen(old, rule, 1);
        assert!(yaml.contains(rule));
        let resolve =
            |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(|| "no such schema".into());
        let reading = Reading::new(&yaml, &resolve);
        let problems = check(&reading);
        let found: Vec<String> = reading
            .judged(problems)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|problem| {
                format!("{} {} at {}", problem.code, problem.message, &yaml[problem.span.start..problem.span.end])
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_rule_that_no_event_can_meet_is_told_at_its_place() {
        let never = "TM0016 rule `r` is true for no event at all at ";
        for check in [
            "1 > 2",
            "amount < 0 and amount > 10",
            "cast(null as boolean)",
            "amount >= 10 and amount < 10",
            "customer_id > 5 and customer_id < 5",
        ] {
            expect(&format!("r: {{ check: {check} }}"), &[&format!("{never}{check}")]);
        }
        for check in [
            "amount < 0 or amount > 10",
            "amount > 1 and customer_id < 5",
            "1 = 1",
            "amount = amount",
            "amount between 1 and 1",
        ] {
            expect(&format!("r: {{ check: {check} }}"), &[]);
        }
    }

    #[test]
    fn what_the_validator_would_refuse_is_told_at_its_place() {
        expect(
            "r: { check: amount + 1 }",
            &["TM0016 rule `r`: `amount + 1` is Float64, not true or false at amount + 1"],
        );
        let key = "r: { check: amount > 0, on_fail: impute, impute: { customer_id: 7 } }";
        let why = "it says which event this is, or when it happened, or whose it is";
        expect(key, &[&format!("TM0016 `customer_id` cannot be imputed: {why} at 7")]);
    }
}
