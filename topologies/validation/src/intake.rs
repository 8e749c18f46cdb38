//! From raw records to one batch: size, framing and schema ids or JSON, and decoding. A record that fails here is rejected
//! alone.

pub(crate) mod json;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use flow::config::Format;
use flow::names::Place;
use flow::processor::{InRecord, Stop};
use flow::task::SchemaSource;
use schemas::codec::{Decoder, Error, Framed};
use schemas::framing;
use schemas::json::{JsonWriter, Unknown};
use schemas::reject::{Code, Reject};
use serde_json::Value;

use crate::source::Source;
use crate::verdict::{Verdict, Verdicts};

/// Largest source record, key and headers included, that becomes an item. An item must fit into one record of a log
/// together with its envelope and the features of all stages.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;

/// Source records that were read together.
#[derive(Debug)]
pub struct Intake<'a> {
    /// The readable records' rows.
    pub batch: RecordBatch,
    /// Index of each row's record.
    pub records: Vec<usize>,
    /// Avro body of each row, if all were written with exactly the source's schema, or are made from JSON.
    pub bodies: Option<Vec<&'a [u8]>>,
    /// Index of each other record, rising, and why it cannot be read.
    pub rejected: Vec<(usize, Reject)>,
}

/// Reads the records of one source partition.
pub struct Reader {
    source: Arc<Source>,
    /// The topic that the records are read from: the source's own, or that of its retries.
    topic: Arc<str>,
    place: Place,
    decoder: Decoder,
    /// For a source in JSON.
    json: Option<JsonWriter>,
    schemas: Arc<dyn SchemaSource>,
    verdicts: Arc<dyn Verdicts>,
    accepted: BTreeSet<u32>,
    /// Ids of exactly the source's schema.
    same: BTreeSet<u32>,
}

impl Reader {
    /// A reader that has accepted no schema id yet.
    pub fn new(
        source: Arc<Source>,
        topic: Arc<str>,
        place: Place,
        schemas: Arc<dyn SchemaSource>,
        verdicts: Arc<dyn Verdicts>,
    ) -> Result<Self, Error> {
        let mut decoder = Decoder::new(&source.text)?;
        let mut same = BTreeSet::new();
        let json = match source.format {
            Format::Avro => None,
            Format::Json(format) => {
                decoder.add_writer(json::WRITER, &source.text)?;
                same.insert(json::WRITER);
                Some(JsonWriter::new(&source.text)?.with_times(format.times))
            }
        };
        Ok(Reader { source, topic, place, decoder, json, schemas, verdicts, accepted: BTreeSet::new(), same })
    }

    /// The schema ids accepted in this partition so far, rising.
    pub fn accepted(&self) -> Vec<u32> {
        self.accepted.iter().copied().collect()
    }

    /// Takes over the ids that earlier work on this partition accepted.
    pub fn restore(&mut self, accepted: &[u32]) {
        self.accepted = accepted.iter().copied().collect();
    }

