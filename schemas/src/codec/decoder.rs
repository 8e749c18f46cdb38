//! Many records of several writer schemas into one batch of the reader schema.

use std::ops::Range;
use std::sync::Arc;

use apache_avro::schema_compatibility::SchemaCompatibility;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::known::{Parsed, parse};
use super::merge::{self, Place};
use super::reshape::{bare_fields, conform};
use super::writer::{Stopped, Writer};
use super::{Error, causes};
use crate::framing::Framed;
use crate::reject::{Code, Reject};

/// Bytes of bodies that one call may decode: Arrow's string columns count their bytes in 31 bits.
pub const BATCH_BYTES_MAX: usize = 1 << 30;
/// Default limit on one record's body.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// What became of a run of records.
#[derive(Debug)]
pub struct Decoded {
    /// One row per accepted record, in input order.
    pub batch: RecordBatch,
    /// The other records: their index in the input, rising, and the reason.
    pub rejected: Vec<(usize, Reject)>,
}

impl Decoded {
    /// The input index of each row of the batch.
    pub fn accepted(&self) -> impl Iterator<Item = usize> + '_ {
        let records = self.batch.num_rows() + self.rejected.len();
        let mut rejected = self.rejected.iter().map(|(index, _)| *index).peekable();
        (0..records).filter(move |index| rejected.next_if_eq(index).is_none())
    }
}

/// Decodes bodies of every added writer schema into batches of one reader schema.
pub struct Decoder {
    reader_json: String,
    reader: Arc<Parsed>,
    schema: SchemaRef,
    writers: Vec<Writer>,
    record_bytes_max: usize,
}

impl Decoder {
    /// A decoder to this reader schema that knows no writer yet.
    pub fn new(reader_schema_json: &str) -> Result<Self, Error> {
        let reader = parse(reader_schema_json)?;
        Ok(Decoder {
            reader_json: reader_schema_json.to_owned(),
            schema: reader.arrow(reader_schema_json)?,
            reader,
            writers: Vec::new(),
            record_bytes_max: RECORD_BYTES_MAX,
        })
    }

