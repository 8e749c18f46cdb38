//! Conditions in SQL: true lets a row pass; false and a failing evaluation do not, and null as the rule says.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use flow::config::OnFail;
use flow::sql::Expression;
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

    /// Checks all rows at once, and one by one if the batch as a whole cannot be evaluated: a row's verdict never depends
    /// on its neighbours.
    pub fn check(&self, work: &mut Work) {
        let mut found = Failing::new(self.on_fail);
        match self.check.evaluate(&work.batch) {
            Ok(values) => {
                let values = values.as_boolean();
                if values.null_count() == 0 && values.true_count() == values.len() {
                    return;
                }
                (0..values.len()).for_each(|row| self.verdict(row, (values, row), &mut found));
            }
            Err(_) => self.check_alone(work, &mut found),
        }
        let rows = found.end(&self.name, work);
        if self.on_fail == OnFail::Impute {
            self.imputes.iter().for_each(|impute| impute.apply(&rows, work));
        }
    }

    fn check_alone(&self, work: &mut Work, found: &mut Failing) {
        for row in 0..work.batch.num_rows() {
            match self.check.evaluate(&work.batch.slice(row, 1)) {
                Ok(values) => self.verdict(row, (values.as_boolean(), 0), found),
                Err(error) => {
                    let detail = format!("rule `{}` cannot be computed: {}", self.name, error.detail);
                    work.faults.push_rule(row, Code::RuleError, &self.name, detail);
                }
            }
        }
    }

    fn verdict(&self, row: usize, (values, at): (&BooleanArray, usize), found: &mut Failing) {
        if values.is_null(at) {
            if !self.null_passes {
                found.push(row, Code::RuleFailed, &self.name, || format!("rule `{}` is null", self.name));
            }
        } else if !values.value(at) {
            found.push(row, Code::RuleFailed, &self.name, || format!("rule `{}` is false", self.name));
        }
    }
}
