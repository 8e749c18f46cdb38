//! Batches to rows: framed Avro, or JSON as sources in that format have it.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow_avro::schema::FingerprintStrategy;
use arrow_avro::writer::format::AvroSoeFormat;
use arrow_avro::writer::{EncodedRows, Encoder as ArrowEncoder, WriterBuilder};

use super::reshape::{conform, with_symbols};
use super::{AVRO_SCHEMA_KEY, Error};
use crate::json::{Uuids, noted_uuids, rows, symbols};

/// Buffer that a new encoder starts with.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes batches as rows: framed Avro of one schema id, or JSON objects.
pub struct Encoder {
    schema: SchemaRef,
    /// The schema with notes at its fields that say which bytes are a UUID.
    noted: SchemaRef,
    /// The symbols of enums by column; nothing where there are none, or JSON has them as text anyway.
    symbols: Vec<Vec<ArrayRef>>,
    inner: Inner,
}

enum Inner {
    Avro(Box<ArrowEncoder>),
    Json,
}

impl Encoder {
    /// An encoder for batches of a schema made by [`arrow_schema`](super::arrow_schema).
    pub fn new(arrow_schema_with_avro_metadata: &SchemaRef, id: u32) -> Result<Self, Error> {
        let schema = arrow_schema_with_avro_metadata;
        if !schema.metadata().contains_key(AVRO_SCHEMA_KEY) {
            return Err(Error::NoAvroSchema);
        }
        let noted = noted_uuids(schema, Uuids::Strings);
        let inner = WriterBuilder::new(noted.as_ref().clone())
            .with_fingerprint_strategy(FingerprintStrategy::Id(id))
            .with_capacity(BUFFER_BYTES)
            .build_encoder::<AvroSoeFormat>()
            .map_err(|error| Error::Encode { detail: error.to_string() })?;
        let mut symbols = symbols(schema);
        if symbols.iter().all(Vec::is_empty) {
            symbols.clear();
        }
        Ok(Encoder { schema: schema.clone(), noted, symbols, inner: Inner::Avro(Box::new(inner)) })
    }

    /// An encoder of JSON objects with no frame around them.
    pub fn json(schema: &SchemaRef) -> Self {
        Encoder {
            schema: schema.clone(),
            noted: noted_uuids(schema, Uuids::All),
            symbols: Vec::new(),
            inner: Inner::Json,
        }
    }

    /// The schema that batches must have; metadata of their fields may differ.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Encodes each row. All rows share one buffer; a row's `Bytes` is a view of it.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<EncodedRows, Error> {
        let encode = |error: ArrowError| Error::Encode { detail: error.to_string() };
        let is_noted = batch.schema_ref().fields() == self.noted.fields();
        if is_noted && self.symbols.is_empty() {
            return self.inner.encode(batch).map_err(encode);
        }
        let mut batch = if is_noted { batch.clone() } else { conform(batch, &self.noted).map_err(encode)? };
        if !self.symbols.is_empty() {
            batch = with_symbols(&batch, &self.symbols).map_err(encode)?;
        }
        self.inner.encode(&batch).map_err(encode)
    }
}

impl Inner {
    fn encode(&mut self, batch: &RecordBatch) -> Result<EncodedRows, ArrowError> {
        match self {
            Inner::Avro(inner) => {
                let done = inner.encode(batch);
                // Also after a failure, so that the next batch begins afresh.
                let rows = inner.flush();
                done.map(|()| rows).map_err(ArrowError::from)
            }
            Inner::Json => rows(batch),
        }
    }
}
