//! The keys as a JSON Schema, for editors that complete and check while somebody writes. It is looser than the parser
//! wherever one value depends on another.

use serde_json::{Map, Value, json};

use super::{Absent, Key, Kind, Needs, PIPELINE, Range, Shape};
use crate::config::format_duration;
use crate::config::sources::TOPIC_BYTES_MAX;
use crate::config::values::NAME_BYTES_MAX;

/// Draft 7: the newest that editors read in full.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of pipeline files.
pub fn json_schema() -> Value {
    let mut schema = shape(&PIPELINE);
    schema.insert("$schema".to_owned(), DRAFT.into());
    schema.insert("title".to_owned(), "Pipeline of Tidemill".into());
    Value::Object(schema)
}

fn shape(shape: &Shape) -> Map<String, Value> {
    let properties: Map<String, Value> = shape.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        shape.keys.iter().filter(|key| matches!(key.absent, Absent::Refused)).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("description".to_owned(), shape.doc.into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    let one_each = |names: &[&str]| names.iter().map(|name| json!({ "required": [name] })).collect::<Value>();
    match shape.needs {
        Needs::Nothing => None,
        Needs::AnyOf(names) => schema.insert("anyOf".to_owned(), one_each(names)),
        Needs::OneOf(names) => schema.insert("oneOf".to_owned(), one_each(names)),
    };
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    if !matches!(key.absent, Absent::Refused) {
        schema = or_nothing(schema);
    }
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), key.doc.into());
        if let Some(default) = default(key.absent) {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}

fn default(absent: Absent) -> Option<Value> {
    match absent {
        Absent::Integer(number) => Some(number.into()),
        Absent::Number(number) => Some(number.into()),
        Absent::Time(us) => Some(format_duration(us).into()),
        Absent::Word(word) => Some(word.into()),
        Absent::Boolean(value) => Some(value.into()),
        Absent::Refused | Absent::Nothing | Absent::Told(_) => None,
    }
}

/// A key with nothing behind it counts as absent. What must be one of several forms stays as it is, because nothing is
/// none of them or all.
fn or_nothing(mut schema: Value) -> Value {
    let is_plain = schema.get("oneOf").is_none() && schema.get("anyOf").is_none();
    if let Some(one) = schema.get("type").and_then(Value::as_str).filter(|_| is_plain) {
        schema["type"] = json!([one, "null"]);
        if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            choices.push(Value::Null);
        }
        return schema;
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text(_) => json!({ "type": "string" }),
        Kind::Name => {
            let pattern = format!("^[a-z][a-z0-9_-]{{0,{}}}$", NAME_BYTES_MAX - 1);
            json!({ "type": "string", "pattern": pattern })
        }
        Kind::Topic => json!({ "type": "string", "pattern": format!("^[A-Za-z0-9._-]{{0,{TOPIC_BYTES_MAX}}}$") }),
        Kind::Duration { is_longer_than_nothing } => {
            let digits = if *is_longer_than_nothing { "0*[1-9][0-9]*" } else { "[0-9]+" };
            json!({ "type": "string", "pattern": format!("^{digits}(ms|s|m|h|d)$") })
        }
        Kind::Size { .. } => json!({ "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|TiB)$" }),
        Kind::Integer { least, most: u64::MAX } => json!({ "type": "integer", "minimum": least }),
        Kind::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Number(range) => number(*range),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Word(word) => json!({ "type": "string", "enum": [word] }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words() }),
        Kind::Only(value) => json!({ "type": "boolean", "enum": [value] }),
        Kind::Nothing => json!({ "type": "null" }),
        Kind::Value => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Section(section) => Value::Object(shape(section)),
        Kind::Either { key, with, without } => {
            json!({ "type": "object", "if": { "required": [key] }, "then": shape(with), "else": shape(without) })
        }
        Kind::Named(of) => {
            let names = format!("^[a-z][a-z0-9_]{{0,{}}}$", NAME_BYTES_MAX - 1);
            json!({ "type": "object", "propertyNames": { "pattern": names }, "additionalProperties": kind(of) })
        }
        Kind::Of(_, of) => json!({ "type": "object", "additionalProperties": kind(of) }),
        Kind::List { of, least, most } => {
            let mut list = json!({ "type": "array", "items": kind(of) });
            if *least > 0 {
                list["minItems"] = (*least).into();
            }
            if *most < usize::MAX {
                list["maxItems"] = (*most).into();
            }
            list
        }
        Kind::Any(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
    }
}

fn number(range: Range) -> Value {
    match range {
        Range::Finite | Range::Single => json!({ "type": "number" }),
        Range::Above(least) => json!({ "type": "number", "exclusiveMinimum": least }),
        Range::AtLeast(least) => json!({ "type": "number", "minimum": least }),
        Range::Within(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Range::Below(least, end) => json!({ "type": "number", "minimum": least, "exclusiveMaximum": end }),
    }
}
