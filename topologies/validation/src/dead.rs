//! Dead letters and late records: the source record as it was, in another topic.

use std::borrow::Cow;

use bytes::Bytes;
use flow::processor::{Headers, InRecord, OutRecord};
use flow::public::ORIGIN_HEADER;
use schemas::reject::{DeadLetter, Reject, dead_letter_headers};

use crate::intake::size_bytes;
use crate::source::Source;

/// The service's name in dead letters.
pub const SERVICE: &str = "validator";
/// Header of a dead letter with the original's append time, milliseconds since the epoch: a topic that stamps append
/// time cannot keep the record's own.
pub const APPEND_TIME_HEADER: &str = "tidemill.dlq.append_time_ms";
/// Header of a dead letter that is one part of a record too large for the dead-letter topic: `1/3` and so on. The value
/// is the parts' values in order; parts share the identity.
pub const PART_HEADER: &str = "tidemill.dlq.part";
/// Header that says which pieces of the original did not fit: `key`, `headers`, or both.
pub const OMITTED_HEADER: &str = "tidemill.dlq.omitted";

/// Our headers of a dead letter beside those of [`schemas::reject::names`].
pub const OURS: [&str; 3] = [APPEND_TIME_HEADER, PART_HEADER, OMITTED_HEADER];

/// Most bytes of the original in one dead letter, so that it fits a broker's default limit together with our headers.
const PART_BYTES_MAX: usize = 960 * 1024;

/// Which record a dead letter is of, and how often it was retried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u16,
    /// Its offset.
    pub offset: i64,
    /// How often it was retried.
    pub attempt: u32,
}

/// The dead letter of a record, in several parts if it is too large for one.
pub fn letters(
    source: &Source,
    Subject { topic, partition, offset, attempt }: Subject<'_>,
    record: &InRecord,
    reject: &Reject,
    out: &mut Vec<OutRecord>,
) {
    let value_bytes = record.value.as_ref().map_or(0, Bytes::len);
    let fixed_bytes = size_bytes(record) - value_bytes;
    let fits = fixed_bytes <= PART_BYTES_MAX / 2;
    let room = if fits { PART_BYTES_MAX - fixed_bytes } else { PART_BYTES_MAX };
    let parts = value_bytes.div_ceil(room).max(1);
    let original: &[_] = if fits { &record.headers } else { &[] };
    for part in 0..parts {
        let letter = DeadLetter {
            topic,
            partition: i32::from(partition),
            offset,
            service: SERVICE,
            version: env!("CARGO_PKG_VERSION"),
            pipeline: &source.pipeline,
            attempt,
        };
        let mut headers = headers(&letter, original, reject);
        headers.push((APPEND_TIME_HEADER.into(), Some(record.append_time_ms.to_string().into())));
        if !fits {
            headers.push((OMITTED_HEADER.into(), Some(Bytes::from_static(b"key, headers"))));
        }
        if parts > 1 {
            headers.push((PART_HEADER.into(), Some(format!("{}/{parts}", part + 1).into())));
        }
        let slice = |value: &Bytes| value.slice(part * room..((part + 1) * room).min(value.len()));
        out.push(OutRecord {
            topic: source.dead.clone(),
            partition: Some(partition),
            key: record.key.clone().filter(|_| fits),
            value: record.value.as_ref().map(slice),
            headers,
        });
    }
}

fn headers(letter: &DeadLetter<'_>, original: &[(Cow<'static, str>, Option<Bytes>)], reject: &Reject) -> Headers {
    let original = original.iter().filter(|(name, _)| !OURS.contains(&&**name));
    let original = original.map(|(name, value)| (&**name, value.as_deref()));
    let headers = dead_letter_headers(original, letter, reject);
    headers.into_iter().map(|(name, value)| (name.into(), value.map(Bytes::from))).collect()
}

/// A late record: unchanged, with its origin behind its own headers.
pub fn late(source: &Source, partition: u16, record: &InRecord) -> OutRecord {
    let mut headers = record.headers.clone();
    let origin = format!("{}/{partition}@{}", source.topic, record.offset);
    headers.push((ORIGIN_HEADER.into(), Some(origin.into())));
    OutRecord {
        topic: source.late.clone(),
        partition: Some(partition),
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
    }
}
