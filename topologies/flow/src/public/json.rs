//! Public records that are written one at a time, by way of JSON: for topics with few records, whose schema is the same for
//! all pipelines and has enums, which Arrow does not write.

use super::{EMISSION_HEADER, emission};
use crate::names::{Names, Place};
use crate::processor::{OutRecord, Stop};
use crate::reader::Trigger;
use crate::wire;
use bytes::Bytes;
use schemas::contracts;
use schemas::json::JsonWriter;
use serde::Serialize;
use serde_json::Value;

/// A record of a public topic.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonRow {
    /// The topic, by name number.
    pub topic: u16,
    /// Its key.
    pub key: String,
    /// Its id for the CloudEvents header.
    pub id: String,
    /// Its emission identity.
    pub trigger: Trigger,
    /// Its value.
    pub value: Value,
}

impl JsonRow {
    /// A record with this value.
    pub fn new(topic: u16, (key, id): (&str, String), trigger: Trigger, value: &impl Serialize) -> Result<Self, Stop> {
        let value = serde_json::to_value(value).map_err(|error| Stop::Other(format!("record {id}: {error}")))?;
        Ok(JsonRow { topic, key: key.to_owned(), id, trigger, value })
    }
}

/// Writes the records of one topic.
#[derive(Debug)]
pub struct JsonSink {
    schema_id: u32,
    writer: JsonWriter,
}

impl JsonSink {
    /// For a schema by its path in the contracts, and its id in the registry.
    pub fn new(path: &str, schema_id: u32) -> Result<Self, Stop> {
        let schema = contracts::avro(path).ok_or_else(|| Stop::Other(format!("schema {path} is not built in")))?;
        let writer = JsonWriter::new(schema).map_err(wire::Error::from)?;
        Ok(JsonSink { schema_id, writer })
    }

    /// The record as it is published; `source` names the pipeline in CloudEvents headers.
    pub fn record(&self, names: &Names, own: Place, source: &str, row: JsonRow) -> Result<OutRecord, Stop> {
        let topic = names.topic(row.topic);
        let value = self.writer.framed(self.schema_id, &row.value).map_err(|rejects| {
            let rejects = rejects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Stop::Other(format!("cannot write {topic}: {rejects}"))
        })?;
        let headers = vec![
            ("ce_id".into(), Some(Bytes::from(row.id))),
            ("ce_type".into(), Some(Bytes::copy_from_slice(topic.as_bytes()))),
            ("ce_source".into(), Some(Bytes::from(format!("tidemill/{source}")))),
            (EMISSION_HEADER.into(), Some(Bytes::from(emission(names, own, row.trigger)))),
        ];
        let key = Some(Bytes::from(row.key));
        Ok(OutRecord { topic: topic.clone(), partition: None, key, value: Some(value.into()), headers })
    }
}
