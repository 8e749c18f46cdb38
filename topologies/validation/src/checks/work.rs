//! Rows while they are judged: their values so far, and what was found.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use flow::config::OnFail;
use schemas::reject::Code;

use crate::faults::Faults;

/// A batch and what was found in it so far. Checks see the values that earlier ones put in place of others.
#[derive(Debug)]
pub struct Work {
    /// The rows with their values so far.
    pub batch: RecordBatch,
    /// Why rows are rejected.
    pub faults: Faults,
    /// What was found in rows that go on.
    pub findings: Findings,
}

impl Work {
    /// Rows in which nothing was found yet.
    pub fn new(batch: RecordBatch) -> Self {
        Work { batch, faults: Faults::default(), findings: Findings::default() }
    }
}

/// What was found in rows and did not reject them: names with rows, in the order of the checks.
#[derive(Debug, Default)]
pub struct Findings {
    /// Rules that failed.
    pub failed: Vec<(usize, Arc<str>)>,
    /// Columns whose values were replaced.
    pub imputed: Vec<(usize, Arc<str>)>,
}

impl Findings {
    /// Whether all rows are as their producers sent them, and failed nothing.
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.imputed.is_empty()
    }

    /// Keeps what was found in rows without faults, each name once: a column may be replaced by one rule after the other.
    pub fn settle(&mut self, faults: &Faults) {
        if self.is_empty() {
            return;
        }
        let rejected = faults.rows();
        for found in [&mut self.failed, &mut self.imputed] {
            let mut seen = BTreeSet::new();
            found.retain(|one| rejected.binary_search(&one.0).is_err() && seen.insert(one.clone()));
        }
    }

    /// Names row by row: those of row 0, of row 1, and so on.
    pub fn by_row(found: &[(usize, Arc<str>)], rows: usize) -> Vec<Vec<&str>> {
        let mut names = vec![Vec::new(); rows];
        found.iter().for_each(|(row, name)| names[*row].push(&**name));
        names
    }
}

/// Rows that fail one rule.
#[derive(Debug)]
pub enum Failing {
    /// They are rejected, so what is wrong with each is said.
    Rejected(Faults),
    /// They go on.
    Passed(Vec<usize>),
}

impl Failing {
    /// None yet, of a rule that does this with them.
    pub fn new(on_fail: OnFail) -> Self {
        match on_fail {
            OnFail::Reject => Failing::Rejected(Faults::default()),
            OnFail::Flag | OnFail::Impute => Failing::Passed(Vec::new()),
        }
    }

    /// Notes a row; words are made where somebody reads them.
    pub fn push(&mut self, row: usize, code: Code, rule: &Arc<str>, detail: impl FnOnce() -> String) {
        match self {
            Failing::Rejected(faults) => faults.push_rule(row, code, rule, detail()),
            Failing::Passed(rows) => rows.push(row),
        }
    }

    /// Notes them all with what was found, and gives those that go on, rising.
    pub fn end(self, rule: &Arc<str>, work: &mut Work) -> Vec<usize> {
        match self {
            Failing::Rejected(faults) => {
                work.faults.append(faults);
                Vec::new()
            }
            Failing::Passed(mut rows) => {
                rows.sort_unstable();
                rows.dedup();
                work.findings.failed.extend(rows.iter().map(|row| (*row, rule.clone())));
                rows
            }
        }
    }
}
