//! Measures of a model, for people and programs.

use serde_json::{Value, json};
use trainer::Metrics;

use crate::output::table;

/// A table with intervals.
pub fn text(metrics: &Metrics) -> String {
    let number = |value: f64| if value.is_finite() { format!("{value:.4}") } else { "-".to_owned() };
    let row = |(name, metric): (&String, &model::Metric)| {
        vec![name.clone(), number(metric.value), number(metric.low), number(metric.high)]
    };
    table(&["MEASURE", "VALUE", "FROM", "TO (95 %)"], &metrics.iter().map(row).collect::<Vec<_>>())
}

/// By name; what is no number is null.
pub fn value(metrics: &Metrics) -> Value {
    let row = |(name, metric): (&String, &model::Metric)| {
        (name.clone(), json!({ "value": metric.value, "low": metric.low, "high": metric.high }))
    };
    Value::Object(metrics.iter().map(row).collect())
}
