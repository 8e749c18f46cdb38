//! Conditions in SQL: true lets a row pass; false and a failing evaluation do not, and null as the rule says.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use flow::config::OnFail;
use flow::sql::{Expression, apart};
use schemas::reject::Code;

use super::impute::Imputing;
use super::work::{Failing, Work};
use crate::rules::Condition;
use crate::source::{Error, Source};

/// A compiled condition.
#[derive(Debug)]
pub struct Rule {
    name: Arc<str>,
    check: Expression,
    on_fail: OnFail,
    null_passes: bool,
    imputes: Vec<Imputing>,
}

impl Rule {
    /// Compiles a condition over a source's columns.
    pub fn compile(source: &Source, condition: &Condition) -> Result<Self, Error> {
        let wrong =
            |detail: String| Error::Rule { topic: source.topic.to_string(), name: condition.name.clone(), detail };
        let check = Expression::compile(&condition.check, &source.schema).map_err(|error| wrong(error.detail))?;
        if check.returns() != &DataType::Boolean {
            return Err(wrong(format!("`{}` is {}, not true or false", condition.check, check.returns())));
        }
        let imputes = condition.imputes.iter().map(|(column, sql)| Imputing::compile(source, column, sql));
        Ok(Rule {
            name: condition.name.as_str().into(),
            check,
            on_fail: condition.on_fail,
            null_passes: condition.null_passes,
            imputes: imputes.collect::<Result<_, _>>()?,
        })
    }

    /// Checks all rows. Those that the condition cannot be computed for are rejected, whatever the rule says of others.
    pub fn check(&self, work: &mut Work) {
        let mut found = Failing::new(self.on_fail);
        apart(
            &work.batch,
            |part| self.check.evaluate(part),
            |first, values| match values {
                Ok(values) => self.verdicts(first, values.as_boolean(), &mut found),
                Err(error) => {
                    let detail = format!("rule `{}` cannot be computed: {}", self.name, error.detail);
                    work.faults.push_rule(first, Code::RuleError, &self.name, detail);
                }
            },
        );
        let rows = found.end(&self.name, work);
        if self.on_fail == OnFail::Impute {
            self.imputes.iter().for_each(|impute| impute.apply(&rows, work));
        }
    }

    /// What the condition gave for the rows from `first` on.
    fn verdicts(&self, first: usize, values: &BooleanArray, found: &mut Failing) {
        if values.null_count() == 0 && values.true_count() == values.len() {
            return;
        }
        for (row, value) in (first..).zip(values) {
            let why = match value {
                Some(true) => continue,
                None if self.null_passes => continue,
                Some(false) => "false",
                None => "null",
            };
            found.push(row, Code::RuleFailed, &self.name, || format!("rule `{}` is {why}", self.name));
        }
    }
}
