//! Which lines are wanted.

use serde_json::Value;

/// Conditions on fields; all must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    conditions: Vec<(String, String)>,
}

impl Filter {
    /// A filter of fields with their values as text.
    pub fn new(conditions: &[(String, String)]) -> Self {
        Self { conditions: conditions.to_vec() }
    }

    /// Whether a line is wanted. A field is named by its path (`event.amount`); fields of the record's value and of an
    /// item's event, features, label and prediction may be named without it.
    pub fn wants(&self, line: &Value) -> bool {
        self.conditions.iter().all(|(field, wanted)| find(line, field).is_some_and(|found| is(found, wanted)))
    }
}

fn find<'v>(line: &'v Value, field: &str) -> Option<&'v Value> {
    let parts = ["value", "event", "features", "label", "prediction"];
    let inside = || parts.iter().find_map(|part| path(line.get(*part)?, field));
    path(line, field).or_else(inside)
}

fn path<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    if let Some(found) = value.get(field) {
        return Some(found);
    }
    let (first, rest) = field.split_once('.')?;
    path(value.get(first)?, rest)
}

fn is(found: &Value, wanted: &str) -> bool {
    match found {
        Value::String(text) => text == wanted,
        // `1` finds 1.0 and `1e2` finds 100.
        Value::Number(number) => {
            number.to_string() == wanted || wanted.parse::<f64>().is_ok_and(|wanted| number.as_f64() == Some(wanted))
        }
        // True, false and null as JSON writes them; of lists and objects nothing is asked.
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Null => wanted == "null",
        Value::Array(_) | Value::Object(_) => false,
    }
}
