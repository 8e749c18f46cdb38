//! Conditions in SQL: true lets a row pass; false, null and a failing evaluation do not.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use flow::sql::Expression;
use schemas::reject::Code;

use crate::faults::Faults;
use crate::rules::Condition;
use crate::source::{Error, Source};

/// Compiles a condition over a source's columns.
pub fn compile(source: &Source, condition: &Condition) -> Result<(String, Expression), Error> {
    let wrong = |detail: String| Error::Rule { topic: source.topic.to_string(), name: condition.name.clone(), detail };
    let expression = Expression::compile(&condition.check, &source.schema).map_err(|error| wrong(error.detail))?;
    if expression.returns() != &DataType::Boolean {
        return Err(wrong(format!("`{}` is {}, not true or false", condition.check, expression.returns())));
    }
    Ok((condition.name.clone(), expression))
}

/// Checks all rows at once, and one by one if the batch as a whole cannot be evaluated: a row's verdict never depends on
/// its neighbours.
pub fn check(name: &str, expression: &Expression, batch: &RecordBatch, faults: &mut Faults) {
    match expression.evaluate(batch) {
        Ok(values) => {
            let values = values.as_boolean();
            if values.null_count() == 0 && values.true_count() == values.len() {
                return;
            }
            for row in 0..values.len() {
                verdict(name, row, values.is_valid(row).then(|| values.value(row)), faults);
            }
        }
        Err(error) if batch.num_rows() == 1 => {
            faults.push(0, Code::RuleError, format!("rule `{name}` cannot be computed: {}", error.detail));
        }
        Err(_) => check_alone(name, expression, batch, faults),
    }
}

fn check_alone(name: &str, expression: &Expression, batch: &RecordBatch, faults: &mut Faults) {
    for row in 0..batch.num_rows() {
        match expression.evaluate(&batch.slice(row, 1)) {
            Ok(values) => {
                let values = values.as_boolean();
                verdict(name, row, values.is_valid(0).then(|| values.value(0)), faults);
            }
            Err(error) => {
                let detail = format!("rule `{name}` cannot be computed: {}", error.detail);
                faults.push(row, Code::RuleError, detail);
            }
        }
    }
}

fn verdict(name: &str, row: usize, value: Option<bool>, faults: &mut Faults) {
    match value {
        Some(true) => {}
        Some(false) => faults.push(row, Code::RuleFailed, format!("rule `{name}` is false")),
        None => faults.push(row, Code::RuleFailed, format!("rule `{name}` is null")),
    }
}
