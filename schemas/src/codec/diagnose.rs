//! Says what is wrong with a body that did not decode, by reading it again value by value.
//!
//! The verdict is arrow-avro's alone; this only finds the field and the words.

use std::io::{self, Read};

use apache_avro::Schema as Avro;
use apache_avro::reader::datum::GenericDatumReader;

use crate::reject::{Code, Reject};

/// A body, and whether more bytes were wanted than it has.
struct Bytes<'a> {
    left: &'a [u8],
    starved: bool,
}

impl Read for Bytes<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.starved |= out.len() > self.left.len();
        self.left.read(out)
    }
}

/// The reject for a body that arrow-avro refused with these words.
pub(super) fn explain(avro: &Avro, body: &[u8], arrow_says: &str) -> Reject {
    match first_bad_field(avro, body) {
        Some((field, true, _)) => {
            let detail = format!("field {field}: the body's {} bytes end inside it", body.len());
            Reject::new(Code::AvroTruncated, detail)
        }
        Some((field, false, error)) => Reject::new(Code::AvroDecode, format!("field {field}: {error}")),
        None => Reject::new(Code::AvroDecode, arrow_says.to_owned()),
    }
}

/// The reject for a body that arrow-avro found too short.
pub(super) fn truncated(avro: &Avro, body: &[u8]) -> Reject {
    let field = first_bad_field(avro, body).map_or_else(String::new, |(field, ..)| format!("field {field}: "));
    Reject::new(Code::AvroTruncated, format!("{field}the record needs more than the body's {} bytes", body.len()))
}

/// The first top-level field that cannot be read: its name, whether bytes were missing, and the reader's words.
fn first_bad_field<'s>(avro: &'s Avro, body: &[u8]) -> Option<(&'s str, bool, String)> {
    let Avro::Record(record) = avro else { return None };
    let mut bytes = Bytes { left: body, starved: false };
    for field in &record.fields {
        let reader = GenericDatumReader::builder(&field.schema).writer_schemata(vec![avro]).ok()?.build().ok()?;
        let read = reader.read_value(&mut bytes);
        // A text cut short is no error to apache-avro, which reads it as null.
        if read.is_err() || bytes.starved {
            let error = read.err().map_or_else(String::new, |error| error.to_string());
            return Some((&field.name, bytes.starved, error));
        }
    }
    None
}
