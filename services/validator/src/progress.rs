//! The compacted topic on which validators tell each other how far they are. Nothing is computed from it: it decides only
//! who counts as quiet and who waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use bytes::Bytes;
use runtime::log::{Log, Publish, Record, Session, SessionOptions, TopicPartition};
use schemas::codec::{self, Decoder, Encoder};
use schemas::framing;
use tracing::warn;
use validation::idle::Seen;

use crate::Error;

/// What a validator reports of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The first offset not yet judged.
    pub next: i64,
    /// Greatest time, mark and idleness.
    pub seen: Seen,
}

/// Both sides of the topic.
pub struct Progress {
    topic: Arc<str>,
    session: Box<dyn Session>,
    encoder: Encoder,
    decoder: Decoder,
    others: BTreeMap<TopicPartition, Seen>,
}

impl Progress {
    /// Reads the topic from its start; `id` is its schema's.
    pub fn open(log: &dyn Log, topic: &str, schema: &str, id: u32) -> Result<Self, Error> {
        let codec = |error: codec::Error| Error::Codec { topic: topic.to_owned(), detail: error.to_string() };
        let mut decoder = Decoder::new(schema).map_err(codec)?;
        decoder.add_writer(id, schema).map_err(codec)?;
        let encoder = Encoder::new(decoder.schema(), id).map_err(codec)?;
        let topic: Arc<str> = topic.into();
        let partitions = log.partitions(&topic)?.unwrap_or_default();
        let starts = (0..partitions).map(|partition| {
            let tp = TopicPartition::new(topic.clone(), partition);
            let (start, _) = log.watermarks(&tp)?;
            Ok((tp, start))
        });
        let starts = starts.collect::<Result<Vec<_>, runtime::log::Error>>()?;
        let session = log.session(SessionOptions::assigned("validator-progress", starts))?;
        Ok(Progress { topic, session, encoder, decoder, others: BTreeMap::new() })
    }

    /// Takes in what was reported since the last call, without waiting.
    pub fn read(&mut self) -> Result<(), runtime::log::Error> {
        let poll = self.session.poll(Duration::ZERO)?;
        for record in poll.records.into_iter().flat_map(|(_, records)| records) {
            if self.take(&record).is_none() {
                warn!(topic = %self.topic, offset = record.offset, "unreadable progress ignored");
            }
        }
        Ok(())
    }

    /// What was last reported of a partition.
    pub fn of(&self, tp: &TopicPartition) -> Seen {
        self.others.get(tp).copied().unwrap_or_default()
    }

    fn take(&mut self, record: &Record) -> Option<()> {
        let framed = framing::split(record.value.as_deref(), []).ok()?;
        let decoded = self.decoder.decode(&[framed]);
        let batch = (decoded.batch.num_rows() == 1).then_some(decoded.batch)?;
        let time = |name: &str| {
            let column = batch.column_by_name(name)?.as_primitive::<TimestampMicrosecondType>();
            column.is_valid(0).then(|| column.value(0))
        };
        let topic = batch.column_by_name("topic")?.as_string::<i32>().value(0);
        let partition = batch.column_by_name("partition")?.as_primitive::<Int32Type>().value(0);
        let idle = batch.column_by_name("idle")?.as_boolean().value(0);
        let seen = Seen { max_us: time("greatest_time"), mark_us: time("mark"), idle };
        self.others.insert(TopicPartition::new(topic, partition), seen);
        Some(())
    }

    /// The record that reports a partition.
    pub fn report(&mut self, tp: &TopicPartition, report: Report) -> Result<Publish, Error> {
        let wrong = |detail: String| Error::Codec { topic: self.topic.to_string(), detail };
        let schema = self.encoder.schema().clone();
        let columns: Vec<ArrayRef> = schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                let time = |value: Option<i64>| {
                    Arc::new(TimestampMicrosecondArray::from(vec![value]).with_data_type(field.data_type().clone()))
                };
                match field.name().as_str() {
                    "topic" => Arc::new(StringArray::from(vec![&*tp.topic])),
                    "partition" => Arc::new(Int32Array::from(vec![tp.partition])),
                    "next_offset" => Arc::new(Int64Array::from(vec![report.next])),
                    "greatest_time" => time(report.seen.max_us),
                    "mark" => time(report.seen.mark_us),
                    "idle" => Arc::new(BooleanArray::from(vec![report.seen.idle])),
                    _ => time(Some(now_us())),
                }
            })
            .collect();
        let batch = RecordBatch::try_new(schema, columns).map_err(|error| wrong(error.to_string()))?;
        let rows = self.encoder.encode(&batch).map_err(|error| wrong(error.to_string()))?;
        let value = rows.iter().next().unwrap_or_default();
        Ok(Publish::keyed(self.topic.clone(), Bytes::from(tp.to_string()), value))
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
