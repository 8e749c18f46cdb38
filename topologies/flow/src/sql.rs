//! Rules and row expressions: SQL text, compiled once to a DataFusion physical expression over a source's columns.

mod apart;
mod never;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::prelude::SessionContext;
use std::sync::{Arc, LazyLock};

pub use apart::apart;
pub use never::is_never_true;

/// All functions by name. Making it takes longer than all compiling.
static ENGINE: LazyLock<SessionContext> = LazyLock::new(SessionContext::new);

/// Why a piece of SQL cannot be used, or failed on a batch.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// What DataFusion says, first line only.
    pub detail: String,
}

impl Error {
    fn first_line(text: &str) -> Self {
        Error { detail: text.lines().next().unwrap_or_default().to_owned() }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Error::first_line(&error.to_string())
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Error::first_line(&error.to_string())
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    physical: Arc<dyn PhysicalExpr>,
    returns: DataType,
}

impl Expression {
    /// Compiles SQL over the columns of a schema. Volatile functions are refused: a replay could not repeat them.
    pub fn compile(sql: &str, schema: &SchemaRef) -> Result<Self, Error> {
        let columns = DFSchema::try_from(schema.as_ref().clone())?;
        let logical = ENGINE.parse_sql_expr(sql, &columns)?;
        if !repeatable(&logical)? {
            return Err(Error {
                detail: format!("`{sql}` calls a function whose result is not the same at every run"),
            });
        }
        let physical = ENGINE.create_physical_expr(logical, &columns)?;
        let returns = physical.data_type(schema)?;
        Ok(Expression { physical, returns })
    }

    /// Places in the schema of the columns it reads, ascending.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = collect_columns(&self.physical).iter().map(Column::index).collect();
        columns.sort_unstable();
        columns
    }

    /// The type of its values.
    pub fn returns(&self) -> &DataType {
        &self.returns
    }

    /// Whether [`Expression::doubles`] can make numbers of its values: not of texts, which would all become null.
    pub fn is_number(&self) -> bool {
        let is_text = match &self.returns {
            DataType::Dictionary(_, values) => values.is_string(),
            returns => returns.is_string(),
        };
        !is_text && can_cast_types(&self.returns, &DataType::Float64)
    }

    /// Its value for every row.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, Error> {
        Ok(self.physical.evaluate(batch)?.into_array(batch.num_rows())?)
    }

    /// Its value for every row as a nullable double; a truth value counts as 0 or 1.
    pub fn doubles(&self, batch: &RecordBatch) -> Result<Float64Array, Error> {
        let values = self.evaluate(batch)?;
        let values = if values.data_type() == &DataType::Boolean { cast(&values, &DataType::Int8)? } else { values };
        let doubles = cast(&values, &DataType::Float64)?;
        let doubles = doubles.as_any().downcast_ref::<Float64Array>().cloned();
        doubles.ok_or_else(|| Error { detail: format!("{} is not a number", self.returns) })
    }
}

/// The columns of a schema that expressions compiled over it read.
pub fn read<'e>(expressions: impl IntoIterator<Item = &'e Expression>, schema: &Schema) -> SchemaRef {
    let mut columns: Vec<usize> = expressions.into_iter().flat_map(Expression::columns).collect();
    columns.sort_unstable();
    columns.dedup();
    Arc::new(Schema::new(columns.into_iter().map(|at| schema.fields()[at].clone()).collect::<Vec<_>>()))
}

/// Whether a replay would get the same values: only functions of their arguments alone, so neither `random` nor `now`.
fn repeatable(logical: &Expr) -> Result<bool, DataFusionError> {
    let moody = logical.exists(|part| {
        Ok(matches!(part, Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable))
    })?;
    Ok(!moody)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::TimestampMillisecondArray;
    use arrow::datatypes::{Field, TimeUnit};

    fn batch() -> RecordBatch {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
        let schema = Schema::new(vec![
            Field::new("amount", DataType::Float64, true),
            Field::new("event_time", time.clone(), false),
        ]);
        // 2018-06-22 is a Friday, 2018-06-24 a Sunday.
        let times = TimestampMillisecondArray::from(vec![1_529_683_140_000, 1_529_803_140_000, 1_529_806_740_000]);
        let amounts = Float64Array::from(vec![Some(1.5), None, Some(-2.0)]);
        let times = times.with_data_type(time);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(amounts), Arc::new(times)]).unwrap()
    }

    #[track_caller]
    fn check(sql: &str, expected: &[Option<f64>]) {
        let batch = batch();
        let expression = Expression::compile(sql, &batch.schema()).unwrap();
        assert_eq!(expression.doubles(&batch).unwrap().iter().collect::<Vec<_>>(), expected, "{sql}");
    }

    #[test]
    fn expressions_become_doubles() {
        check("amount >= 0 and amount < 100000", &[Some(1.0), None, Some(0.0)]);
        check("extract(dow from event_time) in (0, 6)", &[Some(0.0), Some(1.0), Some(1.0)]);
        check("extract(hour from event_time)", &[Some(15.0), Some(1.0), Some(2.0)]);
    }

    #[test]
    fn texts_are_no_numbers() {
        let schema = batch().schema();
        let of = |sql: &str| Expression::compile(sql, &schema).unwrap().is_number();
        for number in ["amount", "amount > 1", "1", "cast(amount as decimal(10, 2))", "extract(dow from event_time)"] {
            assert!(of(number), "{number}");
        }
        for other in ["'DE'", "cast(amount as varchar)", "arrow_cast('a', 'Dictionary(Int32, Utf8)')", "[amount]"] {
            assert!(!of(other), "{other}");
        }
    }

    #[test]
    fn mistakes_and_volatile_functions_are_refused() {
        let schema = batch().schema();
        assert!(Expression::compile("amonut > 1", &schema).unwrap_err().detail.contains("amonut"));
        assert!(Expression::compile("now() > event_time", &schema).is_err());
        assert!(Expression::compile("amount >", &schema).is_err());
    }
}
