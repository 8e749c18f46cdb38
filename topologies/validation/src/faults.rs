//! Everything that is wrong with the rows of a batch, collected column by column and told row by row.

use std::sync::Arc;

use schemas::reject::{Code, Reject};

/// Faults of a batch's rows, in the order of the checks.
#[derive(Debug, Default)]
pub struct Faults {
    found: Vec<Fault>,
}

/// What is wrong with one row.
#[derive(Debug)]
struct Fault {
    row: usize,
    code: Code,
    /// The rule that says so, if it is one.
    rule: Option<Arc<str>>,
    detail: String,
}

impl Faults {
    /// Notes a fault of a row.
    pub fn push(&mut self, row: usize, code: Code, detail: impl Into<String>) {
        self.found.push(Fault { row, code, rule: None, detail: detail.into() });
    }

    /// Notes a fault that a rule found.
    pub fn push_rule(&mut self, row: usize, code: Code, rule: &Arc<str>, detail: impl Into<String>) {
        self.found.push(Fault { row, code, rule: Some(rule.clone()), detail: detail.into() });
    }

    /// All faults: row, code, rule, detail.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Code, Option<&str>, &str)> {
        self.found.iter().map(|Fault { row, code, rule, detail }| (*row, *code, rule.as_deref(), detail.as_str()))
    }

    /// Whether nothing is wrong with any row.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Notes other faults behind these.
    pub fn append(&mut self, mut other: Faults) {
        self.found.append(&mut other.found);
    }

    /// The rows with faults, rising.
    pub fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.found.iter().map(|fault| fault.row).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// All faults of row 0 as they were found; for batches of one row.
    pub fn into_reasons(self) -> Vec<Reject> {
        self.found.into_iter().map(|Fault { code, detail, .. }| Reject::new(code, detail)).collect()
    }

    /// One reject per bad row, rows rising. Its code is the first fault's; its detail names all faults.
    pub fn into_rejects(mut self) -> Vec<(usize, Reject)> {
        self.found.sort_by_key(|fault| fault.row);
        let mut rejects: Vec<(usize, Code, String)> = Vec::new();
        for Fault { row, code, detail, .. } in self.found {
            match rejects.last_mut() {
                Some((last, _, text)) if *last == row => {
                    text.push_str(&format!("; {code}: {detail}"));
                }
                _ => rejects.push((row, code, detail)),
            }
        }
        rejects.into_iter().map(|(row, code, detail)| (row, Reject::new(code, detail))).collect()
    }
}

/// All that is wrong with one record, told like the faults of a row.
pub fn joined(reasons: Vec<Reject>) -> Reject {
    let mut reasons = reasons.into_iter();
    let first = reasons.next().unwrap_or_else(|| Reject::new(Code::JsonSyntax, "the value cannot be read"));
    reasons.fold(first, |Reject { code, detail }, next| Reject::new(code, format!("{detail}; {next}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_fault_gives_the_code_and_all_give_the_detail() {
        let mut faults = Faults::default();
        faults.push(4, Code::FieldNan, "amount is NaN");
        faults.push(1, Code::FieldRange, "amount is -1, below 0");
        faults.push(4, Code::RuleFailed, "rule `a` is null");
        let rejects = faults.into_rejects();
        assert_eq!(rejects.len(), 2);
        assert_eq!(rejects[0], (1, Reject::new(Code::FieldRange, "amount is -1, below 0")));
        assert_eq!(rejects[1], (4, Reject::new(Code::FieldNan, "amount is NaN; RULE_FAILED: rule `a` is null")));
    }
}
