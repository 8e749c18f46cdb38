//! One JSON value to one Avro value, collecting faults with their paths.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{RecordField, UuidSchema};
use apache_avro::types::Value as Avro;
use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use serde_json::{Map, Value};

use super::{DEPTH_MAX, full_name};
use crate::reject::{Code, Reject};

/// Most faults that are reported for one object.
const FAULTS_MAX: usize = 32;
/// Longest piece of an offending value that is repeated in a fault.
const SHOWN_CHARS_MAX: usize = 60;

/// The path to the value in hand, and the faults found so far.
#[derive(Default)]
pub(super) struct Faults {
    path: Vec<String>,
    found: Vec<Reject>,
}

impl Faults {
    pub(super) fn into_rejects(self) -> Vec<Reject> {
        self.found
    }

    fn add(&mut self, code: Code, what: impl std::fmt::Display) -> Option<Avro> {
        if self.found.len() < FAULTS_MAX {
            let place = if self.path.is_empty() { "record".to_owned() } else { self.path.join(".") };
            self.found.push(Reject::new(code, format!("{place}: {what}")));
        }
        None
    }

    fn wrong_type(&mut self, expected: &str, got: &Value) -> Option<Avro> {
        let shown: String = got.to_string().chars().take(SHOWN_CHARS_MAX).collect();
        self.add(Code::FieldType, format_args!("expected {expected}, got {shown}"))
    }
}

/// The schemas that references may name.
pub(super) struct Context<'a> {
    pub(super) named: &'a BTreeMap<String, Schema>,
}

impl Context<'_> {
    /// The Avro value, or `None` when a fault was added.
    pub(super) fn value(&self, schema: &Schema, json: &Value, faults: &mut Faults) -> Option<Avro> {
        if faults.path.len() > DEPTH_MAX {
            return faults.add(Code::FieldType, format_args!("nested deeper than {DEPTH_MAX}"));
        }
        match (schema, json) {
            (Schema::Record(record), Value::Object(object)) => self.record(&record.fields, object, faults),
            (Schema::Array(array), Value::Array(items)) => self.array(&array.items, items, faults),
            (Schema::Map(map), Value::Object(object)) => self.map(&map.types, object, faults),
            (Schema::Union(union), _) => self.union(union.variants(), json, faults),
            (Schema::Ref { name }, _) => match self.named.get(&full_name(name)) {
                Some(schema) => self.value(schema, json, faults),
                None => faults.add(Code::FieldType, format_args!("schema {} is not defined", full_name(name))),
            },
            (Schema::Null, Value::Null) => Some(Avro::Null),
            (_, Value::Null) => faults.add(Code::FieldNull, "null, but a value is required"),
            (Schema::Enum(symbols), Value::String(text)) => {
                match symbols.symbols.iter().position(|symbol| symbol == text) {
                    Some(index) => Some(Avro::Enum(index as u32, text.clone())),
                    None => {
                        let known = symbols.symbols.join(", ");
                        faults.add(Code::FieldEnum, format_args!("{text:?} is none of {known}"))
                    }
                }
            }
            _ => scalar(schema, json, faults),
        }
    }

    fn record(&self, fields: &[RecordField], object: &Map<String, Value>, faults: &mut Faults) -> Option<Avro> {
        for unknown in object.keys().filter(|key| !fields.iter().any(|field| field.name == **key)) {
            faults.path.push(unknown.clone());
            faults.add(Code::FieldUnknown, "the schema has no such field");
            faults.path.pop();
        }
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            faults.path.push(field.name.clone());
            let value = match object.get(&field.name).or(field.default.as_ref()) {
                Some(json) => self.value(&field.schema, json, faults),
                None => faults.add(Code::FieldNull, "missing, and the schema has no default"),
            };
            faults.path.pop();
            values.extend(value.map(|value| (field.name.clone(), value)));
        }
        (values.len() == fields.len()).then_some(Avro::Record(values))
    }

    fn array(&self, schema: &Schema, items: &[Value], faults: &mut Faults) -> Option<Avro> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            faults.path.push(index.to_string());
            values.extend(self.value(schema, item, faults));
            faults.path.pop();
        }
        (values.len() == items.len()).then_some(Avro::Array(values))
    }

    fn map(&self, schema: &Schema, object: &Map<String, Value>, faults: &mut Faults) -> Option<Avro> {
        let mut values = std::collections::HashMap::with_capacity(object.len());
        for (key, item) in object {
            faults.path.push(key.clone());
            values.extend(self.value(schema, item, faults).map(|value| (key.clone(), value)));
            faults.path.pop();
        }
        (values.len() == object.len()).then_some(Avro::Map(values))
    }

    /// The first branch that takes the value. With one non-null branch its faults are reported as they are.
    fn union(&self, variants: &[Schema], json: &Value, faults: &mut Faults) -> Option<Avro> {
        let tagged = |index: usize, value: Avro| Avro::Union(index as u32, Box::new(value));
        let null = variants.iter().position(|variant| matches!(variant, Schema::Null));
        if json.is_null() {
            return match null {
                Some(index) => Some(tagged(index, Avro::Null)),
                None => faults.add(Code::FieldNull, "null, but a value is required"),
            };
        }
        let others: Vec<usize> = (0..variants.len()).filter(|index| Some(*index) != null).collect();
        if let [index] = others[..] {
            return Some(tagged(index, self.value(&variants[index], json, faults)?));
        }
        for index in others {
            let mut tried = Faults { path: faults.path.clone(), found: Vec::new() };
            if let Some(value) = self.value(&variants[index], json, &mut tried).filter(|_| tried.found.is_empty()) {
                return Some(tagged(index, value));
            }
        }
        faults.wrong_type("a value of one of the union's types", json)
    }
}

