//! Encoding items, marks and fences as records of an internal log.
//!
//! What the tasks of a process write to one log at once is one batch with a row per record: the cost of a batch is that of
//! many items, and with many target partitions a record has few.

use super::group::{Group, groups};
use super::rows::{Draft, Rows};
use super::{Error, Mark, splice};
use crate::items::{Fence, Parent};
use crate::names::{Names, Place};
use arrow::array::{
    Array, ArrayRef, BinaryBuilder, Int32Array, Int64Array, Int64Builder, ListArray, RecordBatch, StringArray,
    StringBuilder, StructArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, SchemaRef};
use bytes::Bytes;
use schemas::codec::Encoder;
use schemas::framing;
use std::sync::Arc;

/// Most records encoded as one batch: texts of a batch have their offsets in 31 bits, and a record has a megabyte at most.
const TOGETHER_MAX: usize = 1_024;

/// Encodes drafts for one log.
pub struct LogWriter {
    encoder: Encoder,
    prefix: [u8; framing::PREFIX_BYTES],
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
        Ok(LogWriter { encoder: Encoder::new(&schema, id)?, prefix: framing::prefix(id), schema, names })
    }

    /// The Arrow type of a part of this log's items, e.g. `event`.
    pub fn part_type(&self, part: &str) -> Option<&DataType> {
        let (_, item) = child(&self.schema, 2);
        let DataType::Struct(fields) = item.data_type() else { return None };
        fields.find(part).map(|(_, field)| field.data_type())
    }

    /// Encodes one record, framed with the schema id.
    pub fn encode(&mut self, draft: Draft) -> Result<Bytes, Error> {
        let place = Place { topic: 0, partition: 0 };
        let mut records = self.encode_together(vec![(place, draft)])?;
        Ok(records.pop().map(|(_, value)| value).unwrap_or_default())
    }

    /// Encodes records, each framed with the schema id. Drafts for the same partition become one record as far as
    /// [`RECORD_ITEMS_MAX`](crate::emit::RECORD_ITEMS_MAX) and
    /// [`RECORD_BYTES_MAX`](crate::emit::RECORD_BYTES_MAX) allow, and keep their order.
    pub fn encode_together(&mut self, drafts: Vec<(Place, Draft)>) -> Result<Vec<(Place, Bytes)>, Error> {
        let groups = groups(drafts);
        let mut records = Vec::with_capacity(groups.len());
        let mut rows: Vec<(usize, Vec<Draft>)> = Vec::new();
        for Group { place, drafts } in groups {
            let is_encoded = drafts.iter().any(|draft| draft.encoded.is_some());
            records.push((
                place,
                if is_encoded { splice::record(&self.prefix, &self.names, &drafts) } else { Bytes::new() },
            ));
            if !is_encoded {
                rows.push((records.len() - 1, drafts));
            }
        }
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(TOGETHER_MAX));
            let (at, together): (Vec<_>, Vec<_>) = std::mem::replace(&mut rows, rest).into_iter().unzip();
            let batch = self.batch(together)?;
            at.into_iter().zip(self.encoder.encode(&batch)?.iter()).for_each(|(at, value)| records[at].1 = value);
        }
        Ok(records)
    }

    /// A row per record, each made of its drafts.
    fn batch(&self, records: Vec<Vec<Draft>>) -> Result<RecordBatch, Error> {
        let mut all = Columns::default();
        for drafts in records {
            all.push(drafts)?;
        }
        let Columns { topics, parents, items, marks, fences, .. } = &mut all;
        let (topics, parents) = (std::mem::take(topics), std::mem::take(parents));
        let (items, marks, fences) = (std::mem::take(items), std::mem::take(marks), std::mem::take(fences));
        let columns = vec![
            self.list(0, topics.ends, strings(topics.values.iter().map(|topic| &**self.names.topic(*topic)))),
            self.list(1, parents.ends, self.parents(&parents.values)?),
            self.list(2, items, Arc::new(self.items(all)?)),
            self.list(3, marks.ends, self.marks(&marks.values)?),
            self.fences(fences)?,
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn items(&self, all: Columns) -> Result<StructArray, Error> {
        let (_, item) = child(&self.schema, 2);
        let fields = struct_fields(item.data_type());
        let Columns { mut rows, sources, parts, .. } = all;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(rows.parent)),
            Arc::new(Int64Array::from(rows.trigger_offset)),
            Arc::new(Int32Array::from(rows.trigger_item)),
            Arc::new(Int32Array::from(rows.index)),
            Arc::new(Int32Array::from(sources)),
            Arc::new(Int32Array::from(rows.origin_partition)),
            Arc::new(Int64Array::from(rows.origin_offset)),
            times(&fields[7], rows.time_us),
            Arc::new(rows.id.finish()),
            Arc::new(rows.key.finish()),
        ];
        for field in &fields[columns.len()..] {
            columns.push(part(field, &parts)?);
        }
        Ok(StructArray::try_new(fields.clone(), columns, None)?)
    }

    fn list(&self, column: usize, ends: Vec<i32>, values: ArrayRef) -> ArrayRef {
        let (_, field) = child(&self.schema, column);
        let offsets = OffsetBuffer::new(ends.into());
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

    fn fences(&self, fences: Vec<Option<Fence>>) -> Result<ArrayRef, Error> {
        let field = self.schema.field(4);
        if fences.iter().all(Option::is_none) {
            return Ok(new_null_array(field.data_type(), fences.len()));
        }
        let valid: NullBuffer = fences.iter().map(Option::is_some).collect::<Vec<_>>().into();
        let (mut numbers, mut states, mut signatures) =
            (Int64Builder::new(), StringBuilder::new(), BinaryBuilder::new());
        for fence in fences {
            let fence = fence.unwrap_or_default();
            numbers.append_value(fence.number);
            states.append_value(fence.state);
            signatures.append_value(fence.signature);
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(numbers.finish()), Arc::new(states.finish()), Arc::new(signatures.finish())];
        Ok(Arc::new(StructArray::try_new(struct_fields(field.data_type()).clone(), columns, Some(valid))?))
    }
}

