//! Records of source topics, public topics and dead letters as rows: the value's columns, key and headers beside them.
//!
//! All versions of a topic's schema share one shape: that of the version with the highest id seen so far, which the
//! footers carry on. A producer that still writes an older version changes nothing, and a new version begins a new file
//! once. A value that does not resolve to that shape is kept as bytes.

use crate::Error;
use crate::cuts::{Cuts, Group, Groups};
use crate::partition::input_bytes;
use crate::text::{Numbers, headers};
use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Array, Int32Builder, Int64Array, RecordBatch, StringBuilder, UInt32Builder,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use flow::config::Format;
use flow::task::SchemaSource;
use offline::archive::{SchemaNote, positioned};
use registry::canonical::sha256_hex;
use runtime::context::Context;
use runtime::log::{Record, TopicPartition};
use schemas::codec::Decoder;
use schemas::framing::{self, Framed};
use schemas::json::{Bodies, JsonWriter, Unknown};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Column: id of the schema that the value was written with.
pub const SCHEMA_ID: &str = "_schema_id";
/// Column: the key's bytes.
pub const KEY: &str = "_key";
/// Column: the value's bytes, where they have no columns.
pub const VALUE: &str = "_value";
/// Column: headers as a JSON list of pairs.
pub const HEADERS: &str = "_headers";

/// Makes rows of the records of one partition.
pub struct ValueRows {
    topic: String,
    source: Arc<dyn SchemaSource>,
    /// What the columns follow; none where values are somebody else's bytes.
    shape: Option<Shape>,
    planned: Option<u32>,
    /// For a source in JSON, whose records are all of the planned schema.
    json: Option<JsonWriter>,
    /// Ids that are no schema of this topic.
    foreign: BTreeSet<u32>,
}

/// The schema that the columns follow.
struct Shape {
    id: u32,
    text: Arc<str>,
    decoder: Decoder,
    schema: SchemaRef,
    note: SchemaNote,
}

/// Rows of one shape, and how they group.
pub struct Made {
    pub rows: RecordBatch,
    pub groups: Vec<Group>,
    pub note: SchemaNote,
}

impl Shape {
    fn new(id: u32, text: Arc<str>) -> Result<Self, schemas::codec::Error> {
        let mut decoder = Decoder::new(&text)?;
        decoder.add_writer(id, &text)?;
        let columns = decoder.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(columns.chain(beside()).collect::<Vec<_>>()));
        let note = SchemaNote { id: Some(id), digest: sha256_hex(text.as_bytes()) };
        Ok(Shape { id, text, decoder, schema, note })
    }
}

fn beside() -> [Field; 4] {
    [
        Field::new(SCHEMA_ID, DataType::Int32, true),
        Field::new(KEY, DataType::Binary, true),
        Field::new(VALUE, DataType::Binary, true),
        Field::new(HEADERS, DataType::Utf8, true),
    ]
}

impl ValueRows {
    /// Rows of a topic's partition.
    pub fn new(context: &Context, tp: &TopicPartition) -> Result<Self, Error> {
        let planned = match context.topic(&tp.topic)?.schema {
            Some(_) => Some(context.schema_id(&tp.topic)?),
            None => None,
        };
        let (topic, source) = (tp.topic.to_string(), context.schema_source());
        let json = match context.pipeline.format(&tp.topic) {
            Format::Avro => None,
            Format::Json(format) => Some(JsonWriter::new(&context.schema(&tp.topic)?)?.with_times(format.times)),
        };
        Ok(ValueRows { topic, source, shape: None, planned, json, foreign: BTreeSet::new() })
    }

    /// Goes on with the numbers of the last file.
    pub fn restore(&mut self, numbers: Option<&Numbers>) -> Result<(), Error> {
        let Some(id) = numbers.and_then(|numbers| numbers.schema).or(self.planned) else { return Ok(()) };
        if self.shape.as_ref().is_some_and(|shape| shape.id == id) {
            return Ok(());
        }
        let text = self
            .source
            .schema(id)
            .ok_or_else(|| runtime::context::Error::Unregistered { topic: self.topic.clone() })?;
        self.shape = Some(Shape::new(id, text)?);
        Ok(())
    }

