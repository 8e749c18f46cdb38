//! Schemas without namespaces. Avro resolves names unqualified, arrow-avro by their full name: a producer whose classes
//! lie in a namespace of its own would be refused.

use std::collections::BTreeSet;

use serde_json::Value;

/// The schema with every name unqualified; `None` if two of its types would then have the same name.
pub(super) fn unqualified(schema: &str) -> Option<String> {
    let mut schema: Value = serde_json::from_str(schema).ok()?;
    let mut defined = BTreeSet::new();
    strip(&mut schema, &mut defined)?;
    Some(schema.to_string())
}

/// Strips a schema in any position where one may stand.
fn strip(schema: &mut Value, defined: &mut BTreeSet<String>) -> Option<()> {
    match schema {
        Value::String(name) => shorten(name),
        Value::Array(variants) => variants.iter_mut().try_for_each(|variant| strip(variant, defined))?,
        Value::Object(object) => {
            let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
            if ["record", "enum", "fixed", "error"].contains(&kind) {
                object.remove("namespace");
                if let Some(Value::String(name)) = object.get_mut("name") {
                    shorten(name);
                    defined.insert(name.clone()).then_some(())?;
                }
                let aliases = object.get_mut("aliases").and_then(Value::as_array_mut);
                for alias in aliases.into_iter().flatten() {
                    strip(alias, defined)?;
                }
            }
            for part in ["type", "items", "values"] {
                if let Some(part) = object.get_mut(part) {
                    strip(part, defined)?;
                }
            }
            let fields = object.get_mut("fields").and_then(Value::as_array_mut);
            for field in fields.into_iter().flatten() {
                strip(field.get_mut("type")?, defined)?;
            }
        }
        _ => {}
    }
    Some(())
}

fn shorten(name: &mut String) {
    if let Some(dot) = name.rfind('.') {
        name.drain(..=dot);
    }
}
