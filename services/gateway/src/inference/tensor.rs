//! Tensors of a request as columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use serde::Deserialize;
use serde_json::Value;

/// Most rows in one request.
pub(super) const ROWS_MAX: usize = 10_000;

/// A tensor as the protocol writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    /// Values in rows, flat or as nested lists; null stands for a value that is missing.
    data: Value,
}

/// The columns that a model's inputs name: a tensor for each of them, or one matrix with all.
pub(super) fn columns(tensors: Vec<Tensor>, inputs: &[String]) -> Result<RecordBatch, String> {
    let columns = match &tensors[..] {
        [matrix] if matrix.shape.len() == 2 && matrix.shape[1] == inputs.len() && !inputs.contains(&matrix.name) => {
            taken_apart(matrix, inputs)?
        }
        _ => named(&tensors, inputs)?,
    };
    let rows = columns.iter().map(|(_, column)| column.len()).max().unwrap_or_default();
    if let Some((name, column)) = columns.iter().find(|(_, column)| column.len() != rows) {
        return Err(format!("input `{name}` has {} rows, and another one has {rows}", column.len()));
    }
    match rows {
        0 => Err("there are no rows".to_owned()),
        1..=ROWS_MAX => RecordBatch::try_from_iter(columns).map_err(|error| error.to_string()),
        _ => Err(format!("there are {rows} rows; at most {ROWS_MAX} are allowed")),
    }
}

type Columns<'a> = Vec<(&'a str, ArrayRef)>;

fn named<'a>(tensors: &[Tensor], inputs: &'a [String]) -> Result<Columns<'a>, String> {
    if let Some(unknown) = tensors.iter().find(|tensor| !inputs.contains(&tensor.name)) {
        let hint = match flow::config::nearest(&unknown.name, inputs.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the model reads {}", inputs.join(", ")),
        };
        return Err(format!("`{}` is no input of the model; {hint}", unknown.name));
    }
    let column = |name: &'a String| {
        let mut found = tensors.iter().filter(|tensor| tensor.name == *name);
        let tensor = found.next().ok_or_else(|| format!("input `{name}` is missing"))?;
        if found.next().is_some() {
            return Err(format!("input `{name}` is there twice"));
        }
        if !matches!(tensor.shape[..], [_] | [_, 1]) {
            return Err(format!("input `{name}` has the shape {:?}; write [rows] or [rows, 1]", tensor.shape));
        }
        Ok((name.as_str(), tensor.array(&tensor.flat()?)?))
    };
    inputs.iter().map(column).collect()
}

/// Each column of a matrix, in the order of the model's inputs.
fn taken_apart<'a>(matrix: &Tensor, inputs: &'a [String]) -> Result<Columns<'a>, String> {
    let values = matrix.flat()?;
    let column = |(at, name): (usize, &'a String)| {
        let values: Vec<&Value> = values.iter().copied().skip(at).step_by(inputs.len()).collect();
        Ok((name.as_str(), matrix.array(&values)?))
    };
    inputs.iter().enumerate().map(column).collect()
}

impl Tensor {
    /// The values in rows; as many as the shape says.
    fn flat(&self) -> Result<Vec<&Value>, String> {
        let mut values = Vec::new();
        flatten(&self.data, &mut values);
        let wanted = self.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if wanted == Some(values.len()) {
            return Ok(values);
        }
        Err(format!("tensor `{}` has the shape {:?} and {} values", self.name, self.shape, values.len()))
    }

    fn array(&self, values: &[&Value]) -> Result<ArrayRef, String> {
        Ok(match self.datatype.as_str() {
            "BOOL" => Arc::new(self.read(values, Value::as_bool)?.into_iter().collect::<BooleanArray>()),
            "INT8" | "INT16" | "INT32" | "INT64" | "UINT8" | "UINT16" | "UINT32" => {
                Arc::new(self.read(values, Value::as_i64)?.into_iter().collect::<Int64Array>())
            }
            "UINT64" => Arc::new(self.read(values, Value::as_u64)?.into_iter().collect::<UInt64Array>()),
            "FP16" | "FP32" | "FP64" => {
                Arc::new(self.read(values, Value::as_f64)?.into_iter().collect::<Float64Array>())
            }
            "BYTES" => Arc::new(self.read(values, Value::as_str)?.into_iter().collect::<StringArray>()),
            other => return Err(format!("tensor `{}` has the datatype {other}, which the protocol lacks", self.name)),
        })
    }

    fn read<'a, T>(
        &self,
        values: &[&'a Value],
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Vec<Option<T>>, String> {
        let one = |(at, value): (usize, &&'a Value)| {
            let value: &'a Value = value;
            match (value.is_null(), read(value)) {
                (true, _) => Ok(None),
                (false, Some(value)) => Ok(Some(value)),
                (false, None) => Err(format!("value {at} of tensor `{}` is {value}, no {}", self.name, self.datatype)),
            }
        };
        values.iter().enumerate().map(one).collect()
    }
}

fn flatten<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        value => into.push(value),
    }
}
