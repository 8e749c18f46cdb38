//! One event or label at the front door: the same checks as the validator's, before anything is published, with every
//! reason told at once.

use schemas::codec::{Decoder, Framed};
use schemas::json::JsonWriter;
use schemas::reject::{Code, Reject};
use serde_json::Value;

use crate::checks::Checks;
use crate::intake::RECORD_BYTES_MAX;
use crate::rules::RuleSet;
use crate::source::{Error, Source};

/// Bytes kept free for key and headers.
const HEADER_BYTES: usize = 8 * 1024;

/// A record that may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Event id as canonical text; its bytes are the record's key.
    pub id: String,
    /// Value with its schema prefix.
    pub value: Vec<u8>,
}

/// Checks single records of one source.
pub struct Ingest {
    writer: JsonWriter,
    decoder: Decoder,
    checks: Checks,
    id: u32,
}

impl Ingest {
    /// Checks against the source's schema, registered under `id`, and its rules.
    pub fn new(source: &Source, rules: &RuleSet, id: u32) -> Result<Self, Error> {
        let wrong = |error| Error::Schema { topic: source.topic.to_string(), source: error };
        let writer = JsonWriter::new(&source.text).map_err(wrong)?;
        let mut decoder = Decoder::new(&source.text).map_err(wrong)?;
        decoder.add_writer(id, &source.text).map_err(wrong)?;
        Ok(Ingest { writer, decoder, checks: Checks::compile(source, rules)?, id })
    }

    /// A JSON object as it would be published, or everything that is wrong with it. `now_ms` stands for the append time.
    pub fn json(&mut self, object: &Value, now_ms: i64) -> Result<Ready, Vec<Reject>> {
        let value = self.writer.framed(self.id, object)?;
        let body = &value[schemas::framing::PREFIX_BYTES..];
        let id = self.judge(body, now_ms)?;
        Ok(Ready { id, value })
    }

    /// An Avro body of the source's schema as it would be published, or everything that is wrong with it.
    pub fn avro(&mut self, body: &[u8], now_ms: i64) -> Result<Ready, Vec<Reject>> {
        let id = self.judge(body, now_ms)?;
        let value = [&schemas::framing::prefix(self.id)[..], body].concat();
        Ok(Ready { id, value })
    }

    fn judge(&mut self, body: &[u8], now_ms: i64) -> Result<String, Vec<Reject>> {
        let bytes_max = RECORD_BYTES_MAX - HEADER_BYTES;
        if body.len() > bytes_max {
            let detail = format!("the record has {} bytes; at most {bytes_max} are allowed", body.len());
            return Err(vec![Reject::new(Code::RecordTooLarge, detail)]);
        }
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
