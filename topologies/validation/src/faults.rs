//! Everything that is wrong with the rows of a batch, collected column by column and told row by row.

use schemas::reject::{Code, Reject};

/// Faults of a batch's rows, in the order of the checks.
#[derive(Debug, Default)]
pub struct Faults {
    found: Vec<(usize, Code, String)>,
}

impl Faults {
    /// Notes a fault of a row.
    pub fn push(&mut self, row: usize, code: Code, detail: impl Into<String>) {
        self.found.push((row, code, detail.into()));
    }

    /// Whether nothing is wrong with any row.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All faults of row 0 as they were found; for batches of one row.
    pub fn into_reasons(self) -> Vec<Reject> {
        self.found.into_iter().map(|(_, code, detail)| Reject::new(code, detail)).collect()
    }

    /// One reject per bad row, rows rising. Its code is the first fault's; its detail names all faults.
    pub fn into_rejects(mut self) -> Vec<(usize, Reject)> {
        self.found.sort_by_key(|(row, ..)| *row);
        let mut rejects: Vec<(usize, Code, String)> = Vec::new();
        for (row, code, detail) in self.found {
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
