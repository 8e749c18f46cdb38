//! What can only be checked by those who will do it: SQL is compiled, aggregates are laid out for the window engine.

use features::stage::{self, group};
use flow::config::{BAD_EXPRESSION, BAD_SCHEMA, Expression, Pipeline, Problem, Span};
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
    let mut compile = |what: &str, expression: &Expression| {
        if let Err(error) = sql::Expression::compile(&expression.text, &schema) {
            problems.push(bad(expression, format!("{what}: {}", plain(&error.detail))));
        }
    };
    pipeline.events.rules.iter().for_each(|rule| compile(&format!("rule `{}`", rule.name), &rule.check));
    let row = &pipeline.features.row;
    row.iter().for_each(|feature| compile(&format!("row feature `{}`", feature.name), &feature.expression));
    for entity in &pipeline.features.entities {
        if let (Err(stage::Error::Group { detail, .. }), Some(first)) =
            (group(pipeline, entity), entity.aggregates.first())
        {
            let named = entity.aggregates.iter().find(|one| detail.starts_with(&format!("aggregates.{}:", one.name)));
            problems.push(bad(&named.unwrap_or(first).expression, detail));
        }
    }
    problems.sort_by_key(|problem| problem.span.start);
    problems
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
    use super::plain;

    #[test]
    fn messages_are_about_the_text() {
        let cannot = "Cannot coerce arithmetic expression Float64 + Utf8 to valid types";
        assert_eq!(plain(&format!("Error during planning: {cannot}")), cannot);
        let wrapped = "Internal error: Function 'f' failed, errors: Error during planning: it takes a time.,Error during planning: or a date..";
        assert_eq!(plain(wrapped), "it takes a time");
        assert_eq!(plain("ParserError: a"), "ParserError: a");
    }
}
