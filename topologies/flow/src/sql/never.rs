//! Conditions that are true for no row at all: constants, and bounds that contradict each other.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::intervals::utils::check_support;
use datafusion::physical_expr::{AnalysisContext, ExprBoundaries, analyze};

use super::{ENGINE, Error};

/// Whether a condition over the columns of a schema is true for no row. What cannot be found out counts as "no".
pub fn is_never_true(sql: &str, schema: &SchemaRef) -> Result<bool, Error> {
    let columns = DFSchema::try_from(schema.as_ref().clone())?;
    let logical = ENGINE.parse_sql_expr(sql, &columns)?;
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(columns.clone())).build());
    let logical = simplifier.simplify(simplifier.coerce(logical, &columns)?)?;
    if let Expr::Literal(value, _) = &logical {
        return Ok(!matches!(value, ScalarValue::Boolean(Some(true))));
    }
    let physical = ENGINE.create_physical_expr(logical, &columns)?;
    let bounded = physical.data_type(schema)? == DataType::Boolean && check_support(&physical, schema);
    if !bounded {
        return Ok(false);
    }
    // Where the analysis knows no way it says so by an error, which is no answer either.
    let Ok(bounds) = ExprBoundaries::try_new_unbounded(schema) else { return Ok(false) };
    let Ok(found) = analyze(&physical, AnalysisContext::new(bounds), schema) else { return Ok(false) };
    Ok(found.boundaries.iter().any(|bound| bound.interval.is_none()))
}
