//! From Avro schema text to the Arrow schema that the reader gives, and the checks a schema must pass first.

use std::collections::HashMap;
use std::sync::{Arc, Once};

use apache_avro::Schema as Avro;
use arrow::datatypes::{Schema, SchemaRef};

use super::known::parse;
use super::reshape::bare_fields;
use super::writer::build;
use super::{Error, causes};

/// Metadata key under which the Arrow schema carries its Avro schema.
pub const AVRO_SCHEMA_KEY: &str = "avro.schema";

/// Largest single allocation while a bad record is examined.
const ALLOCATION_BYTES_MAX: usize = 64 << 20;

/// The Arrow schema that bodies of this Avro record schema decode to.
///
/// Its fields have no metadata, so schemas built by hand compare equal. The Avro text is kept as metadata, so an [`Encoder`](super::Encoder) made from the result writes exactly it.
pub fn arrow_schema(avro_json: &str) -> Result<SchemaRef, Error> {
    parse(avro_json)?.arrow(avro_json)
}

/// The Arrow schema of a text that was parsed, or why there is none.
pub(super) fn to_arrow(avro_json: &str) -> Result<SchemaRef, String> {
    let decoder = build(0, avro_json, None).map_err(|error| error.to_string())?;
    let fields = bare_fields(decoder.schema().fields());
    let metadata = HashMap::from([(AVRO_SCHEMA_KEY.to_owned(), avro_json.to_owned())]);
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata)))
}

/// Parses the text and refuses what could be used to exhaust memory or hide a record's end.
pub(super) fn parse_anew(avro_json: &str) -> Result<Avro, Error> {
    static LIMITED: Once = Once::new();
    LIMITED.call_once(|| {
        apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    });
    let schema = Avro::parse_str(avro_json).map_err(|e| Error::Schema { detail: causes(&e) })?;
    let Avro::Record(record) = &schema else {
        return Err(Error::Schema { detail: "the top level must be a record".to_owned() });
    };
    if zero_width(&schema) {
        let detail = format!("record {} has no field that takes a byte", record.name);
        return Err(Error::Schema { detail });
    }
    lint(&schema, &mut Vec::new())?;
    Ok(schema)
}

/// Refuses arrays and maps whose elements take no bytes: five bytes of input could then claim billions of elements.
fn lint(schema: &Avro, path: &mut Vec<String>) -> Result<(), Error> {
    match schema {
        Avro::Record(record) => {
            for field in &record.fields {
                path.push(field.name.clone());
                lint(&field.schema, path)?;
                path.pop();
            }
            Ok(())
        }
        Avro::Union(union) => union.variants().iter().try_for_each(|variant| lint(variant, path)),
        Avro::Array(array) if zero_width(&array.items) => {
            Err(Error::Schema { detail: format!("field {}: array elements take no bytes", path.join(".")) })
        }
        Avro::Array(array) => lint(&array.items, path),
        Avro::Map(map) => lint(&map.types, path),
        _ => Ok(()),
    }
}

/// True when every value of the schema encodes to no bytes.
fn zero_width(schema: &Avro) -> bool {
    match schema {
        Avro::Null => true,
        Avro::Fixed(fixed) => fixed.size == 0,
        Avro::Record(record) => record.fields.iter().all(|field| zero_width(&field.schema)),
        _ => false,
    }
}
