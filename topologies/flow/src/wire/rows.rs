//! What a record of an internal log is to hold, before it is encoded.

use super::splice::Encoded;
use super::{Error, Mark};
use crate::emit::Fill;
use crate::items::{Fence, Parent};
use crate::names::Place;
use crate::reader::Trigger;
use arrow::array::{ArrayRef, StringBuilder};

/// Items being laid out for one record: the envelope by value, the parts as finished columns.
#[derive(Debug)]
pub struct Rows {
    pub(super) parent: Vec<i32>,
    pub(super) trigger_offset: Vec<i64>,
    pub(super) trigger_item: Vec<i32>,
    pub(super) index: Vec<i32>,
    pub(super) origin_topic: Vec<u16>,
    pub(super) origin_partition: Vec<i32>,
    pub(super) origin_offset: Vec<i64>,
    pub(super) time_us: Vec<i64>,
    pub(super) id: StringBuilder,
    pub(super) key: StringBuilder,
    /// Parts by field name (`event`, `features`, `label`, `prediction`); an absent part is null in every row.
    pub parts: Vec<(&'static str, ArrayRef)>,
}

impl Default for Rows {
    fn default() -> Self {
        // A builder's own default has room for a thousand texts, and most records to be have few or none.
        let texts = || StringBuilder::with_capacity(0, 0);
        Rows {
            parent: Vec::new(),
            trigger_offset: Vec::new(),
            trigger_item: Vec::new(),
            index: Vec::new(),
            origin_topic: Vec::new(),
            origin_partition: Vec::new(),
            origin_offset: Vec::new(),
            time_us: Vec::new(),
            id: texts(),
            key: texts(),
            parts: Vec::new(),
        }
    }
}

/// Where an event came from: source topic, partition and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Partition of the source topic.
    pub place: Place,
    /// Offset there.
    pub offset: i64,
}

impl Rows {
    /// Appends an item's envelope; the parts must get a row each, too.
    pub fn push(&mut self, parent: i32, trigger: Trigger, origin: Origin, time_us: i64, id: &str, key: &str) {
        self.parent.push(parent);
        self.trigger_offset.push(trigger.offset);
        self.trigger_item.push(trigger.item);
        self.index.push(trigger.index);
        self.origin_topic.push(origin.place.topic);
        self.origin_partition.push(i32::from(origin.place.partition));
        self.origin_offset.push(origin.offset);
        self.time_us.push(time_us);
        self.id.append_value(id);
        self.key.append_value(key);
    }

    /// How many items were pushed.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Appends the envelopes of others; their parts are not looked at.
    pub(super) fn append(&mut self, mut other: Rows) -> Result<(), Error> {
        self.parent.append(&mut other.parent);
        self.trigger_offset.append(&mut other.trigger_offset);
        self.trigger_item.append(&mut other.trigger_item);
        self.index.append(&mut other.index);
        self.origin_topic.append(&mut other.origin_topic);
        self.origin_partition.append(&mut other.origin_partition);
        self.origin_offset.append(&mut other.origin_offset);
        self.time_us.append(&mut other.time_us);
        self.id.append_array(&other.id.finish())?;
        self.key.append_array(&other.key.finish())?;
        Ok(())
    }

    /// Whether none was pushed.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }
}

/// One record to be, or part of one.
#[derive(Debug, Default)]
pub struct Draft {
    /// Parents that items point at by index.
    pub parents: Vec<Parent>,
    /// The items.
    pub rows: Rows,
    /// Items that are encoded already; there are no others then.
    pub encoded: Option<Encoded>,
    /// How much the items are, for [`LogWriter::encode_together`](super::LogWriter::encode_together).
    pub fill: Fill,
    /// Marks, applied after the items.
    pub marks: Vec<Mark>,
    /// A fence; a record with one has no items.
    pub fence: Option<Fence>,
}
