//! Rules tried out: what they would say to records or rows, with nothing decided and nothing written. Lateness is not
//! judged; it depends on what stands before a record in its partition.

use std::sync::Arc;

use arrow::array::RecordBatch;
use flow::config::{Format, JsonFormat};
use flow::names::Place;
use flow::processor::{InRecord, Stop};
use flow::task::SchemaSource;
use schemas::json::Unknown;
use schemas::reject::Code;

use crate::checks::{Checks, Judged};
use crate::intake::{Intake, Reader};
use crate::rules::RuleSet;
use crate::source::{Error, Source};
use crate::tallies::Verdict;
use crate::verdict::Verdicts;

/// Tries the rules of one source.
pub struct DryRun {
    source: Arc<Source>,
    checks: Checks,
    reader: Reader,
}

/// Something that a record failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The record's or row's place in what was given.
    pub index: usize,
    /// What would become of it.
    pub verdict: Verdict,
    /// The reject code, where it would be rejected.
    pub code: Option<Code>,
    /// The rule, or the field that is imputed; empty where it is neither.
    pub name: String,
    /// The values involved.
    pub detail: String,
}

impl DryRun {
    /// For records as the source's topic has them.
    pub fn new(
        source: Source,
        rules: &RuleSet,
        schemas: Arc<dyn SchemaSource>,
        verdicts: Arc<dyn Verdicts>,
    ) -> Result<Self, Error> {
        let (source, own) = (Arc::new(source), Place { topic: 0, partition: 0 });
        let wrong = |error| Error::Schema { topic: source.topic.to_string(), source: error };
        let reader = Reader::new(source.clone(), source.topic.clone(), own, schemas, verdicts).map_err(wrong)?;
        Ok(DryRun { checks: Checks::compile(&source, rules)?, source, reader })
    }

    /// For lines of JSON, whatever the format of the topic.
    pub fn of_lines(
        mut source: Source,
        rules: &RuleSet,
        schemas: Arc<dyn SchemaSource>,
        verdicts: Arc<dyn Verdicts>,
    ) -> Result<Self, Error> {
        if source.format == Format::Avro {
            source.format = Format::Json(JsonFormat { unknown: Unknown::Ignore, times: None });
        }
        DryRun::new(source, rules, schemas, verdicts)
    }

    /// The source whose rules these are.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What records would fail.
    pub fn records(&mut self, records: &[InRecord]) -> Result<Vec<Failure>, Stop> {
        let mut room = Vec::new();
        let intake = self.reader.read(records, self.checks.unknown(), &mut room)?;
        let Intake { batch, records: indices, rejected, .. } = intake;
        let append_time_ms: Vec<i64> = indices.iter().map(|index| records[*index].append_time_ms).collect();
        let unread = rejected.into_iter().map(|(index, reject)| Failure {
            index,
            verdict: Verdict::Rejected,
            code: Some(reject.code),
            name: String::new(),
            detail: reject.detail.into_owned(),
        });
        let mut failures: Vec<Failure> = unread.collect();
        failures.extend(of(self.checks.judge(&batch, &append_time_ms), |row| indices[row]));
        failures.sort_by_key(|failure| failure.index);
        Ok(failures)
    }

    /// What rows of the source's schema would fail, if they were appended now.
    pub fn rows(&self, batch: &RecordBatch, now_ms: i64) -> Vec<Failure> {
        let mut failures = of(self.checks.judge(batch, &vec![now_ms; batch.num_rows()]), |row| row);
        failures.sort_by_key(|failure| failure.index);
        failures
    }
}

fn of(judged: Judged, index: impl Fn(usize) -> usize) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (row, code, rule, detail) in judged.faults.iter() {
        let (code, name, detail) = (Some(code), rule.unwrap_or_default().to_owned(), detail.to_owned());
        failures.push(Failure { index: index(row), verdict: Verdict::Rejected, code, name, detail });
    }
    let found = [(Verdict::Flagged, judged.findings.failed), (Verdict::Imputed, judged.findings.imputed)];
    for (verdict, found) in found {
        failures.extend(found.into_iter().map(|(row, name)| {
            let index = index(row);
            Failure { index, verdict, code: None, name: name.to_string(), detail: String::new() }
        }));
    }
    failures
}
