//! Records in JSON: each text becomes the Avro body that a producer with the source's schema would have sent, and goes on
//! as such. So the columns to judge and the bytes in the logs are the same ones, whatever the format.

use flow::processor::InRecord;
use schemas::framing::Framed;
use schemas::json::{Bodies, JsonWriter, Unknown};
use schemas::reject::{Code, Reject};

use super::{Split, fits, size_bytes};
use crate::faults::joined;

/// Stands for the source's own schema in its decoder; a registry is never asked.
pub(super) const WRITER: u32 = 0;

/// The bodies of texts, which lie in `bytes`.
pub(crate) fn split<'a>(
    writer: &JsonWriter,
    records: &'a [InRecord],
    unknown: Unknown,
    bytes: &'a mut Vec<u8>,
) -> Split<'a> {
    let mut found = Split::with_records(records.len());
    let mut bodies = writer.bodies(unknown).into_room(std::mem::take(bytes));
    let mut ends = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        match body(&mut bodies, record) {
            Ok(()) => {
                ends.push(bodies.len());
                found.indices.push(index);
            }
            Err(reject) => found.rejected.push((index, reject)),
        }
    }
    *bytes = bodies.finish();
    let mut start = 0;
    for end in ends {
        found.framed.push(Framed { id: WRITER, body: &bytes[start..end] });
        start = end;
    }
    found
}

fn body(bodies: &mut Bodies<'_>, record: &InRecord) -> Result<(), Reject> {
    fits(size_bytes(record))?;
    let text = match record.value.as_deref() {
        None => return Err(Reject::new(Code::NullValue, "the value is null")),
        Some([]) => return Err(Reject::new(Code::NullValue, "the value is empty")),
        Some(text) => text,
    };
    let start = bodies.len();
    bodies.text(text).map_err(joined)?;
    // Numbers may be longer in Avro than in JSON.
    fits(bodies.len() - start).inspect_err(|_| bodies.truncate(start))
}
