//! Rows while they are judged: their values so far, and what was found.

use std::sync::Arc;

use arrow::array::RecordBatch;

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

    /// Names row by row: those of row 0, of row 1, and so on.
    pub fn by_row(found: &[(usize, Arc<str>)], rows: usize) -> Vec<Vec<&str>> {
        let mut names = vec![Vec::new(); rows];
        for (row, name) in found {
            // A column may be replaced twice, by one rule after the other.
            if !names[*row].contains(&&**name) {
                names[*row].push(&**name);
            }
        }
        names
    }
}