/// A list per record: all values, and where each list ends.
struct Lists<T> {
    values: Vec<T>,
    ends: Vec<i32>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Lists { values: Vec::new(), ends: vec![0] }
    }
}

impl<T> Lists<T> {
    fn push(&mut self, mut list: Vec<T>) {
        self.values.append(&mut list);
        self.ends.push(self.values.len() as i32);
    }
}

/// The columns of several records.
struct Columns {
    topics: Lists<u16>,
    parents: Lists<Parent>,
    rows: Rows,
    /// Per item its source among the record's topics.
    sources: Vec<i32>,
    /// Per draft how many items it has, and its parts.
    parts: Vec<(usize, Vec<(&'static str, ArrayRef)>)>,
    /// Where each record's items end.
    items: Vec<i32>,
    marks: Lists<Mark>,
    fences: Vec<Option<Fence>>,
}

impl Default for Columns {
    fn default() -> Self {
        Columns {
            topics: Lists::default(),
            parents: Lists::default(),
            rows: Rows::default(),
            sources: Vec::new(),
            parts: Vec::new(),
            items: vec![0],
            marks: Lists::default(),
            fences: Vec::new(),
        }
    }
}

impl Columns {
    /// Appends a record. Its items point at the parents of all its drafts.
    fn push(&mut self, drafts: Vec<Draft>) -> Result<(), Error> {
        let (mut topics, mut parents): (Vec<u16>, Vec<Parent>) = Default::default();
        let (mut marks, mut fence): (Vec<Mark>, Option<Fence>) = Default::default();
        for mut draft in drafts {
            let mut rows = draft.rows;
            rows.parent.iter_mut().for_each(|parent| *parent += parents.len() as i32);
            self.sources.extend(rows.origin_topic.iter().map(|topic| index_of(&mut topics, *topic)));
            parents.append(&mut draft.parents);
            self.parts.push((rows.len(), std::mem::take(&mut rows.parts)));
            match self.rows.is_empty() {
                true => self.rows = rows,
                false => self.rows.append(rows)?,
            }
            marks.append(&mut draft.marks);
            fence = fence.or(draft.fence);
        }
        self.topics.push(topics);
        self.parents.push(parents);
        self.items.push(self.rows.len() as i32);
        self.marks.push(marks);
        self.fences.push(fence);
        Ok(())
    }
}

/// One part's column over all drafts; null where a draft's items do not have it.
fn part(field: &FieldRef, drafts: &[(usize, Vec<(&'static str, ArrayRef)>)]) -> Result<ArrayRef, Error> {
    let find = |parts: &[(&'static str, ArrayRef)]| {
        parts.iter().find(|(name, _)| name == field.name()).map(|(_, array)| array.clone())
    };
    let with_items: Vec<_> =
        drafts.iter().filter(|(len, _)| *len > 0).map(|(len, parts)| (*len, find(parts))).collect();
    if with_items.iter().all(|(_, found)| found.is_none()) {
        return Ok(new_null_array(field.data_type(), with_items.iter().map(|(len, _)| len).sum()));
    }
    let columns: Vec<ArrayRef> = with_items
        .iter()
        .map(|(len, found)| match found {
            Some(array) => refit(array, field),
            None => new_null_array(field.data_type(), *len),
        })
        .collect();
    match &columns[..] {
        [only] => Ok(only.clone()),
        several => Ok(concat(&several.iter().map(|column| &**column).collect::<Vec<_>>())?),
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