    /// The columns of rows by the shape in use.
    pub fn schema(&self) -> Result<SchemaRef, Error> {
        let schema = self.shape.as_ref().map(|shape| shape.schema.clone());
        let rows = RecordBatch::new_empty(schema.unwrap_or_else(|| Arc::new(Schema::new(beside().to_vec()))));
        let refuse = |error: ArrowError| Error::Layout { topic: self.topic.clone(), detail: error.to_string() };
        Ok(place(&rows, &[]).map_err(refuse)?.schema())
    }

    /// The rows of a poll: one batch per shape, which is nearly always one.
    pub fn make(&mut self, records: &[Record], cuts: &mut Cuts) -> Result<Vec<Made>, Error> {
        let mut made = Vec::new();
        let mut room = Vec::new();
        let found = match (&self.json, self.planned) {
            (Some(json), Some(id)) => of_json(json, id, records, &mut room),
            _ => records.iter().map(split).collect(),
        };
        let mut framed: Vec<Option<Framed<'_>>> = Vec::with_capacity(records.len());
        let mut begin = 0;
        for (at, found) in found.into_iter().enumerate() {
            let found = found.filter(|_| self.shape.is_some());
            if let Some(newer) = found.as_ref().and_then(|framed| self.newer(framed.id)) {
                made.extend(self.run(&records[begin..at], &framed, cuts)?);
                (begin, framed) = (at, Vec::new());
                // The writer ends its file before rows of another shape.
                cuts.close();
                self.shape = Some(newer);
            }
            let known = found.filter(|framed| self.knows(framed.id));
            framed.push(known);
        }
        made.extend(self.run(&records[begin..], &framed, cuts)?);
        Ok(made)
    }

    /// The shape of a version above the one in use, if the id is one: it must be able to read the one in use.
    fn newer(&mut self, id: u32) -> Option<Shape> {
        let shape = self.shape.as_ref().filter(|shape| id > shape.id && !shape.decoder.knows(id))?;
        if self.foreign.contains(&id) {
            return None;
        }
        let newer = self.source.schema(id).and_then(|text| Shape::new(id, text).ok());
        let newer = newer.and_then(|mut newer| newer.decoder.add_writer(shape.id, &shape.text).ok().map(|()| newer));
        if newer.is_none() {
            self.foreign.insert(id);
        }
        newer
    }

    /// Whether values of that schema resolve to the shape in use.
    fn knows(&mut self, id: u32) -> bool {
        let Some(shape) = &mut self.shape else { return false };
        if shape.decoder.knows(id) || self.foreign.contains(&id) {
            return !self.foreign.contains(&id);
        }
        let added = self.source.schema(id).is_some_and(|text| shape.decoder.add_writer(id, &text).is_ok());
        if !added {
            self.foreign.insert(id);
        }
        added
    }

    fn run(
        &mut self,
        records: &[Record],
        framed: &[Option<Framed<'_>>],
        cuts: &mut Cuts,
    ) -> Result<Option<Made>, Error> {
        if records.is_empty() {
            return Ok(None);
        }
        let numbers = Numbers { taken: Vec::new(), schema: self.shape.as_ref().map(|shape| shape.id) }.text();
        let mut groups = Groups::default();
        for record in records {
            groups.take(cuts, (record.offset + 1, 1, input_bytes(record)), || numbers.clone());
        }
        groups.end(|| numbers.clone());
        let refuse = |error: ArrowError| Error::Layout { topic: self.topic.clone(), detail: error.to_string() };
        let (rows, note) = match &mut self.shape {
            Some(shape) => (shape.lay_out(records, framed).map_err(refuse)?, shape.note.clone()),
            None => {
                let schema = Arc::new(Schema::new(beside().to_vec()));
                let columns = Beside::of(records, |_| None).into();
                let rows = RecordBatch::try_new(schema, columns).and_then(|rows| place(&rows, records));
                (rows.map_err(refuse)?, SchemaNote { id: None, digest: String::new() })
            }
        };
        Ok(Some(Made { rows, groups: groups.finish(), note }))
    }
}

fn split(record: &Record) -> Option<Framed<'_>> {
    let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
    framing::split(record.value.as_deref(), headers).ok()
}

