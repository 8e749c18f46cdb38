//! What can only be checked by those who will do it: SQL is compiled, aggregates are laid out for the window engine.

mod rules;

use arrow::datatypes::DataType;
use features::spec;
use features::stage::{self, group};
use flow::config::{BAD_EXPRESSION, BAD_SCHEMA, Entity, Expression, Pipeline, Problem, RowFeature, Span};
use flow::sql;

/// Problems of a pipeline whose parts all fit each other.
pub fn check(pipeline: &Pipeline) -> Vec<Problem> {
    let mut problems = Vec::new();
    let schema = match schemas::codec::arrow_schema(&pipeline.events.schema.json.to_string()) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!("schema `{}` cannot be used: {error}", pipeline.events.schema.path);
            return vec![Problem { code: BAD_SCHEMA, message, span: Span::FILE, help: None }];
        }
    };
    for RowFeature { name, expression, .. } in &pipeline.features.row {
        match sql::Expression::compile(&expression.text, &schema) {
            Ok(compiled) if compiled.is_number() => {}
            Ok(compiled) => problems.push(no_number(&format!("row feature `{name}`"), expression, compiled.returns())),
            Err(error) => problems.push(bad(expression, format!("row feature `{name}`: {}", plain(&error.detail)))),
        }
    }
    problems.extend(rules::problems(pipeline, &schema));
    for entity in &pipeline.features.entities {
        problems.extend(aggregates(pipeline, entity));
    }
    if let Err(stage::Error::Derived(error)) = stage::derived(pipeline) {
        let named = pipeline.features.derived.iter().find(|one| one.name == error.feature);
        let message = format!("derived feature `{}`: {}", error.feature, plain(&error.source.detail));
        problems.extend(named.map(|one| bad(&one.expression, message)));
    }
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

/// What is wrong with the aggregates of an entity, each problem where it stands.
fn aggregates(pipeline: &Pipeline, entity: &Entity) -> Vec<Problem> {
    let Some(first) = entity.aggregates.first() else { return Vec::new() };
    let of = |name: &str| &entity.aggregates.iter().find(|one| one.name == name).unwrap_or(first).expression;
    let checked = group(pipeline, entity).and_then(|group| stage::inputs(pipeline, &group).map(drop));
    let problem = |error: &spec::Error| {
        let expression = of(error.field().trim_start_matches("aggregates."));
        let (message, help) = error.brief();
        let span = error.at().map_or(expression.span, |at| expression.part(at, error.characters()));
        Problem { code: BAD_EXPRESSION, message, span, help }
    };
    match checked {
        Err(stage::Error::Group { errors, .. }) => errors.iter().map(problem).collect(),
        Err(stage::Error::Condition { source, .. }) => {
            let message = format!("condition `{}`: {}", source.condition, plain(&source.detail));
            vec![bad(of(&source.aggregate), message)]
        }
        Err(other) => vec![bad(&first.expression, other.to_string())],
        Ok(()) => Vec::new(),
    }
}

/// Features are numbers. Of a text each value would be null, and nobody would see it.
fn no_number(what: &str, expression: &Expression, returns: &DataType) -> Problem {
    let is_text =
        matches!(returns, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..));
    let (found, help) = match is_text {
        true => (
            "a text".to_owned(),
            "compare it, as in `x = 'a'`, or write `cast(x as double)` where it holds digits; a column of texts may be an \
             input of a model by itself",
        ),
        false => (format!("{returns}"), "name a number or a truth value that is part of it"),
    };
    let message = format!("{what} is {found}, and features are numbers");
    Problem { help: Some(help.to_owned()), ..bad(expression, message) }
}

/// The part of DataFusion's message that is about the user's text.
fn plain(detail: &str) -> &str {
    const WRAPPED: &str = "Error during planning: ";
    let inner = detail.split_once(WRAPPED).map_or(detail, |(_, inner)| inner);
    inner.split_once(".,Error").map_or(inner, |(first, _)| first).trim_end_matches('.')
}

fn bad(expression: &Expression, message: String) -> Problem {
    Problem { code: BAD_EXPRESSION, message, span: expression.span, help: None }
}

#[cfg(test)]
mod tests {
    use flow::config::parse;

    use super::{check, plain};

    /// The shipped pipeline with an aggregate more.
    fn problems(aggregate: &str) -> Vec<String> {
        let yaml = include_str!("../../../topologies/pipelines/demo.yaml");
        let yaml = yaml.replacen("tx_count: count()", &format!("tx_count: count()\n        extra: {aggregate}"), 1);
        let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(String::new);
        let found = parse(&yaml, &resolve).and_then(|pipeline| match check(&pipeline) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems),
        });
        let shown = found.err().unwrap_or_default().into_iter().map(|problem| {
            let help = problem.help.map(|help| format!("; {help}")).unwrap_or_default();
            format!("{} at `{}`{help}", problem.message, &yaml[problem.span.start..problem.span.end])
        });
        shown.collect()
    }

    #[test]
    fn aggregates_are_told_where_they_are_wrong() {
        for good in ["ratio(count(), 1d, 30d)", "decayed_sum(amount, 12h)", "rate(amount where amount > 10)"] {
            assert_eq!(problems(good), Vec::<String>::new(), "{good}");
        }
        for (bad, expected) in [
            ("ratio(count(), 1d, 3d)", "expected one of the windows `1d`, `7d`, `30d`, found `3d` at `3d`"),
            ("ratio(cuont(), 1d, 7d)", "`cuont` is no aggregate that can stand here at `cuont`; did you mean `count`?"),
            ("'sum(event_time)'", "`event_time` is neither a number nor a boolean at `event_time`"),
            ("count(where amount)", "condition `amount`: is neither true nor false at `count(where amount)`"),
            (
                "count(where amonut > 1)",
                "`amonut` is no column of `fraud/Transaction.avsc` at `amonut`; did you mean `amount`?",
            ),
            ("decayed_avg(amount, 12)", "expected a half-life such as `12h`, found `12` at `12`"),
        ] {
            assert!(problems(bad).iter().any(|one| one == expected), "{bad}: {:?}", problems(bad));
        }
    }

    #[test]
    fn messages_are_about_the_text() {
        let cannot = "Cannot coerce arithmetic expression Float64 + Utf8 to valid types";
        assert_eq!(plain(&format!("Error during planning: {cannot}")), cannot);
        let wrapped = "Internal error: Function 'f' failed, errors: Error during planning: it takes a time.,Error during planning: or a date..";
        assert_eq!(plain(wrapped), "it takes a time");
        assert_eq!(plain("ParserError: a"), "ParserError: a");
    }
}
