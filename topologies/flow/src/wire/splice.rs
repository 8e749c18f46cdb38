//! Items of a log written around the bytes that producers sent.
//!
//! An event whose writer used the source's own schema is already encoded as the log wants it, and was decoded without
//! fault. Copying its body costs a tenth of encoding its columns again. What a reader decodes is the same either way.

use super::{Draft, Mark};
use crate::items::Parent;
use crate::names::{Names, Place};
use bytes::Bytes;
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

/// Bytes of a parent, a mark, or the name of a source besides their topics, generously.
const HEAD_BYTES: usize = 32;

/// One item with the event its producer encoded.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
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

/// Items that are encoded but for the number of their parent.
#[derive(Debug)]
pub struct Encoded {
    /// Number of the source topic, the same for all.
    pub(super) source: u16,
    bytes: Vec<u8>,
    /// Where each item begins, with a byte for the number of its parent.
    starts: Vec<u32>,
}

/// Encodes such items for one log.
#[derive(Debug, Clone)]
pub struct Splicer {
    /// For each part of an item that is the event the fields behind those of its source, all null; other parts are null.
    parts: Vec<Option<usize>>,
}

impl Splicer {
    /// For the log with this schema and events with that one. `None` when the log's layout is not the one known here;
    /// rows serve then.
    pub fn new(log: &Value, event: &Value) -> Option<Self> {
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
            events.push(if name(part) == Some("event") { behind(value, event) } else { None });
        }
        events.iter().any(Option::is_some).then_some(Splicer { parts: events })
    }

    /// Encodes items of one source partition.
    pub fn items<'a>(&self, source: Place, items: impl ExactSizeIterator<Item = Sent<'a>> + Clone) -> Encoded {
        let sizes = items.clone().map(|item| item.body.len() + item.id.len() + item.key.len() + ENVELOPE_BYTES);
        let mut bytes = Vec::with_capacity(sizes.sum());
        let mut starts = Vec::with_capacity(items.len());
        for item in items {
            starts.push(bytes.len() as u32);
            self.item(&mut bytes, i64::from(source.partition), item);
        }
        Encoded { source: source.topic, bytes, starts }
    }

    fn item(&self, out: &mut Vec<u8>, partition: i64, item: Sent<'_>) {
        out.push(ZERO);
        long(out, item.offset);
        // Trigger item, output index, and the only source.
        out.extend_from_slice(&[ZERO, ZERO, ZERO]);
        long(out, partition);
        long(out, item.offset);
        long(out, item.time_us);
        text(out, item.id);
        text(out, item.key);
        for behind in &self.parts {
            match behind {
                Some(behind) => {
                    out.push(ONE);
                    out.extend_from_slice(item.body);
                    out.extend(std::iter::repeat_n(ZERO, *behind));
                }
                None => out.push(ZERO),
            }
        }
    }
}

impl Encoded {
    /// Appends the items, which point at this entry of their record's parents.
    fn write(&self, parent: u8, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        // Zigzag: a small number is a byte, and that byte is the number twice.
        self.starts.iter().for_each(|start| out[at + *start as usize] = 2 * parent);
    }
}

/// One framed record of drafts whose items are encoded, all of one source topic and each of one parent, or that have none.
pub(super) fn record(prefix: &[u8], names: &Names, drafts: &[Draft]) -> Bytes {
    let encoded = || drafts.iter().filter_map(|draft| Some((draft.encoded.as_ref()?, draft.parents.first()?)));
    let heads: usize = drafts.iter().map(|draft| draft.parents.len() + draft.marks.len() + 1).sum();
    let longest = drafts.iter().flat_map(|draft| draft.parents.iter().map(|parent| parent.place.topic));
    let longest = longest.map(|topic| names.topic(topic).len()).max().unwrap_or_default();
    let items: usize = encoded().map(|(items, _)| items.bytes.len()).sum();
    let mut out = Vec::with_capacity(prefix.len() + items + heads * (longest + HEAD_BYTES));
    out.extend_from_slice(prefix);
    if let Some((items, _)) = encoded().next() {
        out.push(ONE);
        text(&mut out, names.topic(items.source));
    }
    out.push(ZERO);
    block(&mut out, encoded().count(), |out| encoded().for_each(|(_, parent)| head(out, names, parent)));
    let count = encoded().map(|(items, _)| items.starts.len()).sum();
    block(&mut out, count, |out| (0_u8..).zip(encoded()).for_each(|(at, (items, _))| items.write(at, out)));
    let marks = || drafts.iter().flat_map(|draft| &draft.marks);
    block(&mut out, marks().count(), |out| marks().for_each(|made| mark(out, names, made)));
    // There is no fence.
    out.push(ZERO);
    Bytes::from(out)
}

/// An Avro array in one block.
fn block(out: &mut Vec<u8>, count: usize, elements: impl FnOnce(&mut Vec<u8>)) {
    if count > 0 {
        long(out, count as i64);
        elements(out);
    }
    out.push(ZERO);
}

fn head(out: &mut Vec<u8>, names: &Names, parent: &Parent) {
    text(out, names.topic(parent.place.topic));
    long(out, i64::from(names.generation(parent.place.topic)));
    long(out, i64::from(parent.place.partition));
    long(out, parent.first);
}

fn mark(out: &mut Vec<u8>, names: &Names, (place, time_us): &Mark) {
    text(out, names.topic(place.topic));
    long(out, i64::from(place.partition));
    long(out, *time_us);
}

/// How many fields a log's event has behind those of its source, if that is all in which they differ: names of rules, which
/// are null in an event that failed none.
fn behind(carried: &Value, source: &Value) -> Option<usize> {
    if carried == source {
        return Some(0);
    }
    let own = source.get("fields")?.as_array()?.len();
    let mut shorter = carried.clone();
    let more = shorter.get_mut("fields")?.as_array_mut()?.split_off(own);
    let is_null = |field: &Value| field["type"][0] == "null";
    (shorter == *source && more.iter().all(is_null)).then_some(more.len())
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
