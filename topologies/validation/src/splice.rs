//! Records of a log written around the bytes that producers sent.
//!
//! An event whose writer used the source's own schema is already encoded as the log wants it, and was decoded without
//! fault. Copying its body costs a tenth of encoding its columns again. What a reader decodes is the same either way.

use bytes::Bytes;
use flow::names::{Names, Place};
use schemas::framing;
use serde_json::Value;

/// Fields of a log's record, in order.
const BATCH_FIELDS: [&str; 5] = ["sources", "parents", "items", "marks", "fence"];
/// Fields of an item before its parts, in order.
const ITEM_FIELDS: [&str; 10] = [
    "parent",
    "trigger_offset",
    "trigger_item",
    "index",
    "origin_source",
    "origin_partition",
    "origin_offset",
    "time",
    "id",
    "key",
];
/// Avro for the first branch of a union, the index 0, and the end of an array.
const ZERO: u8 = 0;
/// Avro for the second branch of a union, and the count of an array's one element.
const ONE: u8 = 2;
/// Bytes of an item besides body, id and key, generously.
const ENVELOPE_BYTES: usize = 48;

/// One item with the event its producer encoded.
#[derive(Debug, Clone, Copy)]
pub struct Spliced<'a> {
    /// Source offset.
    pub offset: i64,
    /// Event time.
    pub time_us: i64,
    /// Event id.
    pub id: &'a str,
    /// Key of the log's entity.
    pub key: &'a str,
    /// Avro body of the event.
    pub body: &'a [u8],
}

/// Writes such records for one log.
#[derive(Debug, Clone)]
pub struct Splicer {
    prefix: [u8; framing::PREFIX_BYTES],
    /// Whether each part of an item is the event.
    parts: Vec<bool>,
}

impl Splicer {
    /// A writer for the log with this schema, registered under `id`, of events with that schema. `None` when the log's
    /// layout is not the one known here; the general writer serves then.
    pub fn new(log: &Value, event: &Value, id: u32) -> Option<Self> {
        let fields = log.get("fields")?.as_array()?;
        if !fields.iter().map(name).eq(BATCH_FIELDS.map(Some)) {
            return None;
        }
        let items = fields[2].get("type")?.get("items")?.get("fields")?.as_array()?;
        let (envelope, parts) = items.split_at_checked(ITEM_FIELDS.len())?;
        if !envelope.iter().map(name).eq(ITEM_FIELDS.map(Some)) {
            return None;
        }
        let mut events = Vec::with_capacity(parts.len());
        for part in parts {
            let branches = part.get("type")?.as_array()?;
            let [null, value] = &branches[..] else { return None };
            if null != "null" {
                return None;
            }
            events.push(name(part) == Some("event") && value == event);
        }
        events.contains(&true).then(|| Splicer { prefix: framing::prefix(id), parts: events })
    }

    /// One record: items of one source partition with numbers from `first` on, and its mark.
    pub fn record<'a>(
        &self,
        own: Place,
        names: &Names,
        (first, mark_us): (i64, i64),
        items: impl ExactSizeIterator<Item = Spliced<'a>> + Clone,
    ) -> Bytes {
        let sizes = items.clone().map(|item| item.body.len() + item.id.len() + item.key.len() + ENVELOPE_BYTES);
        let topic = &**names.topic(own.topic);
        let mut out = Vec::with_capacity(sizes.sum::<usize>() + 4 * (topic.len() + ENVELOPE_BYTES));
        out.extend_from_slice(&self.prefix);
        let partition = i64::from(own.partition);
        out.push(ONE);
        text(&mut out, topic);
        out.extend_from_slice(&[ZERO, ONE]);
        text(&mut out, topic);
        long(&mut out, i64::from(names.generation(own.topic)));
        long(&mut out, partition);
        long(&mut out, first);
        out.push(ZERO);
        if items.len() > 0 {
            long(&mut out, items.len() as i64);
            items.for_each(|item| self.item(&mut out, partition, item));
        }
        out.extend_from_slice(&[ZERO, ONE]);
        text(&mut out, topic);
        long(&mut out, partition);
        long(&mut out, mark_us);
        // The marks end, and there is no fence.
        out.extend_from_slice(&[ZERO, ZERO]);
        Bytes::from(out)
    }

    fn item(&self, out: &mut Vec<u8>, partition: i64, item: Spliced<'_>) {
        out.push(ZERO);
        long(out, item.offset);
        // Trigger item, output index, and the only source.
        out.extend_from_slice(&[ZERO, ZERO, ZERO]);
        long(out, partition);
        long(out, item.offset);
        long(out, item.time_us);
        text(out, item.id);
        text(out, item.key);
        for event in &self.parts {
            if *event {
                out.push(ONE);
                out.extend_from_slice(item.body);
            } else {
                out.push(ZERO);
            }
        }
    }
}

fn name(field: &Value) -> Option<&str> {
    field.get("name")?.as_str()
}

/// Avro's variable-length zigzag form of a long.
fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = [0; 10];
    let mut len = 0;
    while rest >= 0x80 {
        bytes[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    bytes[len] = rest as u8;
    out.extend_from_slice(&bytes[..=len]);
}

fn text(out: &mut Vec<u8>, text: &str) {
    long(out, text.len() as i64);
    out.extend_from_slice(text.as_bytes());
}
