//! The rules of a pipeline without a log: whether they can be used, and what they would say.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use flow::config::Pipeline;
use flow::processor::{InRecord, Stop};
use flow::task::SchemaSource;
use runtime::context::Context;
use runtime::shell;
pub use validation::dry::Failure;
pub use validation::source::Error;
pub use validation::tallies::Verdict;
use validation::{RuleSet, Rulebook, Source};

use crate::retry::Proposed;

/// Compiles the rules of the events as validators do.
pub fn compile(pipeline: &Pipeline) -> Result<Rulebook, Error> {
    Rulebook::new(Source::events(pipeline)?.into(), &RuleSet::of_events(pipeline))
}

/// Tries rules. Nothing is decided.
pub struct DryRun(validation::dry::DryRun);

impl DryRun {
    /// The rules of the events, for rows of their schema.
    pub fn of_rows(pipeline: &Pipeline) -> Result<Self, crate::Error> {
        let (source, rules) = (Source::events(pipeline)?, RuleSet::of_events(pipeline));
        let dry = validation::dry::DryRun::new(source, &rules, Arc::new(Nowhere), Arc::new(Proposed));
        Ok(DryRun(dry?))
    }

    /// The rules of the events, for lines of JSON.
    pub fn of_lines(pipeline: &Pipeline) -> Result<Self, crate::Error> {
        let (source, rules) = (Source::events(pipeline)?, RuleSet::of_events(pipeline));
        let dry = validation::dry::DryRun::of_lines(source, &rules, Arc::new(Nowhere), Arc::new(Proposed));
        Ok(DryRun(dry?))
    }

    /// The rules of a source, for the records of its topic.
    pub fn of_topic(context: &Context, topic: &str) -> Result<Self, crate::Error> {
        let pipeline = &context.pipeline;
        let labels = Source::labels(pipeline)?.filter(|labels| **labels.topic() == *topic);
        let (source, rules) = match labels {
            Some(labels) => (labels, RuleSet::of_labels(pipeline)),
            None => (Source::events(pipeline)?, RuleSet::of_events(pipeline)),
        };
        let dry = validation::dry::DryRun::new(source, &rules, context.schema_source(), Arc::new(Proposed));
        Ok(DryRun(dry?))
    }

    /// The columns of rows.
    pub fn schema(&self) -> &SchemaRef {
        self.0.source().schema()
    }

    /// What records would fail.
    pub fn records(&mut self, records: &[InRecord]) -> Result<Vec<Failure>, crate::Error> {
        let found: Result<_, Stop> = self.0.records(records);
        Ok(found.map_err(shell::Error::from)?)
    }

    /// What rows would fail, if they were appended now.
    pub fn rows(&self, rows: &RecordBatch) -> Vec<Failure> {
        self.0.rows(rows, runtime::clock::now_ms())
    }
}

/// Knows no schema; lines and rows need none.
struct Nowhere;

impl SchemaSource for Nowhere {
    fn schema(&self, _: u32) -> Option<Arc<str>> {
        None
    }
}