fn scalar(schema: &Schema, json: &Value, faults: &mut Faults) -> Option<Avro> {
    match schema {
        Schema::Boolean => match json {
            Value::Bool(flag) => Some(Avro::Boolean(*flag)),
            _ => faults.wrong_type("true or false", json),
        },
        Schema::Int => narrow(json, faults).map(Avro::Int),
        Schema::Date => narrow(json, faults).map(Avro::Date),
        Schema::TimeMillis => narrow(json, faults).map(Avro::TimeMillis),
        Schema::Long => long(json, faults).map(Avro::Long),
        Schema::TimeMicros => long(json, faults).map(Avro::TimeMicros),
        Schema::TimestampMillis => instant(json, 1_000, faults).map(Avro::TimestampMillis),
        Schema::LocalTimestampMillis => instant(json, 1_000, faults).map(Avro::LocalTimestampMillis),
        Schema::TimestampMicros => instant(json, 1, faults).map(Avro::TimestampMicros),
        Schema::LocalTimestampMicros => instant(json, 1, faults).map(Avro::LocalTimestampMicros),
        Schema::Float => double(json, faults).map(|number| Avro::Float(number as f32)),
        Schema::Double => double(json, faults).map(Avro::Double),
        Schema::String | Schema::Uuid(UuidSchema::String) => match json {
            Value::String(text) => Some(Avro::String(text.clone())),
            _ => faults.wrong_type("a string", json),
        },
        Schema::Bytes => bytes(json, faults).map(Avro::Bytes),
        Schema::Fixed(fixed) => match bytes(json, faults)? {
            bytes if bytes.len() == fixed.size => Some(Avro::Fixed(fixed.size, bytes)),
            bytes => faults.add(Code::FieldRange, format_args!("{} bytes instead of {}", bytes.len(), fixed.size)),
        },
        Schema::Null => faults.wrong_type("null", json),
        Schema::Record(_) | Schema::Map(_) => faults.wrong_type("an object", json),
        Schema::Array(_) => faults.wrong_type("an array", json),
        Schema::Enum(_) => faults.wrong_type("a symbol's name", json),
        other => faults.add(Code::FieldType, format_args!("JSON cannot hold the schema's type {other:?}")),
    }
}

fn long(json: &Value, faults: &mut Faults) -> Option<i64> {
    match json.as_i64() {
        Some(number) => Some(number),
        None if json.is_u64() => {
            faults.add(Code::FieldRange, format_args!("{json} does not fit 64 bits"));
            None
        }
        None => {
            faults.wrong_type("an integer", json);
            None
        }
    }
}

fn narrow(json: &Value, faults: &mut Faults) -> Option<i32> {
    let number = long(json, faults)?;
    let narrow = i32::try_from(number).ok();
    if narrow.is_none() {
        faults.add(Code::FieldRange, format_args!("{number} does not fit 32 bits"));
    }
    narrow
}

fn double(json: &Value, faults: &mut Faults) -> Option<f64> {
    if let Value::String(text) = json
        && text.parse::<f64>().is_ok_and(|number| !number.is_finite())
    {
        faults.add(Code::FieldNan, format_args!("{text:?} is not a finite number"));
        return None;
    }
    let number = json.as_f64();
    if number.is_none() {
        faults.wrong_type("a number", json);
    }
    number
}

/// A time as a number in the schema's unit, or as RFC 3339 text; `divisor` is the unit in microseconds.
fn instant(json: &Value, divisor: i64, faults: &mut Faults) -> Option<i64> {
    let Value::String(text) = json else { return long(json, faults) };
    let utc: Tz = "+00:00".parse().ok()?;
    match string_to_datetime(&utc, text) {
        Ok(time) => Some(time.timestamp_micros().div_euclid(divisor)),
        Err(_) => {
            faults.add(Code::TimeInvalid, format_args!("{text:?} is no RFC 3339 time such as 2018-04-01T00:00:31Z"));
            None
        }
    }
}

fn bytes(json: &Value, faults: &mut Faults) -> Option<Vec<u8>> {
    let Value::String(text) = json else {
        faults.wrong_type("a string of code points up to 255", json);
        return None;
    };
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    if bytes.is_none() {
        faults.add(Code::FieldRange, "a code point above 255 in a bytes field");
    }
    bytes
}
