//! JSON objects to Avro bodies, with every fault named at once: for sources in JSON, HTTP ingest, published files, and
//! examples.
//!
//! JSON is read as people write it: a nullable value stands plain, a missing field takes its default, a time is an
//! RFC 3339 text or a number, a decimal is a number or a text, bytes are text of code points up to 255.

mod faults;
mod notes;
mod plan;
mod read;
mod rows;
mod scalar;
mod shape;

use serde::de::DeserializeSeed;
use serde_json::Value;

use crate::codec::{self, parse_schema};
use crate::framing::{self, Framed};
use crate::reject::{Code, Reject};
use faults::Faults;
pub use notes::enum_symbols;
pub(crate) use notes::{Uuids, noted_uuids, symbols};
use plan::{Named, Node};
use read::{At, Reading};
pub(crate) use rows::rows;
use scalar::Forms;
pub use shape::json_schema;

/// Deepest nesting of arrays and objects that is read.
pub const DEPTH_MAX: usize = 64;

/// What becomes of fields that the schema does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They are left out, whatever they hold.
    Ignore,
    /// The object is refused.
    Reject,
}

/// The unit of times that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970; fractions are rounded to the schema's unit.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    fn per_second(self) -> i64 {
        match self {
            TimeUnit::Seconds => 1,
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Microseconds => 1_000_000,
            TimeUnit::Nanoseconds => 1_000_000_000,
        }
    }
}

/// Writes JSON objects as Avro bodies of one record schema.
#[derive(Debug)]
pub struct JsonWriter {
    root: Node,
    named: Named,
    times: Option<TimeUnit>,
}

impl JsonWriter {
    /// A writer for this record schema.
    pub fn new(avro_json: &str) -> Result<Self, codec::Error> {
        let (root, named) = plan::compile(&parse_schema(avro_json)?.avro);
        Ok(JsonWriter { root, named, times: None })
    }

    /// Reads times that are numbers in this unit and not in the schema's.
    pub fn with_times(mut self, times: Option<TimeUnit>) -> Self {
        self.times = times;
        self
    }

    /// The object as an Avro body, or everything that is wrong with it; a field that the schema does not have is.
    pub fn body(&self, object: &Value) -> Result<Vec<u8>, Vec<Reject>> {
        let mut bodies = self.bodies(Unknown::Reject);
        bodies.value(object)?;
        Ok(bodies.reading.out)
    }

    /// The object as a framed value under this schema id, or everything that is wrong with it.
    pub fn framed(&self, id: u32, object: &Value) -> Result<Vec<u8>, Vec<Reject>> {
        let mut bodies = self.bodies(Unknown::Reject);
        bodies.reading.out.extend_from_slice(&framing::prefix(id));
        bodies.value(object)?;
        Ok(bodies.reading.out)
    }

    /// Writes bodies of many texts into `room`, and frames them under this schema id. `read` appends the body of one, or
    /// says what is wrong with it and appends nothing.
    pub fn frames<'r, T, E>(
        &self,
        (id, unknown): (u32, Unknown),
        texts: impl IntoIterator<Item = T>,
        room: &'r mut Vec<u8>,
        mut read: impl FnMut(&mut Bodies<'_>, T) -> Result<(), E>,
    ) -> Vec<Result<Framed<'r>, E>> {
        let mut bodies = self.bodies(unknown).into_room(std::mem::take(room));
        let mut ranges = Vec::new();
        for text in texts {
            let start = bodies.len();
            ranges.push(read(&mut bodies, text).map(|()| start..bodies.len()));
        }
        *room = bodies.finish();
        let room: &'r [u8] = room;
        ranges.into_iter().map(|range| range.map(|range| Framed { id, body: &room[range] })).collect()
    }

    /// Writes many bodies, one behind the other.
    pub fn bodies(&self, unknown: Unknown) -> Bodies<'_> {
        let reading = Reading {
            named: &self.named,
            unknown,
            forms: Forms { times: self.times, default: false },
            out: Vec::new(),
            faults: Faults::default(),
            places: Vec::new(),
            spare: Vec::new(),
        };
        Bodies { root: &self.root, reading }
    }
}

/// Avro bodies, one behind the other.
#[derive(Debug)]
pub struct Bodies<'w> {
    root: &'w Node,
    reading: Reading<'w>,
}

impl Bodies<'_> {
    /// Appends a text's body. Of a text that is refused nothing is appended.
    pub fn text(&mut self, text: &[u8]) -> Result<(), Vec<Reject>> {
        let text = checked(text).map_err(|reject| vec![reject])?;
        let start = self.reading.out.len();
        let mut parser = serde_json::Deserializer::from_str(text);
        let read = At { reading: &mut self.reading, node: self.root }.deserialize(&mut parser);
        let read = read.and_then(|()| {
            self.reading.faults.path.clear();
            parser.end()
        });
        let wrong = read.err().map(|error| vec![self.unreadable(&error)]);
        self.end(start, wrong)
    }

    /// Appends an object's body. Of an object that is refused nothing is appended.
    pub fn value(&mut self, object: &Value) -> Result<(), Vec<Reject>> {
        let start = self.reading.out.len();
        let read = At { reading: &mut self.reading, node: self.root }.deserialize(object);
        let wrong = read.err().map(|error| vec![self.unreadable(&error)]);
        self.end(start, wrong)
    }

    fn end(&mut self, start: usize, wrong: Option<Vec<Reject>>) -> Result<(), Vec<Reject>> {
        let found = self.reading.faults.finish();
        self.reading.places.clear();
        let result = wrong.map_or(found, Err);
        if result.is_err() {
            self.reading.out.truncate(start);
        }
        result
    }

    /// Where the next body begins.
    pub fn len(&self) -> usize {
        self.reading.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.reading.out.is_empty()
    }

    /// Takes back what was written from there on.
    pub fn truncate(&mut self, len: usize) {
        self.reading.out.truncate(len);
    }

    /// Writes into this room, whose contents are forgotten.
    pub fn into_room(mut self, mut room: Vec<u8>) -> Self {
        room.clear();
        self.reading.out = room;
        self
    }

    /// All that was written.
    pub fn finish(self) -> Vec<u8> {
        self.reading.out
    }

    fn unreadable(&self, error: &serde_json::Error) -> Reject {
        let said = error.to_string();
        let code = if said.starts_with("number out of range") { Code::FieldRange } else { Code::JsonSyntax };
        Reject::new(code, format!("{}: {said}", self.reading.faults.place()))
    }
}

/// What shows before anything is parsed: a frame, an encoding, a depth.
fn checked(text: &[u8]) -> Result<&str, Reject> {
    if text.first() == Some(&framing::MAGIC_ID) {
        let detail = "the first byte is 0x00, as of framed Avro; the source's format is json";
        return Err(Reject::new(Code::JsonSyntax, detail));
    }
    let decoded = std::str::from_utf8(text)
        .map_err(|error| Reject::new(Code::JsonEncoding, format!("no UTF-8 from byte {} on", error.valid_up_to())))?;
    // So few brackets cannot nest too deep, and counting is much faster than following them.
    let brackets = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > DEPTH_MAX && depth(text) > DEPTH_MAX {
        return Err(Reject::new(Code::JsonDepth, format!("nested deeper than {DEPTH_MAX}")));
    }
    Ok(decoded)
}

/// How deep brackets nest outside of strings.
fn depth(text: &[u8]) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
