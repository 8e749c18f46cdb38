//! Rows as JSON objects that [`JsonWriter`](super::JsonWriter) reads back as they were.

use std::fmt::{self, Display};
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, DecimalType, FieldRef, Time32MillisecondType,
    Time64MicrosecondType, TimeUnit,
};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, WriterBuilder};
use arrow::record_batch::RecordBatch;
use arrow_avro::writer::EncodedRows;

use super::notes::is_uuid;

/// Characters of a UUID as text.
const UUID_CHARS: usize = 36;

/// The rows of a batch, nulls written out: a missing field would take its default.
pub(crate) fn rows(batch: &RecordBatch) -> Result<EncodedRows, ArrowError> {
    let builder = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(Forms));
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

/// Values that Arrow would write otherwise than Avro's JSON has them: bytes as text of code points up to 255, UUIDs with
/// hyphens, decimals as text with all their digits, times of day as numbers.
#[derive(Debug)]
struct Forms;

impl EncoderFactory for Forms {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let form: Form<'a> = match array.data_type() {
            DataType::Binary => code_points(|at| array.as_binary::<i32>().value(at)),
            DataType::FixedSizeBinary(_) if is_uuid(field) => {
                Box::new(|at, out| text(&uuid(array.as_fixed_size_binary().value(at)), out))
            }
            DataType::FixedSizeBinary(_) => code_points(|at| array.as_fixed_size_binary().value(at)),
            DataType::Decimal128(..) => decimal::<Decimal128Type>(array),
            DataType::Decimal256(..) => decimal::<Decimal256Type>(array),
            DataType::Time32(TimeUnit::Millisecond) => number::<Time32MillisecondType>(array),
            DataType::Time64(TimeUnit::Microsecond) => number::<Time64MicrosecondType>(array),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(Box::new(Written(form)), array.nulls().cloned())))
    }
}

/// Appends the value at a row.
type Form<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

struct Written<'a>(Form<'a>);

impl Encoder for Written<'_> {
    fn encode(&mut self, at: usize, out: &mut Vec<u8>) {
        (self.0)(at, out);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // A text always has a JSON form, and memory takes it.
    let _ = serde_json::to_writer(out, text);
}

fn code_points<'a>(bytes: impl Fn(usize) -> &'a [u8] + 'a) -> Form<'a> {
    Box::new(move |at, out| text(&bytes(at).iter().copied().map(char::from).collect::<String>(), out))
}

fn decimal<T: DecimalType>(array: &dyn Array) -> Form<'_> {
    let array = array.as_primitive::<T>();
    Box::new(|at, out| text(&array.value_as_string(at), out))
}

fn number<T: ArrowPrimitiveType<Native: Display>>(array: &dyn Array) -> Form<'_> {
    let array = array.as_primitive::<T>();
    // Writing to memory does not fail.
    Box::new(|at, out| drop(write!(out, "{}", array.value(at))))
}

/// Sixteen bytes as five groups of hexadecimal digits.
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(UUID_CHARS);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string does not fail.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
    }
    text
}
