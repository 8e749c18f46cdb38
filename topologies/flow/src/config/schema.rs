//! Source schemas: as much of Avro as the checks need. The codec reads the rest.

use serde_json::Value;

use super::problem::{BAD_SCHEMA, Problems};
use super::types::{Column, ColumnKind, SourceSchema};
use super::values::Text;

/// Loads and reads the schema named in the file. With no usable schema the result has no columns, and checks against
/// it are left out.
pub(super) fn load(path: &Text, resolve: super::Resolve<'_>, problems: &mut Problems) -> SourceSchema {
    let mut schema =
        SourceSchema { path: path.text.clone(), full_name: String::new(), json: Value::Null, columns: Vec::new() };
    if path.text.is_empty() {
        return schema;
    }
    let read = resolve(&path.text).map_err(|error| format!("schema `{}`: {error}", path.text)).and_then(|text| {
        let broken = |error| format!("schema `{}` is not JSON: {error}", path.text);
        let json: Value = serde_json::from_str(&text).map_err(broken)?;
        let unusable = |error| format!("schema `{}` {error}", path.text);
        let (full_name, columns) = record(&json).map_err(unusable)?;
        Ok((full_name, columns, json))
    });
    match read {
        Ok((full_name, columns, json)) => {
            schema.full_name = full_name;
            schema.columns = columns;
            schema.json = json;
        }
        Err(message) => problems.add(BAD_SCHEMA, path.span, message),
    }
    schema
}

/// The columns of an Avro record.
///
/// # Errors
///
/// What is wrong with it, to follow its name.
pub fn columns(json: &Value) -> Result<Vec<Column>, String> {
    record(json).map(|(_, columns)| columns)
}

fn record(json: &Value) -> Result<(String, Vec<Column>), String> {
    if json["type"] != "record" {
        return Err("must be an Avro record".to_owned());
    }
    let name = json["name"].as_str().ok_or("has a record without a name")?;
    let full_name = match json["namespace"].as_str() {
        Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    };
    let fields = json["fields"].as_array().filter(|fields| !fields.is_empty());
    let fields = fields.ok_or("has a record without fields")?;
    let columns = fields.iter().map(column).collect::<Option<Vec<_>>>();
    Ok((full_name, columns.ok_or("has a field without a name or type")?))
}

fn column(field: &Value) -> Option<Column> {
    let name = field["name"].as_str()?.to_owned();
    let (kind, nullable) = match field.get("type")? {
        Value::Array(branches) => {
            let values: Vec<&Value> = branches.iter().filter(|branch| *branch != "null").collect();
            let kind = if let [one] = values[..] { kind(one) } else { ColumnKind::Opaque };
            (kind, values.len() < branches.len())
        }
        one => (kind(one), one == "null"),
    };
    Some(Column { name, kind, nullable })
}

fn kind(schema: &Value) -> ColumnKind {
    let logical = schema.get("logicalType").and_then(Value::as_str);
    let plain = schema.as_str().or_else(|| schema.get("type").and_then(Value::as_str)).unwrap_or_default();
    match (plain, logical) {
        ("long", Some(logical)) if logical.contains("timestamp-mi") => ColumnKind::Timestamp,
        ("string", Some("uuid") | None) | ("enum", None) => ColumnKind::Text,
        ("boolean", None) => ColumnKind::Boolean,
        ("int" | "long", None) => ColumnKind::Integer,
        ("float" | "double", None) => ColumnKind::Float,
        _ => ColumnKind::Opaque,
    }
}
