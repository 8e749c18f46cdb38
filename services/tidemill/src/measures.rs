//! Measures of a model, for people and programs.

use serde_json::{Value, json};
use trainer::{Confusion, Metrics};

use crate::output::table;

/// Most classes whose confusion is shown to people; programs get it all.
const CLASSES_SHOWN_MAX: usize = 20;

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

/// What rows of each class were taken for: a line per label, a column per prediction.
pub fn confusion_text(confusion: Option<&Confusion>) -> String {
    let Some(Confusion { classes, rows }) = confusion else { return String::new() };
    if classes.len() > CLASSES_SHOWN_MAX {
        return format!("what the {} classes are taken for is told with --output json\n", classes.len());
    }
    let heading: Vec<&str> = std::iter::once("LABEL, TAKEN FOR").chain(classes.iter().map(String::as_str)).collect();
    let row = |(class, counts): (&String, &Vec<u64>)| {
        std::iter::once(class.clone()).chain(counts.iter().map(ToString::to_string)).collect()
    };
    table(&heading, &classes.iter().zip(rows).map(row).collect::<Vec<Vec<String>>>())
}

/// The same for programs; null where there are no more than two classes.
pub fn confusion_value(confusion: Option<&Confusion>) -> Value {
    confusion.map_or(Value::Null, |Confusion { classes, rows }| json!({ "classes": classes, "rows": rows }))
}
