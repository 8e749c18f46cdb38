//! What can only be checked by those who will do it: SQL is compiled, aggregates are laid out for the window engine.

use features::stage::{self, group};
use flow::config::{Expression, Pipeline, Problem};
use flow::sql;

/// Code of an expression that does not compile.
const BAD_EXPRESSION: &str = "TM0014";
/// Code of a schema that the codec refuses.
const BAD_SCHEMA: &str = "TM0010";

/// Problems of a pipeline whose parts all fit each other.
pub fn check(pipeline: &Pipeline) -> Vec<Problem> {
    let mut problems = Vec::new();
    let schema = match schemas::codec::arrow_schema(&pipeline.events.schema.json.to_string()) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!("schema `{}` cannot be used: {error}", pipeline.events.schema.path);
            return vec![Problem { code: BAD_SCHEMA, message, span: flow::config::Span::FILE, help: None }];
        }
    };
    let mut compile = |what: &str, expression: &Expression| {
        if let Err(error) = sql::Expression::compile(&expression.text, &schema) {
            problems.push(bad(expression, format!("{what}: {error}")));
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

fn bad(expression: &Expression, message: String) -> Problem {
    Problem { code: BAD_EXPRESSION, message, span: expression.span, help: None }
}
