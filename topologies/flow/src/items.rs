//! Items of an internal log, by column. One decoded poll of a log partition is a [`LogBatch`]: the heads of its records
//! and all their items as one Arrow struct.

use crate::ledger::Spot;
use crate::names::Place;
use crate::reader::Trigger;
use crate::sizes::Sizes;
use crate::wire::Origin;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, StructArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use std::ops::Range;
use std::sync::Arc;

/// A control item: the complete control state of a log's tasks, effective from its position on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// Items as columns, each found and typed once. Cheap to clone through its `Arc`; a held item is this and a row number.
#[derive(Debug, Clone)]
pub struct Items {
    columns: StructArray,
    parent: ScalarBuffer<i32>,
    trigger_offset: ScalarBuffer<i64>,
    trigger_item: ScalarBuffer<i32>,
    index: ScalarBuffer<i32>,
    origin_partition: ScalarBuffer<i32>,
    origin_offset: ScalarBuffer<i64>,
    time_us: ScalarBuffer<i64>,
    ids: StringArray,
    keys: StringArray,
    event: Option<usize>,
    features: Option<usize>,
    prediction: Option<usize>,
    label: Option<LabelColumns>,
    origin_topics: Vec<u16>,
    parent_topics: Vec<u16>,
    event_sizes: Sizes,
}

/// The label part of items, typed.
#[derive(Debug, Clone)]
struct LabelColumns {
    nulls: Option<NullBuffer>,
    value: ScalarBuffer<f64>,
    event_time_us: ScalarBuffer<i64>,
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
        let ints = |at: usize| columns.column(at).as_primitive::<Int32Type>().values().clone();
        let longs = |at: usize| columns.column(at).as_primitive::<Int64Type>().values().clone();
        let part = |name: &str| columns.fields().iter().position(|field| field.name() == name);
        let event = part("event");
        let label = part("label").map(|at| columns.column(at).as_struct()).map(|label| LabelColumns {
            nulls: label.nulls().cloned(),
            value: label.column(0).as_primitive::<Float64Type>().values().clone(),
            event_time_us: label.column(1).as_primitive::<TimestampMicrosecondType>().values().clone(),
        });
        Items {
            parent: ints(PARENT),
            trigger_offset: longs(TRIGGER_OFFSET),
            trigger_item: ints(TRIGGER_ITEM),
            index: ints(INDEX),
            origin_partition: ints(ORIGIN_PARTITION),
            origin_offset: longs(ORIGIN_OFFSET),
            time_us: columns.column(TIME).as_primitive::<TimestampMicrosecondType>().values().clone(),
            ids: columns.column(ID).as_string().clone(),
            keys: columns.column(KEY).as_string().clone(),
            event_sizes: Sizes::of(event.map(|at| columns.column(at).as_struct())),
            features: part("features"),
            prediction: part("prediction"),
            event,
            label,
            columns,
            origin_topics,
            parent_topics,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The envelope columns.
    #[inline]
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope {
            parent: &self.parent,
            trigger_offset: &self.trigger_offset,
            trigger_item: &self.trigger_item,
            index: &self.index,
            origin_partition: &self.origin_partition,
            origin_offset: &self.origin_offset,
            time_us: &self.time_us,
        }
    }

    /// Source topic of a row's origin, by name number.
    pub fn origin_topic(&self, row: usize) -> u16 {
        self.origin_topics[row]
    }

    /// Where the event of a row came from.
    #[inline]
    pub fn origin(&self, row: usize) -> Origin {
        let partition = self.origin_partition[row] as u16;
        Origin { place: Place { topic: self.origin_topics[row], partition }, offset: self.origin_offset[row] }
    }

    /// Where the ledger counts a row.
    #[inline]
    pub fn spot(&self, row: usize) -> Spot {
        Spot::of(self.parent_topics[row], self.origin(row))
    }

    /// Rows as the ledger counts them when they are taken: the parent's topic and the origin.
    pub(crate) fn taken(&self, rows: Range<usize>) -> impl Iterator<Item = (u16, Origin)> {
        rows.map(|row| (self.parent_topics[row], self.origin(row)))
    }

    /// Event ids.
    pub fn ids(&self) -> &StringArray {
        &self.ids
    }

    /// Canonical texts of the log's entity key; empty where the key is null.
    pub fn keys(&self) -> &StringArray {
        &self.keys
    }

    /// The event record, null for items that are none.
    pub fn event(&self) -> Option<&StructArray> {
        self.part(self.event)
    }

    /// About how many bytes the event of a row takes in a record.
    pub fn event_bytes(&self, row: usize) -> usize {
        self.event_sizes.bytes(row)
    }

    /// The features computed so far.
    pub fn features(&self) -> Option<&StructArray> {
        self.part(self.features)
    }

    /// The label part: value and event time.
    #[inline]
    pub fn label(&self) -> Option<Labels<'_>> {
        self.label.as_ref().map(|columns| Labels { columns })
    }

    /// The prediction part.
    pub fn prediction(&self) -> Option<&StructArray> {
        self.part(self.prediction)
    }

    fn part(&self, at: Option<usize>) -> Option<&StructArray> {
        at.map(|at| self.columns.column(at).as_struct())
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
    columns: &'a LabelColumns,
}

impl Labels<'_> {
    /// Label value and event time of a row; `None` where the item carries no label.
    #[inline]
    pub fn get(&self, row: usize) -> Option<(f64, i64)> {
        let LabelColumns { nulls, value, event_time_us } = self.columns;
        let there = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        there.then(|| (value[row], event_time_us[row]))
    }
}
