//! Records in JSON: each text becomes the Avro body that a producer with the source's schema would have sent, and goes on
//! as such. So the columns to judge and the bytes in the logs are the same ones, whatever the format.

use flow::processor::InRecord;
use schemas::json::{Bodies, JsonWriter, Unknown};
use schemas::reject::{Code, Reject};

use super::{RECORD_BYTES_MAX, Split, fits, size_bytes};
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
    for (index, read) in writer.frames((WRITER, unknown), records, bytes, body).into_iter().enumerate() {
        match read {
            Ok(framed) => found.accept(index, framed),
            Err(reject) => found.rejected.push((index, reject)),
        }
    }
    found
}

fn body(bodies: &mut Bodies<'_>, record: &InRecord) -> Result<(), Reject> {
    fits(size_bytes(record), RECORD_BYTES_MAX)?;
    let text = match record.value.as_deref() {
        None => return Err(Reject::new(Code::NullValue, "the value is null")),
        Some([]) => return Err(Reject::new(Code::NullValue, "the value is empty")),
        Some(text) => text,
    };
    let start = bodies.len();
    bodies.text(text).map_err(joined)?;
    // Numbers may be longer in Avro than in JSON.
    fits(bodies.len() - start, RECORD_BYTES_MAX).inspect_err(|_| bodies.truncate(start))
}
