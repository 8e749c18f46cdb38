//! One writer schema's decoder: feeds bodies to arrow-avro and knows when its state can no longer be trusted.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};

use serde_json::Value;

use super::diagnose;
use super::known::Parsed;
use super::names::unqualified;
use crate::framing::{self, PREFIX_BYTES};
use crate::reject::{Code, Reject};

/// arrow-avro counts rows down from its batch size; this one is never reached.
const ROWS_UNLIMITED: usize = usize::MAX;

/// An arrow-avro decoder from one writer schema to the reader schema.
pub(super) fn build(id: u32, writer_json: &str, reader_json: Option<&str>) -> Result<Decoder, ArrowError> {
    let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    store.set(Fingerprint::Id(id), AvroSchema::new(writer_json.to_owned()))?;
    let mut builder = ReaderBuilder::new().with_batch_size(ROWS_UNLIMITED).with_writer_schema_store(store);
    if let Some(reader) = reader_json {
        builder = builder.with_reader_schema(AvroSchema::new(reader.to_owned()));
    }
    builder.build_decoder()
}

/// What stopped an attempt at a run of bodies.
pub(super) enum Stopped {
    /// The body at this position of the run is bad.
    At(usize, Reject),
    /// Some body of the run is bad; only the columns as a whole showed it.
    Somewhere(String),
}

/// One writer schema's decoder.
pub(super) struct Writer {
    id: u32,
    json: String,
    /// What the decoder is built from: the writer's schema and the reader's. There is no reader's when the two are
    /// the same: arrow-avro is faster without resolution.
    resolved: (String, Option<String>),
    parsed: Arc<Parsed>,
    prefix: [u8; PREFIX_BYTES],
    inner: Decoder,
}

impl Writer {
    pub(super) fn new(id: u32, json: &str, parsed: Arc<Parsed>, reader_json: &str) -> Result<Self, ArrowError> {
        let prefix = framing::prefix(id);
        if same(json, reader_json) {
            let inner = build(id, json, None)?;
            return Ok(Writer { id, json: json.to_owned(), resolved: (json.to_owned(), None), parsed, prefix, inner });
        }
        let build_from = |writer: String, reader: String| {
            let inner = build(id, &writer, Some(&reader))?;
            Ok((inner, (writer, Some(reader))))
        };
        let (inner, resolved) = build_from(json.to_owned(), reader_json.to_owned()).or_else(|error: ArrowError| {
            let short = unqualified(json).zip(unqualified(reader_json));
            short.and_then(|(writer, reader)| build_from(writer, reader).ok()).ok_or(error)
        })?;
        Ok(Writer { id, json: json.to_owned(), resolved, parsed, prefix, inner })
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn json(&self) -> &str {
        &self.json
    }

    pub(super) fn schema(&self) -> Arc<Schema> {
        self.inner.schema()
    }

    /// Decodes all bodies into one batch, or says which one is bad. After a failure the state is fresh.
    pub(super) fn attempt<'a>(&mut self, bodies: impl Iterator<Item = &'a [u8]>) -> Result<RecordBatch, Stopped> {
        for (position, body) in bodies.enumerate() {
            if let Err(reject) = self.feed(body) {
                self.rebuild();
                return Err(Stopped::At(position, reject));
            }
        }
        match self.inner.flush() {
            Ok(Some(batch)) => Ok(batch),
            Ok(None) => Ok(RecordBatch::new_empty(self.inner.schema())),
            Err(error) => {
                self.rebuild();
                Err(Stopped::Somewhere(error.to_string()))
            }
        }
    }

    /// What to tell about a body that alone made its columns invalid.
    pub(super) fn explain(&self, body: &[u8], arrow_says: &str) -> Reject {
        diagnose::explain(&self.parsed.avro, body, arrow_says)
    }

    /// Feeds one body; after an error the decoder's columns are no longer of one length.
    fn feed(&mut self, body: &[u8]) -> Result<(), Reject> {
        if body.is_empty() {
            return Err(Reject::new(Code::AvroTruncated, "the body is empty"));
        }
        let rows_before = self.inner.capacity();
        // Prefix and body are fed apart, so a bare payload needs no copy to get a prefix.
        let fed = self.inner.decode(&self.prefix).and_then(|_| self.inner.decode(body));
        let rows = rows_before - self.inner.capacity();
        match fed {
            Ok(consumed) if rows == 1 && consumed == body.len() => match body.last_chunk() == Some(&self.prefix) {
                true => self.refuse_hidden_prefix(body),
                false => Ok(()),
            },
            Ok(consumed) if rows == 1 => Err(trailing(consumed, body.len())),
            Ok(_) if rows == 0 => Err(diagnose::truncated(&self.parsed.avro, body)),
            Ok(_) => Err(trailing(0, body.len())),
            Err(_) if rows > 0 => Err(trailing(0, body.len())),
            Err(error) => Err(diagnose::explain(&self.parsed.avro, body, &error.to_string())),
        }
    }

    /// arrow-avro would take trailing bytes that look like this writer's prefix for the start of the next record.
    fn refuse_hidden_prefix(&self, body: &[u8]) -> Result<(), Reject> {
        let shorter = &body[..body.len() - PREFIX_BYTES];
        if shorter.is_empty() {
            return Ok(());
        }
        let mut alone = self.fresh();
        let rows_before = alone.capacity();
        let fed = alone.decode(&self.prefix).and_then(|_| alone.decode(shorter));
        let complete = fed.is_ok_and(|consumed| consumed == shorter.len()) && rows_before - alone.capacity() == 1;
        if complete { Err(trailing(shorter.len(), body.len())) } else { Ok(()) }
    }

    fn rebuild(&mut self) {
        self.inner = self.fresh();
    }

    fn fresh(&self) -> Decoder {
        build(self.id, &self.resolved.0, self.resolved.1.as_deref())
            .expect("the same schemas built a decoder when the writer was added")
    }
}

/// True when the schemas differ in spelling and documentation only.
fn same(one: &str, other: &str) -> bool {
    let bare = |text: &str| serde_json::from_str(text).map(undocumented).ok();
    one == other || bare(one).is_some_and(|one| Some(one) == bare(other))
}

fn undocumented(schema: Value) -> Value {
    match schema {
        Value::Object(object) => {
            let kept = object.into_iter().filter(|(key, value)| !(key == "doc" && value.is_string()));
            Value::Object(kept.map(|(key, value)| (key, undocumented(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(undocumented).collect(),
        other => other,
    }
}

fn trailing(consumed: usize, length: usize) -> Reject {
    let detail = match consumed {
        0 => format!("the record ends before the {length} bytes of the body do"),
        _ => format!("the record ends after {consumed} of {length} bytes"),
    };
    Reject::new(Code::AvroTrailingBytes, detail)
}
