//! Encoding items, marks and fences as one record of an internal log.

use super::{Error, Mark};
use crate::items::{Fence, Parent};
use crate::names::{Names, Place};
use crate::reader::Trigger;
use arrow::array::{
    Array, ArrayRef, BinaryArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, SchemaRef};
use bytes::Bytes;
use schemas::codec::Encoder;
use std::sync::Arc;

/// Items being laid out for one record: the envelope by value, the parts as finished columns.
#[derive(Debug, Default)]
pub struct Rows {
    parent: Vec<i32>,
    trigger_offset: Vec<i64>,
    trigger_item: Vec<i32>,
    index: Vec<i32>,
    origin_topic: Vec<u16>,
    origin_partition: Vec<i32>,
    origin_offset: Vec<i64>,
    time_us: Vec<i64>,
    id: StringBuilder,
    key: StringBuilder,
    /// Parts by field name (`event`, `features`, `label`, `prediction`); an absent part is null in every row.
    pub parts: Vec<(&'static str, ArrayRef)>,
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

    /// Whether none was pushed.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }
}

/// One record to be.
#[derive(Debug, Default)]
pub struct Draft {
    /// Parents that items point at by index.
    pub parents: Vec<Parent>,
    /// The items.
    pub rows: Rows,
    /// Marks, applied after the items.
    pub marks: Vec<Mark>,
    /// A fence; a record with one has no items.
    pub fence: Option<Fence>,
}

/// Encodes drafts for one log.
pub struct LogWriter {
    encoder: Encoder,
    schema: SchemaRef,
    names: Arc<Names>,
}

impl LogWriter {
    /// A writer of the log with the given Avro schema, registered under `id`.
    pub fn new(schema: &str, id: u32, names: Arc<Names>) -> Result<Self, Error> {
        LogWriter::with(schemas::codec::arrow_schema(schema)?, id, names)
    }

    /// The same, of a schema that was parsed before.
    pub fn with(schema: SchemaRef, id: u32, names: Arc<Names>) -> Result<Self, Error> {
        Ok(LogWriter { encoder: Encoder::new(&schema, id)?, schema, names })
    }

    /// The Arrow type of a part of this log's items, e.g. `event`.
    pub fn part_type(&self, part: &str) -> Option<&DataType> {
        let (_, item) = child(&self.schema, 2);
        let DataType::Struct(fields) = item.data_type() else { return None };
        fields.find(part).map(|(_, field)| field.data_type())
    }

    /// Encodes one record, framed with the schema id.
    pub fn encode(&mut self, draft: Draft) -> Result<Bytes, Error> {
        let Draft { parents, rows, marks, fence } = draft;
        let mut topics: Vec<u16> = Vec::new();
        let sources = rows.origin_topic.iter().map(|topic| index_of(&mut topics, *topic)).collect::<Vec<_>>();
        let items = self.items(rows, sources)?;
        let columns = vec![
            self.list(0, strings(topics.iter().map(|topic| &**self.names.topic(*topic)))),
            self.list(1, self.parents(&parents)?),
            self.list(2, Arc::new(items)),
            self.list(3, self.marks(&marks)?),
            self.fence(fence)?,
        ];
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let rows = self.encoder.encode(&batch)?;
        Ok(rows.iter().next().unwrap_or_default())
    }

