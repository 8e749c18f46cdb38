//! Records of the progress topic, written by validators and by publishers.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use bytes::Bytes;
use runtime::context::{self, Context};
use runtime::log::{Publish, TopicPartition};
use schemas::codec::{self, Encoder};
use validation::idle::Seen;

use crate::published::Published;

/// What a validator reports of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The first offset not yet judged.
    pub next: i64,
    /// Greatest time, mark and idleness.
    pub seen: Seen,
}

/// Encodes records of the topic.
pub struct Writer {
    topic: Arc<str>,
    encoder: Encoder,
}

impl Writer {
    /// A writer with the schema that `apply` registered.
    pub fn open(context: &Context) -> Result<Self, context::Error> {
        let topic = &context.plan.names.progress;
        Ok(Writer { topic: topic.as_str().into(), encoder: context.encoder(topic)? })
    }

    /// The record in which a validator reports a partition.
    pub fn report(&mut self, tp: &TopicPartition, report: Report) -> Result<Publish, codec::Error> {
        self.record(tp, tp.to_string(), report, None)
    }

    /// The record in which a publisher says that it is done with a partition.
    pub fn done(&mut self, tp: &TopicPartition, word: Published) -> Result<Publish, codec::Error> {
        let seen = Seen { idle: true, ..Seen::default() };
        // A key of its own, or compaction would take it for an older report.
        self.record(tp, format!("{tp}/published"), Report { next: word.to, seen }, Some(word))
    }

    fn record(
        &mut self,
        tp: &TopicPartition,
        key: String,
        report: Report,
        word: Option<Published>,
    ) -> Result<Publish, codec::Error> {
        let wrong = |error: arrow::error::ArrowError| codec::Error::Encode { detail: error.to_string() };
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
                    "published_from" => Arc::new(Int64Array::from(vec![word.map(|word| word.from)])),
                    "published_records" => Arc::new(Int64Array::from(vec![word.map(|word| word.records)])),
                    _ => time(Some(runtime::clock::now_us())),
                }
            })
            .collect();
        let batch = RecordBatch::try_new(schema, columns).map_err(wrong)?;
        let value = self.encoder.encode(&batch)?.iter().next().unwrap_or_default();
        Ok(Publish::keyed(self.topic.clone(), Bytes::from(key), value))
    }
}
