//! What can only be checked by those who will do it: SQL is compiled, aggregates are laid out for the window engine.

mod rules;

use arrow::datatypes::{DataType, SchemaRef};
use features::input::Error;
use features::spec;
use features::stage::{self, group};
use flow::config::{
    BAD_EXPRESSION, BAD_SCHEMA, Entity, Expression, Part, Pipeline, Problem, Reading, RowFeature, Span,
};
use flow::sql;

/// Problems of those parts of a pipeline file that are sound as far as their reader can tell.
pub fn check(reading: &Reading) -> Vec<Problem> {
    let Some(pipeline) = reading.partial() else { return Vec::new() };
    if pipeline.events.schema.columns.is_empty() {
        // Without the schema nothing can be compiled; the reader has told why there is none.
        return Vec::new();
    }
    let schema = match schemas::codec::arrow_schema(&pipeline.events.schema.json.to_string()) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!("schema `{}` cannot be used: {error}", pipeline.events.schema.path);
            return vec![Problem { code: BAD_SCHEMA, message, span: Span::FILE, help: None }];
        }
    };
    let mut problems = row(reading, pipeline, &schema);
    problems.extend(rules::problems(reading, pipeline, &schema));
    for entity in pipeline.features.entities.iter().filter(|entity| reading.is_sound(Part::Entity(&entity.name))) {
        problems.extend(aggregates(reading, pipeline, entity));
    }
    problems.extend(derived(reading, pipeline));
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

/// What is wrong with row features.
fn row(reading: &Reading, pipeline: &Pipeline, schema: &SchemaRef) -> Vec<Problem> {
    let features = pipeline.features.row.iter().filter(|feature| reading.is_sound(Part::Row(&feature.name)));
    let problem =
        |RowFeature { name, expression, .. }: &RowFeature| match sql::Expression::compile(&expression.text, schema) {
            Ok(compiled) if compiled.is_number() => None,
            Ok(compiled) => Some(no_number(&format!("row feature `{name}`"), expression, compiled.returns())),
            Err(error) => Some(bad(expression, format!("row feature `{name}`: {}", plain(&error.detail)))),
        };
    features.filter_map(problem).collect()
}

/// What is wrong with the aggregates of an entity, each problem where it stands.
fn aggregates(reading: &Reading, pipeline: &Pipeline, entity: &Entity) -> Vec<Problem> {
    let mut entity = entity.clone();
    let target = pipeline.labels.as_ref().map(|labels| &labels.target);
    let is_column = |name: &String| pipeline.events.schema.column(name).is_some() || Some(name) == target;
    // A label that could not be read may be what the others mention.
    entity.aggregates.retain(|one| {
        reading.is_sound(Part::Aggregate(&entity.name, &one.name)) && one.expression.columns.iter().all(is_column)
    });
    let mut problems = Vec::new();
    while let Some(first) = entity.aggregates.first() {
        let of = |name: &str| &entity.aggregates.iter().find(|one| one.name == name).unwrap_or(first).expression;
        match group(pipeline, &entity).and_then(|group| stage::inputs(pipeline, &group).map(drop)) {
            Err(stage::Error::Group { errors, .. }) => {
                problems.extend(errors.iter().map(|error| of_group(error, of)));
                // Conditions are compiled only where all can be laid out, so those that cannot go.
                let before = entity.aggregates.len();
                entity.aggregates.retain(|one| errors.iter().all(|error| aggregate(error) != one.name));
                if entity.aggregates.len() == before {
                    break;
                }
            }
            Err(stage::Error::Conditions { errors, .. }) => {
                let message = |error: &Error| format!("condition `{}`: {}", error.condition, plain(&error.detail));
                problems.extend(errors.iter().map(|error| bad(of(&error.aggregate), message(error))));
                break;
            }
            Err(other) => {
                problems.push(bad(&first.expression, other.to_string()));
                break;
            }
            Ok(()) => break,
        }
    }
    problems
}

/// The aggregate that an error is about.
fn aggregate(error: &spec::Error) -> &str {
    error.field().trim_start_matches("aggregates.")
}

/// What the window engine says, where it stands in the file.
fn of_group<'a>(error: &spec::Error, of: impl Fn(&str) -> &'a Expression) -> Problem {
    let expression = of(aggregate(error));
    let (message, help) = error.brief();
    let span = error.at().map_or(expression.span, |at| expression.part(at, error.characters()));
    Problem { code: BAD_EXPRESSION, message, span, help }
}

/// What is wrong with derived features, those left out that mention what is not known yet.
fn derived(reading: &Reading, pipeline: &Pipeline) -> Vec<Problem> {
    let mut pipeline = pipeline.clone();
    let mut known: Vec<String> = pipeline.events.schema.columns.iter().map(|column| column.name.clone()).collect();
    let declared = std::mem::take(&mut pipeline.features.derived);
    known.extend(pipeline.features.names());
    for feature in declared {
        let is_known = feature.expression.columns.iter().all(|name| known.contains(name));
        if is_known && reading.is_sound(Part::Derived(&feature.name)) {
            known.push(feature.output.clone());
            pipeline.features.derived.push(feature);
        }
    }
    let Err(stage::Error::Derived(errors)) = stage::derived(&pipeline) else { return Vec::new() };
    let problem = |error: &features::derived::Error| {
        let named = pipeline.features.derived.iter().find(|one| one.name == error.feature)?;
        Some(bad(&named.expression, format!("derived feature `{}`: {}", error.feature, plain(&error.source.detail))))
    };
    errors.iter().filter_map(problem).collect()
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
    const PARSED: &str = "SQL error: ParserError(\"";
    if let Some(inner) = detail.strip_prefix(PARSED).and_then(|inner| inner.strip_suffix("\")")) {
        return inner;
    }
    let inner = detail.split_once(WRAPPED).map_or(detail, |(_, inner)| inner);
    inner.split_once(".,Error").map_or(inner, |(first, _)| first).trim_end_matches('.')
}

fn bad(expression: &Expression, message: String) -> Problem {
    Problem { code: BAD_EXPRESSION, message, span: expression.span, help: None }
}

#[cfg(test)]
mod tests {
    use flow::config::Reading;

    use super::{check, plain};

    /// The shipped pipeline with an aggregate more.
    fn problems(aggregate: &str) -> Vec<String> {
        let yaml = include_str!("../../../topologies/pipelines/demo.yaml");
        let yaml = yaml.replacen("tx_count: count()", &format!("tx_count: count()\n        extra: {aggregate}"), 1);
        let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(String::new);
        let reading = Reading::new(&yaml, &resolve);
        let problems = check(&reading);
        let shown = reading.judged(problems).err().unwrap_or_default().into_iter().map(|problem| {
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
        assert_eq!(plain("SQL error: ParserError(\"Expected: a, found: b\")"), "Expected: a, found: b");
        assert_eq!(plain("ParserError: a"), "ParserError: a");
    }
}
