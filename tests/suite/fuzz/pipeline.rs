//! Pipeline files: a plan, or problems that point into the file.

use flow::config;
use flow::plan::{graph, plan, schema_text};

pub const WORDS: &[&str] = &[
    "pipeline:",
    "delivery:",
    "ordering:",
    "exactly_once",
    "event_time",
    "lateness:",
    "partitions:",
    "sources:",
    "topic:",
    "schema:",
    "id:",
    "rules:",
    "check:",
    "on_fail:",
    "labels:",
    "target:",
    "horizon:",
    "features:",
    "row:",
    "entities:",
    "key:",
    "windows:",
    "aggregates:",
    "count()",
    "avg(amount)",
    "delay:",
    "models:",
    "inputs:",
    "network:",
    "mlp:",
    "[1d]",
    "10m",
    "0d",
    "customer.*",
    "row.*",
    "monitors:",
    "&a",
    "*a",
    "<<: *a",
    "!!binary",
    "|",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\n  ",
    "coalesce(",
    "case when ",
    "amount",
    " / 0",
    "\u{0}",
    "\u{feff}",
    "'",
    "\"",
    "#",
];

pub fn answer(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(|| "no such schema".into());
    match config::parse(&text, &resolve) {
        Ok(pipeline) => {
            let plan = plan(&pipeline);
            let schemas = plan.topics.iter().filter_map(|topic| topic.schema.as_ref());
            schemas.for_each(|schema| drop(schemas::arrow_schema(&schema_text(schema)).unwrap()));
            assert!(graph::dot(&plan).len() > 2 && graph::mermaid(&plan).len() > 2);
            "a plan".to_owned()
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a file is refused for no reason");
            for problem in &problems {
                let span = problem.span.start..problem.span.end;
                assert!(text.get(span).is_some(), "{problem} points outside of the file");
                assert!(problem.span.line >= 1 && problem.span.column >= 1);
            }
            let mut codes: Vec<_> = problems.iter().map(|problem| problem.title()).collect();
            codes.dedup();
            codes.join(" ")
        }
    }
}