    fn items(&self, rows: Rows, sources: Vec<i32>) -> Result<StructArray, Error> {
        let (_, item) = child(&self.schema, 2);
        let fields = struct_fields(item.data_type());
        let len = rows.len();
        let Rows { mut id, mut key, parts, .. } = rows;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(rows.parent)),
            Arc::new(Int64Array::from(rows.trigger_offset)),
            Arc::new(Int32Array::from(rows.trigger_item)),
            Arc::new(Int32Array::from(rows.index)),
            Arc::new(Int32Array::from(sources)),
            Arc::new(Int32Array::from(rows.origin_partition)),
            Arc::new(Int64Array::from(rows.origin_offset)),
            times(&fields[7], rows.time_us),
            Arc::new(id.finish()),
            Arc::new(key.finish()),
        ];
        for field in &fields[columns.len()..] {
            let part = parts.iter().find(|(name, _)| name == field.name());
            columns.push(match part {
                Some((_, array)) => refit(array, field),
                None => new_null_array(field.data_type(), len),
            });
        }
        Ok(StructArray::try_new(fields.clone(), columns, None)?)
    }

    fn list(&self, column: usize, values: ArrayRef) -> ArrayRef {
        let (_, field) = child(&self.schema, column);
        let offsets = OffsetBuffer::new(vec![0, values.len() as i32].into());
        Arc::new(ListArray::new(field.clone(), offsets, values, None))
    }

    fn parents(&self, parents: &[Parent]) -> Result<ArrayRef, Error> {
        let (_, field) = child(&self.schema, 1);
        let columns: Vec<ArrayRef> = vec![
            strings(parents.iter().map(|parent| &**self.names.topic(parent.place.topic))),
            ints(parents.iter().map(|parent| self.names.generation(parent.place.topic))),
            ints(parents.iter().map(|parent| i32::from(parent.place.partition))),
            Arc::new(Int64Array::from_iter_values(parents.iter().map(|parent| parent.first))),
        ];
        Ok(Arc::new(StructArray::try_new(struct_fields(field.data_type()).clone(), columns, None)?))
    }

    fn marks(&self, marks: &[Mark]) -> Result<ArrayRef, Error> {
        let (_, field) = child(&self.schema, 3);
        let fields = struct_fields(field.data_type());
        let columns: Vec<ArrayRef> = vec![
            strings(marks.iter().map(|(place, _)| &**self.names.topic(place.topic))),
            ints(marks.iter().map(|(place, _)| i32::from(place.partition))),
            times(&fields[2], marks.iter().map(|(_, time)| *time).collect()),
        ];
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
    }

    fn fence(&self, fence: Option<Fence>) -> Result<ArrayRef, Error> {
        let field = self.schema.field(4);
        let Some(fence) = fence else { return Ok(new_null_array(field.data_type(), 1)) };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![fence.number])),
            Arc::new(StringArray::from(vec![fence.state])),
            Arc::new(BinaryArray::from(vec![&fence.signature[..]])),
        ];
        let fields = struct_fields(field.data_type()).clone();
        Ok(Arc::new(StructArray::try_new(fields, columns, Some(NullBuffer::new_valid(1)))?))
    }
}

/// The same values under the log's own field definitions: names and nullability match by construction, metadata need not.
fn refit(array: &ArrayRef, field: &Field) -> ArrayRef {
    if array.data_type() == field.data_type() {
        return array.clone();
    }
    let (DataType::Struct(fields), Some(part)) = (field.data_type(), array.as_any().downcast_ref::<StructArray>())
    else {
        return array.clone();
    };
    let columns = part.columns().iter().zip(fields).map(|(column, field)| refit(column, field)).collect();
    match StructArray::try_new(fields.clone(), columns, part.nulls().cloned()) {
        Ok(refitted) => Arc::new(refitted),
        Err(_) => array.clone(),
    }
}

fn child(schema: &SchemaRef, column: usize) -> (&FieldRef, &FieldRef) {
    let field = &schema.fields()[column];
    match field.data_type() {
        DataType::List(item) => (field, item),
        other => unreachable!("column {column} of a log schema is a list, not {other}"),
    }
}

fn struct_fields(data_type: &DataType) -> &Fields {
    match data_type {
        DataType::Struct(fields) => fields,
        other => unreachable!("a log schema has records here, not {other}"),
    }
}

fn strings<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn ints(values: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

fn times(field: &Field, values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_data_type(field.data_type().clone()))
}

fn index_of(topics: &mut Vec<u16>, topic: u16) -> i32 {
    let at = topics.iter().position(|known| *known == topic).unwrap_or_else(|| {
        topics.push(topic);
        topics.len() - 1
    });
    at as i32
}
