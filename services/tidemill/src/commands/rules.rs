//! `tidemill rules check`: what the rules would make of rows or records, without deciding anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::ops::Range;
use std::path::Path;

use flow::config::{OnFail, Pipeline};
use flow::processor::InRecord;
use runtime::clock::now_ms;
use runtime::log::{Record, TopicPartition};
use runtime::shell::incoming;
use schemas::reject::Code;
use serde_json::{Value, json};
use validator::rules::{DryRun, Failure, Verdict};

use super::dlq::read::read_range;
use super::publish::options;
use crate::cli::Global;
use crate::cli::files::SourceArgs;
use crate::cli::rules::Rules;
use crate::environment::Environment;
use crate::error::Error;
use crate::loading;
use crate::output::{Output, table};
use crate::publish::file::{Source, Text};
use crate::publish::{self, Columns};

/// Records that are judged together.
const BATCH_RECORDS: usize = 4_096;

pub fn run(global: &Global, output: Output, command: &Rules) -> Result<(), Error> {
    let Rules::Check { what, from, to, examples, source } = command;
    let path = Path::new(what);
    let (pipeline, found) = match path.is_file() {
        true => {
            let pipeline = loading::load(global)?.checked(global)?;
            let found = file(&pipeline, path, source, *examples)?;
            (pipeline, found)
        }
        false => {
            let environment = Environment::existing(global)?;
            let found = topic(&environment, what, &(*from..to.unwrap_or(i64::MAX)), *examples)?;
            (Pipeline::clone(&environment.context.pipeline), found)
        }
    };
    let is_labels = pipeline.labels.as_ref().is_some_and(|labels| labels.name == *what || labels.topic == *what);
    let found = if is_labels { found } else { found.with_all_rules(&pipeline) };
    output.show(|| found.text(), || found.value(what))?;
    match found.rejected {
        0 => Ok(()),
        rejected => Err(Error::Input(format!("{rejected} of {} records would be rejected", found.records))),
    }
}

fn file(pipeline: &Pipeline, path: &Path, args: &SourceArgs, examples: usize) -> Result<Found, Error> {
    let mut found = Found::new(examples);
    match publish::file::lines(path)? {
        Some(text) => lines(pipeline, path, text, &mut found)?,
        None => rows(pipeline, path, args, &mut found)?,
    }
    Ok(found)
}

