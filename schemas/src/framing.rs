//! How a record's value names its writer's schema: the Confluent prefix, or an id in a header with a bare payload.

use crate::reject::{Code, Reject};

/// First byte of a value, and of an id header, that is followed by a four-byte schema id.
pub const MAGIC_ID: u8 = 0;
/// First byte of an id header that is followed by a sixteen-byte GUID.
pub const MAGIC_GUID: u8 = 1;
/// Bytes before the Avro body: magic and schema id.
pub const PREFIX_BYTES: usize = 5;
/// Header in which newer clients put the schema id of an unframed value.
pub const VALUE_SCHEMA_ID_HEADER: &str = "__value_schema_id";

const GUID_HEADER_BYTES: usize = 17;

/// One record's body and the id of the schema that wrote it. The body is borrowed from the record's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// The writer's schema id in the registry.
    pub id: u32,
    /// The Avro body, with no prefix.
    pub body: &'a [u8],
}

/// The prefix that stands before a body written with this schema.
pub const fn prefix(id: u32) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = id.to_be_bytes();
    [MAGIC_ID, a, b, c, d]
}

/// Finds the schema id and the body of a record's value.
///
/// A schema-id header decides alone: the whole value is then the body. Otherwise the value must start with the prefix.
/// No copy is made in either case.
pub fn split<'a, 'h>(
    value: Option<&'a [u8]>,
    headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> Result<Framed<'a>, Reject> {
    let value = match value {
        None => return Err(Reject::new(Code::NullValue, "the value is null")),
        Some([]) => return Err(Reject::new(Code::NullValue, "the value is empty")),
        Some(value) => value,
    };
    let named = headers.into_iter().find(|(name, _)| *name == VALUE_SCHEMA_ID_HEADER);
    if let Some((_, header)) = named {
        return Ok(Framed { id: header_id(header.unwrap_or_default())?, body: value });
    }
    if value[0] != MAGIC_ID {
        let detail = format!("the first byte is {:#04x}, not the magic byte 0x00 of registry framing", value[0]);
        return Err(Reject::new(Code::FrameMagic, detail));
    }
    let Some((head, body)) = value.split_first_chunk::<PREFIX_BYTES>() else {
        let detail = format!("{} bytes, fewer than the {PREFIX_BYTES} of magic byte and schema id", value.len());
        return Err(Reject::new(Code::FrameTooShort, detail));
    };
    Ok(Framed { id: u32::from_be_bytes([head[1], head[2], head[3], head[4]]), body })
}

/// The schema id in a `__value_schema_id` header.
fn header_id(header: &[u8]) -> Result<u32, Reject> {
    match header {
        [MAGIC_ID, a, b, c, d] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        [MAGIC_GUID, ..] if header.len() == GUID_HEADER_BYTES => {
            let detail = format!("header {VALUE_SCHEMA_ID_HEADER} holds a GUID; let the producer write the numeric id");
            Err(Reject::new(Code::SchemaIdGuid, detail))
        }
        _ => {
            let detail = format!(
                "header {VALUE_SCHEMA_ID_HEADER} has {} bytes starting {:?}; expected 0 and a four-byte id",
                header.len(),
                header.first()
            );
            Err(Reject::new(Code::SchemaIdHeader, detail))
        }
    }
}

#[cfg(test)]
mod tests;
