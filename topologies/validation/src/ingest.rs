//! One event or label at the front door: the same checks as the validator's, before anything is published, with every
//! reason told at once.

use flow::config::Format;
use schemas::codec::{Decoder, Framed};
use schemas::json::JsonWriter;
use schemas::reject::Reject;
use serde_json::Value;

use crate::checks::Checks;
use crate::intake::{RECORD_BYTES_MAX, fits};
use crate::rules::RuleSet;
use crate::source::{Error, Source};

/// Bytes kept free for key and headers.
const HEADER_BYTES: usize = 8 * 1024;
/// Most bytes of a value.
const BYTES_MAX: usize = RECORD_BYTES_MAX - HEADER_BYTES;

/// A record that may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Event id as canonical text; its bytes are the record's key.
    pub id: String,
    /// Value as the source's format has it.
    pub value: Vec<u8>,
}

/// Checks single records of one source.
pub struct Ingest {
    writer: JsonWriter,
    decoder: Decoder,
    checks: Checks,
    format: Format,
    id: u32,
}

impl Ingest {
    /// Checks against the source's schema, registered under `id`, and its rules.
    pub fn new(source: &Source, rules: &RuleSet, id: u32) -> Result<Self, Error> {
        let wrong = |error| Error::Schema { topic: source.topic.to_string(), source: error };
        let times = match source.format {
            Format::Avro => None,
            Format::Json(format) => format.times,
        };
        let writer = JsonWriter::new(&source.text).map_err(wrong)?.with_times(times);
        let mut decoder = Decoder::new(&source.text).map_err(wrong)?;
        decoder.add_writer(id, &source.text).map_err(wrong)?;
        Ok(Ingest { writer, decoder, checks: Checks::compile(source, rules)?, format: source.format, id })
    }

    /// A JSON object as it would be published, or everything that is wrong with it. `now_ms` stands for the append time.
    pub fn json(&mut self, object: &Value, now_ms: i64) -> Result<Ready, Vec<Reject>> {
        if let Format::Json(_) = self.format {
            // The text that is published is read, not the object, as the validator will read it.
            let value = object.to_string().into_bytes();
            fits(value.len(), BYTES_MAX).map_err(|reject| vec![reject])?;
            let mut bodies = self.writer.bodies(self.checks.unknown());
            bodies.text(&value)?;
            let id = self.judge(&bodies.finish(), now_ms)?;
            return Ok(Ready { id, value });
        }
        let value = self.writer.framed(self.id, object)?;
        let body = &value[schemas::framing::PREFIX_BYTES..];
        let id = self.judge(body, now_ms)?;
        Ok(Ready { id, value })
    }

    fn judge(&mut self, body: &[u8], now_ms: i64) -> Result<String, Vec<Reject>> {
        fits(body.len(), BYTES_MAX).map_err(|reject| vec![reject])?;
        let decoded = self.decoder.decode(&[Framed { id: self.id, body }]);
        if !decoded.rejected.is_empty() {
            return Err(decoded.rejected.into_iter().map(|(_, reject)| reject).collect());
        }
        let judged = self.checks.judge(&decoded.batch, &[now_ms]);
        if !judged.faults.is_empty() {
            return Err(judged.faults.into_reasons());
        }
        Ok(judged.ids.value(0).to_owned())
    }
}
