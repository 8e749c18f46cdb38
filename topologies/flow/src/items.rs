//! Items of an internal log, by column. One decoded poll of a log partition is a [`LogBatch`]: the heads of its records
//! and all their items as one Arrow struct.

use crate::ledger::Spot;
use crate::names::Place;
use crate::reader::Trigger;
use crate::sizes::Sizes;
use crate::wire::Origin;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, StructArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use std::ops::Range;
use std::sync::Arc;

/// A control item: the complete control state of a log's tasks, effective from its position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Number of the control state; lower or equal ones than that in force are ignored.
    pub number: i64,
    /// The control state as canonical JSON.
    pub state: String,
    /// Signature over number and state; empty while signing is not configured.
    pub signature: Vec<u8>,
}

/// A parent of a record's items and the emission number of its first item there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The partition whose task emitted the items.
    pub place: Place,
    /// Number of the parent's first item in this record; the others count on from it in their order.
    pub first: i64,
}

/// What one log record carries besides its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Offset of the record.
    pub offset: i64,
    /// When the log appended it, milliseconds since the epoch.
    pub append_time_ms: i64,
    /// Rows of [`LogBatch::items`] that are this record's.
    pub items: Range<usize>,
    /// Parents of the items.
    pub parents: Vec<Parent>,
    /// Event-time marks; they apply after the items.
    pub marks: Vec<(Place, i64)>,
    /// The fence, if the record is one.
    pub fence: Option<Fence>,
}

/// A decoded poll of one log partition.
#[derive(Debug, Clone)]
pub struct LogBatch {
    /// Records in offset order.
    pub records: Vec<Head>,
    /// All items of all records.
    pub items: Arc<Items>,
}

/// Items as columns. Cheap to clone through its `Arc`; a held item is this and a row number.
#[derive(Debug, Clone)]
pub struct Items {
    columns: StructArray,
    origin_topics: Vec<u16>,
    parent_topics: Vec<u16>,
    event_sizes: Sizes,
}

/// The envelope columns of [`Items`] as plain slices.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Index into the parents of the item's record.
    pub parent: &'a [i32],
    /// Trigger offsets.
    pub trigger_offset: &'a [i64],
    /// Trigger items.
    pub trigger_item: &'a [i32],
    /// Output indexes.
    pub index: &'a [i32],
    /// Partition of the origin.
    pub origin_partition: &'a [i32],
    /// Offset of the origin.
    pub origin_offset: &'a [i64],
    /// Event time, microseconds since the epoch.
    pub time_us: &'a [i64],
}

impl Envelope<'_> {
    /// The trigger of a row.
    pub fn trigger(&self, row: usize) -> Trigger {
        Trigger { offset: self.trigger_offset[row], item: self.trigger_item[row], index: self.index[row] }
    }
}

/// Column positions of an item, as `schemas::log::log_schema` lays them out.
pub(crate) const PARENT: usize = 0;
const TRIGGER_OFFSET: usize = 1;
const TRIGGER_ITEM: usize = 2;
const INDEX: usize = 3;
pub(crate) const ORIGIN_SOURCE: usize = 4;
const ORIGIN_PARTITION: usize = 5;
const ORIGIN_OFFSET: usize = 6;
const TIME: usize = 7;
const ID: usize = 8;
const KEY: usize = 9;

impl Items {
    /// Wraps the struct column of items; the others hold each item's source topic and its parent's, by name number.
    pub(crate) fn new(columns: StructArray, origin_topics: Vec<u16>, parent_topics: Vec<u16>) -> Self {
        let event = columns.column_by_name("event").map(|column| column.as_struct());
        Items { event_sizes: Sizes::of(event), columns, origin_topics, parent_topics }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    fn ints(&self, at: usize) -> &[i32] {
        self.columns.column(at).as_primitive::<Int32Type>().values()
    }

    fn longs(&self, at: usize) -> &[i64] {
        self.columns.column(at).as_primitive::<Int64Type>().values()
    }

    /// The envelope columns.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope {
            parent: self.ints(PARENT),
            trigger_offset: self.longs(TRIGGER_OFFSET),
            trigger_item: self.ints(TRIGGER_ITEM),
            index: self.ints(INDEX),
            origin_partition: self.ints(ORIGIN_PARTITION),
            origin_offset: self.longs(ORIGIN_OFFSET),
            time_us: self.columns.column(TIME).as_primitive::<TimestampMicrosecondType>().values(),
        }
    }

    /// Source topic of a row's origin, by name number.
    pub fn origin_topic(&self, row: usize) -> u16 {
        self.origin_topics[row]
    }

    /// Where the event of a row came from.
    pub fn origin(&self, row: usize) -> Origin {
        let partition = self.ints(ORIGIN_PARTITION)[row] as u16;
        Origin { place: Place { topic: self.origin_topics[row], partition }, offset: self.longs(ORIGIN_OFFSET)[row] }
    }

    /// Where the ledger counts a row.
    pub fn spot(&self, row: usize) -> Spot {
        Spot::of(self.parent_topics[row], self.origin(row))
    }

    /// Event ids.
    pub fn ids(&self) -> &StringArray {
        self.columns.column(ID).as_string()
    }

    /// Canonical texts of the log's entity key; empty where the key is null.
    pub fn keys(&self) -> &StringArray {
        self.columns.column(KEY).as_string()
    }

    /// The event record, null for items that are none.
    pub fn event(&self) -> Option<&StructArray> {
        self.part("event")
    }

    /// About how many bytes the event of a row takes in a record.
    pub fn event_bytes(&self, row: usize) -> usize {
        self.event_sizes.bytes(row)
    }

    /// The features computed so far.
    pub fn features(&self) -> Option<&StructArray> {
        self.part("features")
    }

    /// The label part: value and event time.
    pub fn label(&self) -> Option<Labels<'_>> {
        let part = self.part("label")?;
        let value = part.column(0).as_any().downcast_ref::<Float64Array>()?;
        Some(Labels { part, value, event_time_us: part.column(1).as_primitive::<TimestampMicrosecondType>().values() })
    }

    /// The prediction part.
    pub fn prediction(&self) -> Option<&StructArray> {
        self.part("prediction")
    }

    fn part(&self, name: &str) -> Option<&StructArray> {
        self.columns.column_by_name(name).map(|column| column.as_struct())
    }

    /// One column of the event record.
    pub fn event_column(&self, name: &str) -> Option<&ArrayRef> {
        self.event()?.column_by_name(name)
    }

    /// The whole struct, for `tap` and the archive.
    pub fn columns(&self) -> &StructArray {
        &self.columns
    }
}

/// The label part of items.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    part: &'a StructArray,
    value: &'a Float64Array,
    event_time_us: &'a [i64],
}

impl Labels<'_> {
    /// Label value and event time of a row; `None` where the item carries no label.
    pub fn get(&self, row: usize) -> Option<(f64, i64)> {
        self.part.is_valid(row).then(|| (self.value.value(row), self.event_time_us[row]))
    }
}