/// Lines of JSON are read as the validator reads records.
fn lines(pipeline: &Pipeline, path: &Path, mut text: Text, found: &mut Found) -> Result<(), Error> {
    let unreadable = |error: std::io::Error| Error::Input(format!("cannot read {}: {error}", path.display()));
    let mut dry = DryRun::of_lines(pipeline)?;
    let (mut number, mut chunk) = (0, Chunk::default());
    loop {
        let mut line = Vec::new();
        let read = text.read_until(b'\n', &mut line).map_err(unreadable)?;
        number += 1;
        if !line.trim_ascii().is_empty() {
            let value = Some(line.trim_ascii().to_vec().into());
            let record = InRecord { offset: number, append_time_ms: now_ms(), value, ..InRecord::default() };
            chunk.push(record, format!("line {number}"));
        }
        if read == 0 || chunk.records.len() >= BATCH_RECORDS {
            chunk.judge(&mut dry, found)?;
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Rows of tables become the schema's as `publish` makes them; one that cannot is told and left out.
fn rows(pipeline: &Pipeline, path: &Path, args: &SourceArgs, found: &mut Found) -> Result<(), Error> {
    let options = options(args);
    let source = Source::open(path)?.computed(&options)?;
    let dry = DryRun::of_rows(pipeline)?;
    let schema = dry.schema();
    let columns = Columns::find(schema, &source.schema, &options.map, Some(&pipeline.events.event_time))?;
    let mut before = 0;
    for batch in source.batches {
        let batch = batch?;
        let place = |row: usize| format!("row {}", before + row as u64 + 1);
        match columns.convert(&batch, schema, before) {
            Ok(rows) => found.add(batch.num_rows(), dry.rows(&rows), place),
            Err(publish::Error::Value { .. }) => {
                for row in 0..batch.num_rows() {
                    match columns.convert(&batch.slice(row, 1), schema, before + row as u64) {
                        Ok(rows) => found.add(1, dry.rows(&rows), |_| place(row)),
                        Err(error) => found.unfit(place(row), error.to_string()),
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        before += batch.num_rows() as u64;
    }
    Ok(())
}

fn topic(environment: &Environment, what: &str, offsets: &Range<i64>, examples: usize) -> Result<Found, Error> {
    let pipeline = &environment.context.pipeline;
    let sources = [Some((&pipeline.events.name, &pipeline.events.topic))];
    let labels = pipeline.labels.as_ref().map(|labels| (&labels.name, &labels.topic));
    let mut sources = sources.into_iter().chain([labels]).flatten();
    let Some((_, topic)) = sources.find(|(name, topic)| *name == what || *topic == what) else {
        let known = pipeline.events.name.as_str();
        return Err(Error::Input(format!(
            "`{what}` is no file and no source of this pipeline; its events are `{known}`"
        )));
    };
    let (mut dry, mut found) = (DryRun::of_topic(&environment.context, topic)?, Found::new(examples));
    let mut chunk = Chunk::default();
    read_range(environment, topic, offsets, |tp: &TopicPartition, record: Record| {
        let place = format!("{tp} offset {}", record.offset);
        chunk.push(incoming(record), place);
        if chunk.records.len() >= BATCH_RECORDS {
            chunk.judge(&mut dry, &mut found)?;
        }
        Ok(())
    })?;
    chunk.judge(&mut dry, &mut found)?;
    Ok(found)
}

/// Records that wait to be judged, and what to call them.
#[derive(Default)]
struct Chunk {
    records: Vec<InRecord>,
    places: Vec<String>,
}

impl Chunk {
    fn push(&mut self, record: InRecord, place: String) {
        self.records.push(record);
        self.places.push(place);
    }

    fn judge(&mut self, dry: &mut DryRun, found: &mut Found) -> Result<(), Error> {
        let Chunk { records, places } = std::mem::take(self);
        let failures = dry.records(&records)?;
        found.add(records.len(), failures, |index| places[index].clone());
        Ok(())
    }
}

/// One thing that records failed.
#[derive(Default)]
struct Counted {
    records: u64,
    /// Where, and what the value was.
    examples: Vec<(String, String)>,
}

/// What was found so far.
struct Found {
    records: u64,
    rejected: u64,
    by: BTreeMap<(Verdict, String), Counted>,
    examples_max: usize,
}

impl Found {
    fn new(examples_max: usize) -> Self {
        Found { records: 0, rejected: 0, by: BTreeMap::new(), examples_max }
    }

    fn add(&mut self, records: usize, failures: Vec<Failure>, place: impl Fn(usize) -> String) {
        self.records += records as u64;
        let rejected = failures.iter().filter(|failure| failure.verdict == Verdict::Rejected);
        self.rejected += rejected.map(|failure| failure.index).collect::<BTreeSet<_>>().len() as u64;
        for Failure { index, verdict, code, name, detail } in failures {
            let code = code.map(|code| code.as_str()).unwrap_or_default();
            let what = [code, &name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            self.count(verdict, what, || (place(index), detail));
        }
    }

    fn unfit(&mut self, place: String, detail: String) {
        (self.records, self.rejected) = (self.records + 1, self.rejected + 1);
        self.count(Verdict::Rejected, Code::FieldType.as_str().to_owned(), || (place, detail));
    }

    fn count(&mut self, verdict: Verdict, what: String, example: impl FnOnce() -> (String, String)) {
        let counted = self.by.entry((verdict, what)).or_default();
        counted.records += 1;
        if counted.examples.len() < self.examples_max {
            counted.examples.push(example());
        }
    }

    /// Adds the rules that nothing failed.
    fn with_all_rules(mut self, pipeline: &Pipeline) -> Self {
        for rule in &pipeline.events.rules {
            let (verdict, what) = match rule.on_fail {
                OnFail::Reject => (Verdict::Rejected, format!("RULE_FAILED {}", rule.name)),
                OnFail::Flag | OnFail::Impute => (Verdict::Flagged, rule.name.clone()),
            };
            self.by.entry((verdict, what)).or_default();
        }
        self
    }

    fn text(&self) -> String {
        let row = |((verdict, what), counted): (&(Verdict, String), &Counted)| {
            vec![verdict.as_str().to_owned(), what.clone(), counted.records.to_string()]
        };
        let mut text = table(&["OUTCOME", "WHAT", "RECORDS"], &self.by.iter().map(row).collect::<Vec<_>>());
        for ((_, what), counted) in self.by.iter().filter(|(_, counted)| !counted.examples.is_empty()) {
            text.push_str(&format!("{what}\n"));
            for (place, detail) in &counted.examples {
                let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
                text.push_str(&format!("  {place}{detail}\n"));
            }
        }
        text.push_str(&format!("{} records, {} of them would be rejected", self.records, self.rejected));
        text
    }

    fn value(&self, what: &str) -> Value {
        let one = |((verdict, name), counted): (&(Verdict, String), &Counted)| {
            let example = |(place, detail): &(String, String)| json!({ "at": place, "detail": detail });
            json!({
                "outcome": verdict.as_str(),
                "what": name,
                "records": counted.records,
                "examples": counted.examples.iter().map(example).collect::<Vec<_>>(),
            })
        };
        json!({
            "checked": what,
            "records": self.records,
            "rejected": self.rejected,
            "found": self.by.iter().map(one).collect::<Vec<_>>(),
        })
    }
}
