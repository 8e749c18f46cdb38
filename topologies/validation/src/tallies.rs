//! How many records ended how, and why: for metrics, not for the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::reject::Reject;

use crate::checks::Findings;

/// What became of records that failed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// They are dead letters, by code.
    Rejected,
    /// They went on, by rule.
    Flagged,
    /// They went on with another value, by field.
    Imputed,
}

impl Verdict {
    /// As metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Rejected => "rejected",
            Verdict::Flagged => "flagged",
            Verdict::Imputed => "imputed",
        }
    }
}

/// Counts since they were last taken.
pub type Counts = BTreeMap<(Verdict, Arc<str>), u64>;

/// Counts by verdict and name.
#[derive(Debug, Default)]
pub struct Tallies(Counts);

impl Tallies {
    /// Counts what was found in accepted rows, which rise, and what was rejected.
    pub fn add(&mut self, accepted: &[u32], findings: &Findings, dead: &[(usize, Reject)]) {
        let is_in = |row: &usize| accepted.binary_search(&(*row as u32)).is_ok();
        for (verdict, found) in [(Verdict::Flagged, &findings.failed), (Verdict::Imputed, &findings.imputed)] {
            found.iter().filter(|(row, _)| is_in(row)).for_each(|(_, name)| self.one(verdict, name.clone()));
        }
        dead.iter().for_each(|(_, reject)| self.one(Verdict::Rejected, reject.code.as_str().into()));
    }

    fn one(&mut self, verdict: Verdict, name: Arc<str>) {
        *self.0.entry((verdict, name)).or_default() += 1;
    }

    /// All counts, which begin anew.
    pub fn take(&mut self) -> Counts {
        std::mem::take(&mut self.0)
    }
}
