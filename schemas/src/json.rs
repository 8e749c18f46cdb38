//! JSON objects to Avro bodies, with every fault named at once: for HTTP ingest, published files, and examples.
//!
//! JSON is read as people write it: a nullable value stands plain, a missing field takes its default, a timestamp is
//! a number in the schema's unit or an RFC 3339 text, bytes are text of code points up to 255.

mod convert;
mod shape;

use apache_avro::Schema;
use apache_avro::schema::Name;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::codec::{self, parse_schema};
use crate::framing;
use crate::reject::{Code, Reject};

pub use shape::json_schema;

/// Deepest nesting of a JSON value that is looked at.
pub const DEPTH_MAX: usize = 64;

/// Writes JSON objects as Avro bodies of one record schema.
#[derive(Debug)]
pub struct JsonWriter {
    schema: Schema,
    named: BTreeMap<String, Schema>,
}

impl JsonWriter {
    /// A writer for this record schema.
    pub fn new(avro_json: &str) -> Result<Self, codec::Error> {
        let schema = parse_schema(avro_json)?.avro.clone();
        let mut named = BTreeMap::new();
        collect_named(&schema, &mut named);
        Ok(JsonWriter { schema, named })
    }

    /// The object as an Avro body, or everything that is wrong with it.
    pub fn body(&self, object: &Value) -> Result<Vec<u8>, Vec<Reject>> {
        let mut faults = convert::Faults::default();
        let value = convert::Context { named: &self.named }.value(&self.schema, object, &mut faults);
        let faults = faults.into_rejects();
        let Some(value) = value.filter(|_| faults.is_empty()) else { return Err(faults) };
        let refused = |error: apache_avro::Error| vec![Reject::new(Code::FieldType, error.to_string())];
        let writer = GenericDatumWriter::builder(&self.schema).build().map_err(refused)?;
        writer.write_value_to_vec(value).map_err(refused)
    }

    /// The object as a framed value under this schema id, or everything that is wrong with it.
    pub fn framed(&self, id: u32, object: &Value) -> Result<Vec<u8>, Vec<Reject>> {
        let body = self.body(object)?;
        let mut value = Vec::with_capacity(framing::PREFIX_BYTES + body.len());
        value.extend_from_slice(&framing::prefix(id));
        value.extend_from_slice(&body);
        Ok(value)
    }
}

fn collect_named(schema: &Schema, named: &mut BTreeMap<String, Schema>) {
    if let Some(name) = schema.name().filter(|_| !matches!(schema, Schema::Ref { .. })) {
        named.insert(full_name(name), schema.clone());
    }
    match schema {
        Schema::Record(record) => record.fields.iter().for_each(|field| collect_named(&field.schema, named)),
        Schema::Union(union) => union.variants().iter().for_each(|variant| collect_named(variant, named)),
        Schema::Array(array) => collect_named(&array.items, named),
        Schema::Map(map) => collect_named(&map.types, named),
        _ => {}
    }
}

fn full_name(name: &Name) -> String {
    name.fullname(None)
}

#[cfg(test)]
mod tests;