    /// Sets the limit on one record's body; larger ones are rejected as `RECORD_TOO_LARGE`.
    pub fn with_record_bytes_max(mut self, record_bytes_max: usize) -> Self {
        self.record_bytes_max = record_bytes_max;
        self
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds a writer schema under its registry id. Adding the same again changes nothing.
    ///
    /// A writer whose every record would fail is an error that names the field; a union branch or enum symbol that
    /// the reader lacks is one only for the records that use it.
    pub fn add_writer(&mut self, id: u32, writer_json: &str) -> Result<(), Error> {
        if let Some(known) = self.writers.iter().find(|writer| writer.id() == id) {
            return if known.json() == writer_json { Ok(()) } else { Err(Error::IdReused { id }) };
        }
        let parsed = parse(writer_json)?;
        let incompatible = |arrow: String| {
            let compatible = SchemaCompatibility::can_read(&parsed.avro, &self.reader.avro);
            let detail = compatible.err().map_or(arrow, |error| causes(&error));
            Error::Incompatible { id, detail }
        };
        let writer = Writer::new(id, writer_json, parsed.clone(), &self.reader_json)
            .map_err(|error| incompatible(error.to_string()))?;
        // Resolution must end in exactly the reader's columns, or batches of two writers could not be joined.
        if bare_fields(writer.schema().fields()) != *self.schema.fields() {
            return Err(incompatible(format!("it resolves to {:?}", writer.schema().fields())));
        }
        self.writers.push(writer);
        Ok(())
    }

    /// True when records with this schema id can be decoded.
    pub fn knows(&self, id: u32) -> bool {
        self.writers.iter().any(|writer| writer.id() == id)
    }

    /// Decodes the records. Each is accepted or rejected on its own merits, whatever stands beside it.
    pub fn decode(&mut self, records: &[Framed<'_>]) -> Decoded {
        let bytes: usize = records.iter().map(|record| record.body.len()).sum();
        assert!(bytes <= BATCH_BYTES_MAX, "{bytes} bytes in one call; split at {BATCH_BYTES_MAX}");
        if let Some(batch) = self.decode_uniform(records) {
            return Decoded { batch, rejected: Vec::new() };
        }
        let mut run =
            Run { records, schema: self.schema.clone(), batches: Vec::new(), places: Vec::new(), rejected: Vec::new() };
        let groups = self.group(records, &mut run.rejected);
        for (writer, group) in self.writers.iter_mut().zip(&groups) {
            run.decode_group(writer, group);
        }
        run.rejected.sort_by_key(|(index, _)| *index);
        let batch = merge::in_input_order(&self.schema, run.batches, run.places).expect("batches of one schema join");
        assert_eq!(batch.num_rows() + run.rejected.len(), records.len(), "every record is a row or a reject");
        Decoded { batch, rejected: run.rejected }
    }

    /// The usual case at its own speed: one writer schema, no bad record.
    fn decode_uniform(&mut self, records: &[Framed<'_>]) -> Option<RecordBatch> {
        let id = records.first()?.id;
        let writer = self.writers.iter_mut().find(|writer| writer.id() == id)?;
        let usual = |record: &Framed<'_>| record.id == id && record.body.len() <= self.record_bytes_max;
        if !records.iter().all(usual) {
            return None;
        }
        let batch = writer.attempt(records.iter().map(|record| record.body)).ok()?;
        Some(conformed(&batch, &self.schema))
    }

    /// The record indices of each writer, in input order; records that no writer takes are rejected.
    fn group(&self, records: &[Framed<'_>], rejected: &mut Vec<(usize, Reject)>) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); self.writers.len()];
        let mut last = 0;
        for (index, record) in records.iter().enumerate() {
            if self.writers.get(last).is_none_or(|writer| writer.id() != record.id) {
                let Some(found) = self.writers.iter().position(|writer| writer.id() == record.id) else {
                    let detail = format!("no schema with id {} is known here", record.id);
                    rejected.push((index, Reject::new(Code::SchemaUnknown, detail)));
                    continue;
                };
                last = found;
            }
            if record.body.len() > self.record_bytes_max {
                let detail = format!("{} bytes; the limit is {}", record.body.len(), self.record_bytes_max);
                rejected.push((index, Reject::new(Code::RecordTooLarge, detail)));
                continue;
            }
            if groups[last].is_empty() {
                groups[last].reserve(records.len() - index);
            }
            groups[last].push(index);
        }
        groups
    }
}

/// The state of one call.
struct Run<'r, 'a> {
    records: &'r [Framed<'a>],
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    places: Vec<Place>,
    rejected: Vec<(usize, Reject)>,
}

impl Run<'_, '_> {
    /// Decodes one writer's records, splitting the run around bad ones.
    ///
    /// A body that fails is named by the decoder, except where only whole columns are checked (UTF-8, enum
    /// positions): then the run is halved until the culprit is alone.
    fn decode_group(&mut self, writer: &mut Writer, group: &[usize]) {
        let whole = 0..group.len();
        let mut open: Vec<Range<usize>> = vec![whole];
        while let Some(range) = open.pop() {
            if range.is_empty() {
                continue;
            }
            let indices = &group[range.clone()];
            match writer.attempt(indices.iter().map(|index| self.records[*index].body)) {
                Ok(batch) => self.accept(indices, batch),
                Err(Stopped::At(position, reject)) => {
                    self.rejected.push((indices[position], reject));
                    open.push(range.start + position + 1..range.end);
                    open.push(range.start..range.start + position);
                }
                Err(Stopped::Somewhere(error)) if indices.len() == 1 => {
                    let reject = writer.explain(self.records[indices[0]].body, &error);
                    self.rejected.push((indices[0], reject));
                }
                Err(Stopped::Somewhere(_)) => {
                    let middle = range.start + range.len() / 2;
                    open.push(middle..range.end);
                    open.push(range.start..middle);
                }
            }
        }
    }

    fn accept(&mut self, indices: &[usize], batch: RecordBatch) {
        let number = self.batches.len();
        self.places.extend(indices.iter().enumerate().map(|(row, index)| (*index, number, row)));
        self.batches.push(conformed(&batch, &self.schema));
    }
}

/// The batch as the reader's schema has it; the columns' types were compared when the writer was added.
fn conformed(batch: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    conform(batch, schema).expect("resolution ends in the reader's columns")
}
