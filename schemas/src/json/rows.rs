//! Rows as JSON objects that [`JsonWriter`](super::JsonWriter) reads back as they were.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, WriterBuilder};
use arrow::record_batch::RecordBatch;
use arrow_avro::writer::EncodedRows;

/// The rows of a batch, nulls written out: a missing field would take its default.
pub(crate) fn rows(batch: &RecordBatch) -> Result<EncodedRows, ArrowError> {
    let builder = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(CodePoints));
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    let lines = writer.into_inner();
    let mut bytes = Vec::with_capacity(lines.len());
    let mut offsets = vec![0];
    // Inside a row a line's end is escaped.
    for line in lines.split(|byte| *byte == b'\n').take(batch.num_rows()) {
        bytes.extend_from_slice(line);
        offsets.push(bytes.len());
    }
    Ok(EncodedRows::new(bytes.into(), offsets))
}

/// Bytes as text of code points up to 255, as Avro writes them in JSON.
#[derive(Debug)]
struct CodePoints;

impl EncoderFactory for CodePoints {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let bytes: Bytes<'a> = match array.data_type() {
            DataType::Binary => Box::new(|at| array.as_binary::<i32>().value(at)),
            DataType::FixedSizeBinary(_) => Box::new(|at| array.as_fixed_size_binary().value(at)),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(Box::new(Text(bytes)), array.nulls().cloned())))
    }
}

type Bytes<'a> = Box<dyn Fn(usize) -> &'a [u8] + 'a>;

struct Text<'a>(Bytes<'a>);

impl Encoder for Text<'_> {
    fn encode(&mut self, at: usize, out: &mut Vec<u8>) {
        let text: String = (self.0)(at).iter().copied().map(char::from).collect();
        // A text always has a JSON form, and memory takes it.
        let _ = serde_json::to_writer(out, &text);
    }
}
