//! Checks of single columns: finite numbers, bounds, allowed values, nulls.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type};
use flow::config::OnFail;
use schemas::key::key_text;
use schemas::reject::Code;

use super::impute::Imputing;
use super::work::{Failing, Work};
use crate::columns::doubles;
use crate::faults::Faults;
use crate::rules::Bound;
use crate::source::{Error, Source};

/// Limits on one column.
#[derive(Debug)]
pub struct Limits {
    column: usize,
    name: String,
    min: f64,
    max: f64,
    allowed: Option<BTreeSet<String>>,
    required: bool,
    on_fail: OnFail,
    /// What events carry that are out of bounds and go on.
    rule: Arc<str>,
    impute_null: bool,
    impute: Option<Imputing>,
}

impl Limits {
    /// Looks the column up and makes sure that the limits can apply to it.
    pub fn compile(source: &Source, bound: &Bound) -> Result<Self, Error> {
        let wrong = |detail: &str| Error::Column {
            topic: source.topic.to_string(),
            column: bound.column.clone(),
            role: "bounded field",
            detail: detail.to_owned(),
        };
        let found = source.schema.fields().find(&bound.column);
        let (column, field) = found.ok_or_else(|| wrong("the schema has no such field"))?;
        let ranged = bound.min.is_some() || bound.max.is_some();
        if ranged && !field.data_type().is_numeric() {
            return Err(wrong("only numbers have a range"));
        }
        if bound.allowed.is_some() && !schemas::key::is_key_type(field.data_type()) {
            return Err(wrong("only texts, integers and booleans have a list of allowed values"));
        }
        Ok(Limits {
            column,
            name: bound.column.clone(),
            min: bound.min.unwrap_or(f64::NEG_INFINITY),
            max: bound.max.unwrap_or(f64::INFINITY),
            allowed: bound.allowed.as_ref().map(|allowed| allowed.iter().cloned().collect()),
            required: bound.required,
            on_fail: bound.on_fail,
            rule: format!("fields.{}", bound.column).into(),
            impute_null: bound.impute_null,
            impute: bound.impute.as_ref().map(|sql| Imputing::compile(source, &bound.column, sql)).transpose()?,
        })
    }

    /// Replaces what is no value, where that is declared.
    pub fn fill(&self, work: &mut Work) {
        if let (true, Some(impute)) = (self.impute_null, &self.impute) {
            let array = work.batch.column(self.column).clone();
            let missing = |row: &usize| array.is_null(*row) || !finite(&array, *row);
            impute.apply(&(0..array.len()).filter(missing).collect::<Vec<_>>(), work);
        }
    }

    /// Checks all rows.
    pub fn check(&self, work: &mut Work) {
        let array = work.batch.column(self.column).clone();
        if self.required && array.null_count() > 0 {
            let nulls = (0..array.len()).filter(|row| array.is_null(*row));
            nulls.for_each(|row| {
                work.faults.push_rule(row, Code::FieldNull, &self.rule, format!("{} is null", self.name));
            });
        }
        let mut found = Failing::new(self.on_fail);
        if self.min > f64::NEG_INFINITY || self.max < f64::INFINITY {
            self.check_range(&array, &mut found);
        }
        if let Some(allowed) = &self.allowed {
            self.check_allowed(&array, allowed, &mut found);
        }
        let rows = found.end(&self.rule, work);
        if let (OnFail::Impute, Some(impute)) = (self.on_fail, &self.impute) {
            impute.apply(&rows, work);
        }
    }

    fn check_range(&self, array: &dyn Array, found: &mut Failing) {
        let Some(values) = doubles(array) else { return };
        // NaN compares as neither; it has its own check.
        for (row, value) in values.iter().enumerate() {
            let is_below = *value < self.min;
            if (is_below || *value > self.max) && array.is_valid(row) {
                found.push(row, Code::FieldRange, &self.rule, || match is_below {
                    true => format!("{} is {value}, below the minimum {}", self.name, self.min),
                    false => format!("{} is {value}, above the maximum {}", self.name, self.max),
                });
            }
        }
    }

    fn check_allowed(&self, array: &dyn Array, allowed: &BTreeSet<String>, found: &mut Failing) {
        let mut text = String::new();
        for row in 0..array.len() {
            text.clear();
            if key_text(array, row, &mut text).is_some() && !allowed.contains(&text) {
                found.push(row, Code::FieldEnum, &self.rule, || {
                    format!("{} is {text:?}, which is not among the {} allowed values", self.name, allowed.len())
                });
            }
        }
    }
}

/// Refuses NaN and infinities in a float column.
pub fn check_finite(batch: &RecordBatch, column: usize, faults: &mut Faults) {
    let array = batch.column(column);
    let mut fault = |row: usize, value: f64| {
        if array.is_valid(row) {
            let name = batch.schema_ref().field(column).name();
            faults.push(row, Code::FieldNan, format!("{name} is {value}"));
        }
    };
    if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        let odd = doubles.values().iter().enumerate().filter(|(_, value)| !value.is_finite());
        odd.for_each(|(row, value)| fault(row, *value));
    } else if let Some(floats) = array.as_primitive_opt::<Float32Type>() {
        let odd = floats.values().iter().enumerate().filter(|(_, value)| !value.is_finite());
        odd.for_each(|(row, value)| fault(row, f64::from(*value)));
    }
}

/// Whether a value is none that calculations refuse: neither NaN nor infinite.
pub fn finite(array: &dyn Array, row: usize) -> bool {
    if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        return doubles.is_null(row) || doubles.value(row).is_finite();
    }
    array.as_primitive_opt::<Float32Type>().is_none_or(|floats| floats.is_null(row) || floats.value(row).is_finite())
}
