//! What JSON a schema takes, as JSON Schema: the same that [`super::JsonWriter`] accepts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Decimals as text.
const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]*)?$";

/// The JSON Schema of the objects that an Avro schema takes; `{}` where a part of it is unknown.
pub fn json_schema(avro: &Value) -> Value {
    Shapes::default().shape(avro)
}

/// Shapes of the named types seen so far, which later parts refer to by name.
#[derive(Default)]
struct Shapes(BTreeMap<String, Value>);

impl Shapes {
    fn shape(&mut self, avro: &Value) -> Value {
        match avro {
            Value::String(name) => primitive(name).or_else(|| self.0.get(name).cloned()).unwrap_or_else(|| json!({})),
            Value::Array(variants) => self.union(variants),
            Value::Object(object) => self.object(object),
            _ => json!({}),
        }
    }

    fn union(&mut self, variants: &[Value]) -> Value {
        match variants {
            [only] => self.shape(only),
            _ => json!({ "anyOf": variants.iter().map(|variant| self.shape(variant)).collect::<Vec<_>>() }),
        }
    }

    fn object(&mut self, avro: &Map<String, Value>) -> Value {
        let part = |name: &str| avro.get(name).cloned().unwrap_or_default();
        let kind = part("type");
        let logical = part("logicalType");
        if let Some(shape) = logical.as_str().and_then(logical_shape) {
            return self.named(avro, shape);
        }
        match kind.as_str().unwrap_or_default() {
            "record" => {
                let shape = self.record(&part("fields"), &part("doc"));
                self.named(avro, shape)
            }
            "enum" => self.named(avro, json!({ "type": "string", "enum": part("symbols") })),
            "fixed" => self.named(avro, json!({ "type": "string" })),
            "array" => json!({ "type": "array", "items": self.shape(&part("items")) }),
            "map" => json!({ "type": "object", "additionalProperties": self.shape(&part("values")) }),
            // A type in an object of its own, as those with logical types are.
            _ => self.shape(&kind),
        }
    }

    fn record(&mut self, fields: &Value, doc: &Value) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in fields.as_array().into_iter().flatten() {
            let Some(name) = field["name"].as_str() else { continue };
            let mut shape = self.shape(&field["type"]);
            if let (Some(shape), Some(doc)) = (shape.as_object_mut(), field["doc"].as_str()) {
                shape.insert("description".into(), json!(doc));
            }
            match field.get("default") {
                Some(default) => shape["default"] = default.clone(),
                None => required.push(name),
            }
            properties.insert(name.to_owned(), shape);
        }
        let mut shape = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        if let Some(doc) = doc.as_str() {
            shape["description"] = json!(doc);
        }
        shape
    }

    fn named(&mut self, avro: &Map<String, Value>, shape: Value) -> Value {
        if let Some(name) = avro.get("name").and_then(Value::as_str) {
            let namespace = avro.get("namespace").and_then(Value::as_str);
            self.0.extend(namespace.map(|space| (format!("{space}.{name}"), shape.clone())));
            self.0.insert(name.to_owned(), shape.clone());
        }
        shape
    }
}

fn primitive(name: &str) -> Option<Value> {
    Some(match name {
        "null" => json!({ "type": "null" }),
        "boolean" => json!({ "type": "boolean" }),
        "int" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        "long" => json!({ "type": "integer" }),
        "float" | "double" => json!({ "type": "number" }),
        "string" | "bytes" => json!({ "type": "string" }),
        _ => return None,
    })
}

/// What a logical type takes, where that is something else than its bare type does.
fn logical_shape(logical: &str) -> Option<Value> {
    let since = |unit: &str| json!({ "type": "integer", "description": format!("{unit} since 1970") });
    let or_text = |format: &str, number: Value| json!({ "anyOf": [{ "type": "string", "format": format }, number] });
    Some(match logical {
        "timestamp-millis" | "local-timestamp-millis" => or_text("date-time", since("milliseconds")),
        "timestamp-micros" | "local-timestamp-micros" => or_text("date-time", since("microseconds")),
        "timestamp-nanos" | "local-timestamp-nanos" => or_text("date-time", since("nanoseconds")),
        "date" => or_text("date", since("days")),
        "decimal" => json!({ "anyOf": [{ "type": "number" }, { "type": "string", "pattern": DECIMAL }] }),
        "uuid" => json!({ "type": "string", "format": "uuid" }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_becomes_an_object() {
        let avro = json!({ "type": "record", "name": "Event", "doc": "What happened.", "fields": [
            { "name": "id", "type": "long", "doc": "Its id." },
            { "name": "at", "type": { "type": "long", "logicalType": "timestamp-micros" } },
            { "name": "kind", "type": { "type": "enum", "name": "Kind", "symbols": ["A", "B"] } },
            { "name": "before", "type": ["null", "Kind"], "default": null },
            { "name": "tags", "type": { "type": "array", "items": "string" }, "default": [] },
        ]});
        let shape = json_schema(&avro);
        assert_eq!(shape["required"], json!(["id", "at", "kind"]));
        assert_eq!(shape["description"], "What happened.");
        assert_eq!(shape["properties"]["id"], json!({ "type": "integer", "description": "Its id." }));
        assert_eq!(shape["properties"]["at"]["anyOf"][0]["format"], "date-time");
        let kind = json!({ "type": "string", "enum": ["A", "B"] });
        let before = json!({ "anyOf": [{ "type": "null" }, kind], "default": null });
        assert_eq!(shape["properties"]["before"], before);
        assert_eq!(shape["properties"]["tags"]["items"], json!({ "type": "string" }));
    }
    #[test]
    fn logical_types_have_the_forms_that_are_read() {
        let logical = |kind: Value, logical: &str| json!({ "type": kind, "logicalType": logical });
        let fee = json!({ "type": "fixed", "name": "Fee", "size": 3, "logicalType": "decimal", "precision": 6 });
        let avro = json!({ "type": "record", "name": "Event", "fields": [
            { "name": "day", "type": logical(json!("int"), "date") },
            { "name": "at", "type": logical(json!("long"), "timestamp-nanos") },
            { "name": "clock", "type": logical(json!("int"), "time-millis") },
            { "name": "who", "type": logical(json!("string"), "uuid") },
            { "name": "fee", "type": fee },
            { "name": "tip", "type": "Fee" },
        ]});
        let shape = json_schema(&avro);
        let of = |name: &str| &shape["properties"][name];
        assert_eq!(of("day")["anyOf"][0], json!({ "type": "string", "format": "date" }));
        assert_eq!(of("day")["anyOf"][1]["description"], "days since 1970");
        assert_eq!(of("at")["anyOf"][1]["description"], "nanoseconds since 1970");
        assert_eq!(of("clock")["type"], "integer");
        assert_eq!(of("who"), &json!({ "type": "string", "format": "uuid" }));
        assert_eq!(of("fee")["anyOf"][0], json!({ "type": "number" }));
        assert_eq!(of("tip"), of("fee"), "a fixed is known by its name, whatever it stands for");
    }
}
