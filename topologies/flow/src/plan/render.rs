//! Schemas as text for people and for golden files: fields in the order a reader of Avro expects, whatever order the
//! JSON library keeps.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Keys of Avro in reading order; others follow by name.
const KEY_ORDER: &[&str] =
    &["type", "logicalType", "name", "namespace", "doc", "default", "symbols", "items", "values", "fields"];

/// Keys of a record's field: here the name comes first.
const FIELD_KEY_ORDER: &[&str] = &["name", "doc", "type", "default"];

/// Objects up to this width stay on one line.
const LINE_CHARS_MAX: usize = 100;

/// A schema as JSON text, the same for equal schemas, ending in a newline.
pub fn schema_text(schema: &Value) -> String {
    let mut text = String::new();
    write(&mut text, schema, 0, KEY_ORDER);
    text.push('\n');
    text
}

fn write(text: &mut String, value: &Value, depth: usize, order: &[&str]) {
    let line = one_line(value, order);
    if line.chars().count() + 2 * depth <= LINE_CHARS_MAX {
        text.push_str(&line);
        return;
    }
    let indent = |text: &mut String, depth: usize| {
        text.push('\n');
        (0..depth).for_each(|_| text.push_str("  "));
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    match value {
        Value::Object(map) => {
            text.push(open);
            for (index, (key, inner)) in sorted(map, order).into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                indent(text, depth + 1);
                // Writing to a string cannot fail.
                let _ = write!(text, "{}: ", Value::from(&**key));
                write(text, inner, depth + 1, order_below(key));
            }
        }
        Value::Array(items) => {
            text.push(open);
            for (index, inner) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                indent(text, depth + 1);
                write(text, inner, depth + 1, order);
            }
        }
        scalar => {
            let _ = write!(text, "{scalar}");
            return;
        }
    }
    indent(text, depth);
    text.push(close);
}

fn one_line(value: &Value, order: &[&str]) -> String {
    match value {
        Value::Object(map) => {
            let entries = sorted(map, order).into_iter();
            let entry = |(key, inner): (&String, &Value)| {
                format!("{}: {}", Value::from(&**key), one_line(inner, order_below(key)))
            };
            format!("{{{}}}", entries.map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| one_line(item, order)).collect::<Vec<_>>();
            format!("[{}]", items.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn order_below(key: &str) -> &'static [&'static str] {
    if key == "fields" { FIELD_KEY_ORDER } else { KEY_ORDER }
}

fn sorted<'v>(map: &'v Map<String, Value>, order: &[&str]) -> Vec<(&'v String, &'v Value)> {
    let rank = |key: &str| order.iter().position(|known| *known == key).unwrap_or(order.len());
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| (rank(key), *key));
    entries
}
