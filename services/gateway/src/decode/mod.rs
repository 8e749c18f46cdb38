//! Records of any topic as JSON: decoded by the schema that wrote them, batches of internal logs taken apart into items.

mod filter;
mod lines;
mod start;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::RecordBatch;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use runtime::log::{Record, TopicPartition};
use schemas::codec::{Decoder, Framed};
use schemas::framing;
use schemas::registry::{SchemaRegistry, Unavailable};
use serde_json::Value;

pub use filter::Filter;
pub use lines::{lines, raw};
pub use start::Start;

/// Why records cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] Unavailable),
    /// A decoded record has no JSON form.
    #[error("cannot write a record as JSON: {detail}")]
    Json {
        /// What the writer says.
        detail: String,
    },
}

/// Decodes values of any schema in the registry.
#[derive(Default)]
pub struct Values {
    decoders: HashMap<u32, Option<Decoder>>,
}

impl Values {
    /// Schema ids that records had and the registry has not, so that their bytes are shown.
    pub fn unknown(&self) -> Vec<u32> {
        let mut unknown: Vec<u32> =
            self.decoders.iter().filter(|(_, decoder)| decoder.is_none()).map(|(id, _)| *id).collect();
        unknown.sort_unstable();
        unknown
    }
}

impl Values {
    /// The value of each record. What cannot be decoded is told as such and is no error: dead letters are read too.
    pub fn decode(&mut self, schemas: &dyn SchemaRegistry, records: &[Record]) -> Result<Vec<Value>, Error> {
        let mut values = vec![Value::Null; records.len()];
        let mut by_id: Vec<(u32, Vec<(usize, Framed<'_>)>)> = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let headers = record.headers.iter().map(|header| (header.name.as_ref(), header.value.as_deref()));
            match framing::split(record.value.as_deref(), headers) {
                Err(_) => values[at] = raw(record.value.as_deref()),
                Ok(framed) => match by_id.iter_mut().find(|(id, _)| *id == framed.id) {
                    Some((_, group)) => group.push((at, framed)),
                    None => by_id.push((framed.id, vec![(at, framed)])),
                },
            }
        }
        for (id, group) in by_id {
            let Some(decoder) = self.decoder(schemas, id)? else {
                group.iter().for_each(|(at, _)| values[*at] = raw(records[*at].value.as_deref()));
                continue;
            };
            let framed: Vec<Framed<'_>> = group.iter().map(|(_, framed)| *framed).collect();
            let decoded = decoder.decode(&framed);
            decoded.rejected.iter().for_each(|(at, _)| {
                let at = group[*at].0;
                values[at] = raw(records[at].value.as_deref());
            });
            let rows = to_json(&decoded.batch)?;
            decoded.accepted().zip(rows).for_each(|(at, row)| values[group[at].0] = row);
        }
        Ok(values)
    }

    /// The decoder of a schema id; none when the registry has no such schema, or one that cannot be used.
    fn decoder(&mut self, schemas: &dyn SchemaRegistry, id: u32) -> Result<Option<&mut Decoder>, Error> {
        let decoder = match self.decoders.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(schemas.by_id(id)?.and_then(|schema| {
                let mut decoder = Decoder::new(&schema).ok()?;
                decoder.add_writer(id, &schema).ok().map(|()| decoder)
            })),
        };
        Ok(decoder.as_mut())
    }
}

/// The rows of a batch as JSON objects.
pub fn to_json(batch: &RecordBatch) -> Result<Vec<Value>, Error> {
    let failed = |detail: String| Error::Json { detail };
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(batch).and_then(|()| writer.finish()).map_err(|error| failed(error.to_string()))?;
    let text = writer.into_inner();
    let rows = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
    rows.collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.to_string()))
}

/// Where a record lies.
pub struct Position<'a> {
    /// Its partition.
    pub tp: &'a TopicPartition,
    /// The record.
    pub record: &'a Record,
}
