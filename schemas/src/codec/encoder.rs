//! Batches to framed rows.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_avro::schema::FingerprintStrategy;
use arrow_avro::writer::format::AvroSoeFormat;
use arrow_avro::writer::{EncodedRows, Encoder as ArrowEncoder, WriterBuilder};

use super::reshape::conform;
use super::{AVRO_SCHEMA_KEY, Error};

/// Buffer that a new encoder starts with.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes batches as framed Avro rows of one schema id.
pub struct Encoder {
    schema: SchemaRef,
    inner: ArrowEncoder,
}

impl Encoder {
    /// An encoder for batches of a schema made by [`arrow_schema`](super::arrow_schema).
    pub fn new(arrow_schema_with_avro_metadata: &SchemaRef, id: u32) -> Result<Self, Error> {
        let schema = arrow_schema_with_avro_metadata;
        if !schema.metadata().contains_key(AVRO_SCHEMA_KEY) {
            return Err(Error::NoAvroSchema);
        }
        let inner = WriterBuilder::new(schema.as_ref().clone())
            .with_fingerprint_strategy(FingerprintStrategy::Id(id))
            .with_capacity(BUFFER_BYTES)
            .build_encoder::<AvroSoeFormat>()
            .map_err(|error| Error::Encode { detail: error.to_string() })?;
        Ok(Encoder { schema: schema.clone(), inner })
    }

    /// The schema that batches must have; metadata of their fields may differ.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Encodes each row with its prefix. All rows share one buffer; a row's `Bytes` is a view of it.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<EncodedRows, Error> {
        let encode = |detail: String| Error::Encode { detail };
        let done = if batch.schema_ref().fields() == self.schema.fields() {
            self.inner.encode(batch)
        } else {
            let batch = conform(batch, &self.schema).map_err(|error| encode(error.to_string()))?;
            self.inner.encode(&batch)
        };
        let rows = self.inner.flush();
        done.map_err(|error| encode(error.to_string()))?;
        Ok(rows)
    }
}
