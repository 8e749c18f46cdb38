//! A field of a struct that is not there is null. The engine's own access gives what happens to lie in its place.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::functions::core::get_field;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, when};
use datafusion::optimizer::AnalyzerRule;

/// Takes fields only of structs that are there.
#[derive(Debug)]
pub struct FieldsOfNulls;

impl AnalyzerRule for FieldsOfNulls {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let guarded = plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let guarded = expr.transform_up(guarded)?;
                Ok(guarded.update_data(|expr| name.restore(expr)))
            })
        });
        Ok(guarded?.data)
    }

    fn name(&self) -> &str {
        "fields_of_nulls"
    }
}

fn guarded(expr: Expr) -> Result<Transformed<Expr>> {
    match &expr {
        Expr::ScalarFunction(call) if call.func == get_field() && !call.args.is_empty() => {
            let parent = call.args[0].clone();
            Ok(Transformed::yes(when(parent.is_not_null(), expr).end()?))
        }
        _ => Ok(Transformed::no(expr)),
    }
}