/// The bodies of objects in JSON, as if they had been written with this schema. One that has fields besides those of the
/// schema is kept as bytes, like one that cannot be read: the columns would not have all of it.
fn of_json<'a>(json: &JsonWriter, id: u32, records: &[Record], room: &'a mut Vec<u8>) -> Vec<Option<Framed<'a>>> {
    let read = |bodies: &mut Bodies<'_>, record: &Record| bodies.text(record.value.as_deref().unwrap_or_default());
    let framed = json.frames((id, Unknown::Reject), records, room, read);
    framed.into_iter().map(Result::ok).collect()
}

impl Shape {
    fn lay_out(&mut self, records: &[Record], framed: &[Option<Framed<'_>>]) -> Result<RecordBatch, ArrowError> {
        let readable: Vec<Framed<'_>> = framed.iter().flatten().copied().collect();
        let decoded = self.decoder.decode(&readable);
        // Which row of the decoded batch each record is.
        let mut row_of = vec![None; records.len()];
        let positions: Vec<usize> = (0..records.len()).filter(|at| framed[*at].is_some()).collect();
        for (row, at) in decoded.accepted().enumerate() {
            row_of[positions[at]] = Some(row as u32);
        }
        let whole = row_of.iter().all(Option::is_some);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        if whole {
            columns.extend(decoded.batch.columns().iter().cloned());
        } else {
            let mut indexes = UInt32Builder::with_capacity(records.len());
            row_of.iter().for_each(|row| indexes.append_option(*row));
            let indexes = indexes.finish();
            for column in decoded.batch.columns() {
                columns.push(take(column, &indexes, None)?);
            }
        }
        let id = |at: usize| row_of[at].and(framed[at].as_ref()).map(|framed| framed.id);
        columns.extend(<[ArrayRef; 4]>::from(Beside::of(records, id)));
        place(&RecordBatch::try_new(self.schema.clone(), columns)?, records)
    }
}

/// The columns beside the value's.
struct Beside {
    ids: Int32Builder,
    keys: BinaryBuilder,
    values: BinaryBuilder,
    headers: StringBuilder,
}

impl Beside {
    /// `id` is the schema of a record whose value has columns.
    fn of(records: &[Record], id: impl Fn(usize) -> Option<u32>) -> Self {
        let mut beside = Beside {
            ids: Int32Builder::new(),
            keys: BinaryBuilder::new(),
            values: BinaryBuilder::new(),
            headers: StringBuilder::new(),
        };
        let mut text = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let id = id(at);
            beside.ids.append_option(id.map(u32::cast_signed));
            beside.keys.append_option(record.key.as_deref());
            beside.values.append_option(record.value.as_deref().filter(|_| id.is_none()));
            beside.headers.append_option(headers(&record.headers, &mut text));
        }
        beside
    }
}

impl From<Beside> for [ArrayRef; 4] {
    fn from(mut beside: Beside) -> Self {
        [
            Arc::new(beside.ids.finish()),
            Arc::new(beside.keys.finish()),
            Arc::new(beside.values.finish()),
            Arc::new(beside.headers.finish()),
        ]
    }
}

impl From<Beside> for Vec<ArrayRef> {
    fn from(beside: Beside) -> Self {
        <[ArrayRef; 4]>::from(beside).into()
    }
}

fn place(rows: &RecordBatch, records: &[Record]) -> Result<RecordBatch, ArrowError> {
    let offsets = Int64Array::from_iter_values(records.iter().map(|record| record.offset));
    let items = Int32Array::new_null(records.len());
    positioned(rows, offsets, items, records.iter().map(|record| record.append_time_ms))
}
