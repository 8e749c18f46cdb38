//! Public records: one per row, keyed, with the few headers that make it traceable.

mod json;

pub use json::{JsonRow, JsonSink};

use crate::names::{Names, Place};
use crate::processor::{Headers, OutRecord, PublicRows, Stop};
use crate::reader::Trigger;
use crate::wire::{self, Origin};
use bytes::Bytes;
use schemas::codec::Encoder;

/// Header that carries the emission identity of a public record: `log/partition@offset.item.index` of its trigger.
pub const EMISSION_HEADER: &str = "tidemill.emission";
/// Header that names the source record: `topic/partition@offset`.
pub const ORIGIN_HEADER: &str = "tidemill.origin";

/// Encodes public rows, one record each, with their few headers.
pub(crate) fn publish(
    names: &Names,
    own: Place,
    source: &str,
    encoder: &mut Encoder,
    rows: PublicRows,
    out: &mut Vec<OutRecord>,
) -> Result<(), Stop> {
    let topic = names.topic(rows.topic).clone();
    let encoded = encoder.encode(&rows.rows).map_err(wire::Error::from)?;
    let mut texts = Texts::new(names, own);
    for (row, id) in rows.ids.iter().enumerate() {
        texts.row(&rows.keys[row], id, rows.triggers[row], rows.origins.get(row).copied().flatten());
    }
    let fixed = Fixed { kind: Bytes::copy_from_slice(topic.as_bytes()), source: format!("tidemill/{source}").into() };
    let values = encoded.iter();
    out.extend(texts.finish().zip(values).map(|(text, value)| OutRecord {
        topic: topic.clone(),
        partition: None,
        key: Some(text.key.clone()),
        value: Some(value),
        headers: fixed.headers(text),
    }));
    Ok(())
}

/// The emission identity as its header spells it.
pub fn emission(names: &Names, own: Place, trigger: Trigger) -> String {
    format!("{}/{}@{}.{}.{}", names.topic(own.topic), own.partition, trigger.offset, trigger.item, trigger.index)
}

/// Keys and header values of all records of a batch in one buffer, so that a record costs no allocation for them.
struct Texts<'a> {
    names: &'a Names,
    /// What all emission identities of this task begin with.
    emission: String,
    /// The source partition named last, and how it is spelled.
    origin: Option<(Place, String)>,
    bytes: Vec<u8>,
    /// Where key, id, emission and origin of each row end; a row without an origin has an empty one.
    ends: Vec<[usize; 4]>,
}

/// Texts of one record.
struct Text {
    key: Bytes,
    id: Bytes,
    emission: Bytes,
    origin: Option<Bytes>,
}

impl<'a> Texts<'a> {
    fn new(names: &'a Names, own: Place) -> Self {
        let emission = format!("{}/{}@", names.topic(own.topic), own.partition);
        Texts { names, emission, origin: None, bytes: Vec::new(), ends: Vec::new() }
    }

    fn row(&mut self, key: &str, id: &str, trigger: Trigger, origin: Option<Origin>) {
        let mut number = itoa::Buffer::new();
        self.bytes.extend_from_slice(key.as_bytes());
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(id.as_bytes());
        let id_end = self.bytes.len();
        self.bytes.extend_from_slice(self.emission.as_bytes());
        self.bytes.extend_from_slice(number.format(trigger.offset).as_bytes());
        self.bytes.push(b'.');
        self.bytes.extend_from_slice(number.format(trigger.item).as_bytes());
        self.bytes.push(b'.');
        self.bytes.extend_from_slice(number.format(trigger.index).as_bytes());
        let emission_end = self.bytes.len();
        if let Some(Origin { place, offset }) = origin {
            let names = self.names;
            let spelled = || (place, format!("{}@", names.show(place)));
            let (_, prefix) = match &mut self.origin {
                Some(known) if known.0 == place => known,
                other => other.insert(spelled()),
            };
            self.bytes.extend_from_slice(prefix.as_bytes());
            self.bytes.extend_from_slice(number.format(offset).as_bytes());
        }
        self.ends.push([key_end, id_end, emission_end, self.bytes.len()]);
    }

    /// The rows' texts, views of the one buffer.
    fn finish(self) -> impl Iterator<Item = Text> {
        let bytes = Bytes::from(self.bytes);
        let mut start = 0;
        self.ends.into_iter().map(move |[key, id, emission, origin]| {
            let text = Text {
                key: bytes.slice(start..key),
                id: bytes.slice(key..id),
                emission: bytes.slice(id..emission),
                origin: (emission < origin).then(|| bytes.slice(emission..origin)),
            };
            start = origin;
            text
        })
    }
}

/// Header values that all records of one batch share.
struct Fixed {
    kind: Bytes,
    source: Bytes,
}

impl Fixed {
    fn headers(&self, text: Text) -> Headers {
        let mut headers: Headers = Vec::with_capacity(5);
        headers.extend([
            ("ce_id".into(), Some(text.id)),
            ("ce_type".into(), Some(self.kind.clone())),
            ("ce_source".into(), Some(self.source.clone())),
            (EMISSION_HEADER.into(), Some(text.emission)),
        ]);
        headers.extend(text.origin.map(|origin| (ORIGIN_HEADER.into(), Some(origin))));
        headers
    }
}