    /// Reads records in offset order. `bytes` is room for what the rows' bodies need.
    pub fn read<'a>(
        &mut self,
        records: &'a [InRecord],
        unknown: Unknown,
        bytes: &'a mut Vec<u8>,
    ) -> Result<Intake<'a>, Stop> {
        let mut split = match &self.json {
            Some(json) => json::split(json, records, unknown, bytes),
            None => self.split(records)?,
        };
        let decoded = self.decoder.decode(&split.framed);
        if decoded.rejected.is_empty() {
            let bodies = self.bodies(split.framed.iter());
            return Ok(Intake { batch: decoded.batch, records: split.indices, bodies, rejected: split.rejected });
        }
        let kept: Vec<usize> = decoded.accepted().collect();
        let bodies = self.bodies(kept.iter().map(|at| &split.framed[*at]));
        let kept = kept.into_iter().map(|at| split.indices[at]).collect();
        split.rejected.extend(decoded.rejected.into_iter().map(|(at, reject)| (split.indices[at], reject)));
        split.rejected.sort_by_key(|(index, _)| *index);
        Ok(Intake { batch: decoded.batch, records: kept, bodies, rejected: split.rejected })
    }

    /// Finds bodies and schemas of framed Avro.
    fn split<'a>(&mut self, records: &'a [InRecord]) -> Result<Split<'a>, Stop> {
        let mut found = Split::with_records(records.len());
        let mut usable = None;
        for (index, record) in records.iter().enumerate() {
            match split(record) {
                Ok(split) if usable == Some(split.id) => found.accept(index, split),
                Ok(split) => match self.admit(split.id, record.offset)? {
                    None => {
                        usable = Some(split.id);
                        found.accept(index, split);
                    }
                    Some(reject) => found.rejected.push((index, reject)),
                },
                Err(reject) => found.rejected.push((index, reject)),
            }
        }
        Ok(found)
    }

    /// The bodies of rows, if they may be copied as they are.
    fn bodies<'a: 'f, 'f>(&self, rows: impl Iterator<Item = &'f Framed<'a>>) -> Option<Vec<&'a [u8]>> {
        let mut last = None;
        let body = |row: &Framed<'a>| {
            let same = last == Some(row.id) || self.same.contains(&row.id);
            last = Some(row.id);
            same.then_some(row.body)
        };
        rows.map(body).collect()
    }

    /// Makes a schema id usable, or says why this record is rejected for it.
    fn admit(&mut self, id: u32, offset: i64) -> Result<Option<Reject>, Stop> {
        if self.accepted.contains(&id) {
            return match self.learn(id) {
                None => Ok(None),
                Some(reject) => Err(self.lost(id, offset, &reject)),
            };
        }
        let wrong = self.learn(id);
        let proposal = wrong.clone().map_or(Verdict::Accept, Verdict::Reject);
        let (topic, partition) = (&self.topic, self.place.partition);
        match self.verdicts.schema(topic, partition, offset, id, proposal)? {
            Verdict::Reject(reject) => Ok(Some(reject)),
            Verdict::Accept => {
                // Another process found the schema before us; it must be there now.
                if let Some(reject) = wrong.and_then(|_| self.learn(id)) {
                    return Err(self.lost(id, offset, &reject));
                }
                self.accepted.insert(id);
                Ok(None)
            }
        }
    }

    /// Adds the writer's schema to the decoder; the reject says why it cannot be.
    fn learn(&mut self, id: u32) -> Option<Reject> {
        if self.decoder.knows(id) {
            return None;
        }
        let Some(text) = self.schemas.schema(id) else {
            return Some(Reject::new(Code::SchemaUnknown, format!("the registry has no schema with id {id}")));
        };
        // The same schema in another spelling needs no resolution, which is the slower way.
        let same = serde_json::from_str::<Value>(&text).is_ok_and(|written| written == self.source.json);
        let text = if same { self.source.text.as_str() } else { &*text };
        let Err(refused) = self.decoder.add_writer(id, text) else {
            if same {
                self.same.insert(id);
            }
            return None;
        };
        Some(Reject::new(Code::SchemaIncompatible, refused.to_string()))
    }

    fn lost(&self, id: u32, offset: i64, reject: &Reject) -> Stop {
        let place = format!("{}/{}", self.topic, self.place.partition);
        Stop::Other(format!(
            "{place} offset {offset}: schema id {id} was accepted earlier and cannot be used now ({reject}); check that this process asks the same schema registry"
        ))
    }
}

/// Bodies, the records that they are of, and other records.
#[derive(Debug, Default)]
pub(crate) struct Split<'a> {
    framed: Vec<Framed<'a>>,
    pub(crate) indices: Vec<usize>,
    pub(crate) rejected: Vec<(usize, Reject)>,
}

impl<'a> Split<'a> {
    fn with_records(records: usize) -> Self {
        Split { framed: Vec::with_capacity(records), indices: Vec::with_capacity(records), rejected: Vec::new() }
    }

    fn accept(&mut self, index: usize, framed: Framed<'a>) {
        self.framed.push(framed);
        self.indices.push(index);
    }
}

/// Refuses what is larger than it may be.
pub(crate) fn fits(bytes: usize, bytes_max: usize) -> Result<(), Reject> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let detail = format!("the record has {bytes} bytes; at most {bytes_max} are allowed");
    Err(Reject::new(Code::RecordTooLarge, detail))
}

fn split(record: &InRecord) -> Result<Framed<'_>, Reject> {
    fits(size_bytes(record), RECORD_BYTES_MAX)?;
    let headers = record.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    framing::split(record.value.as_deref(), headers)
}

/// Key, value and headers together.
pub fn size_bytes(record: &InRecord) -> usize {
    let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + len(value)).sum();
    len(&record.key) + len(&record.value) + headers
}
