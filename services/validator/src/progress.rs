//! The compacted topic on which validators tell each other how far they are, and publishers that they are done. Nothing
//! is computed from it: it decides only who counts as quiet and who waits.

mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use flow::task::SchemaSource;
use runtime::context::{self, Context};
use runtime::log::{self, Publish, Record, Session, SessionOptions, TopicPartition};
use schemas::codec::{self, Decoder};
use schemas::framing;
use tracing::warn;
use validation::idle::Seen;

pub use writer::{Report, Writer};

use crate::published::{Published, Words};

/// Both sides of the topic.
pub struct Progress {
    topic: Arc<str>,
    session: Box<dyn Session>,
    writer: Writer,
    decoder: Decoder,
    schemas: Arc<dyn SchemaSource>,
    others: BTreeMap<TopicPartition, Seen>,
    words: Words,
}

impl Progress {
    /// Reads the topic from its start.
    pub fn open(context: &Context) -> Result<Self, context::Error> {
        let topic: Arc<str> = context.plan.names.progress.as_str().into();
        let starts = context.bounds(&topic)?.into_iter().map(|(tp, start, _)| (tp, start)).collect();
        Ok(Progress {
            session: context.log.session(SessionOptions::assigned("validator-progress", starts))?,
            writer: Writer::open(context)?,
            decoder: Decoder::new(&context.schema(&topic)?)?,
            schemas: context.schema_source(),
            others: BTreeMap::new(),
            words: Words::default(),
            topic,
        })
    }

    /// Takes in what was reported since the last call, without waiting.
    pub fn read(&mut self) -> log::Result<()> {
        let poll = self.session.poll(Duration::ZERO)?;
        for record in poll.records.into_iter().flat_map(|(_, records)| records) {
            if self.take(&record).is_none() {
                warn!(topic = %self.topic, offset = record.offset, "unreadable progress ignored");
            }
        }
        Ok(())
    }

    /// What was last reported of a partition.
    pub(crate) fn of(&self, tp: &TopicPartition) -> Seen {
        self.others.get(tp).copied().unwrap_or_default()
    }

    /// Whether a partition was last reported to be quiet, and thus holds nothing back.
    pub fn is_idle(&self, tp: &TopicPartition) -> bool {
        self.of(tp).idle
    }

    /// Where a partition ends if publishers wrote it to its end and are done.
    pub(crate) fn done(&self, tp: &TopicPartition) -> Option<i64> {
        self.words.done(tp)
    }

    /// The record that reports a partition.
    pub(crate) fn report(&mut self, tp: &TopicPartition, report: Report) -> Result<Publish, codec::Error> {
        self.writer.report(tp, report)
    }

    fn take(&mut self, record: &Record) -> Option<()> {
        let framed = framing::split(record.value.as_deref(), []).ok()?;
        if !self.decoder.knows(framed.id) {
            self.decoder.add_writer(framed.id, &self.schemas.schema(framed.id)?).ok()?;
        }
        let decoded = self.decoder.decode(&[framed]);
        let batch = (decoded.batch.num_rows() == 1).then_some(decoded.batch)?;
        let time = |name: &str| {
            let column = batch.column_by_name(name)?.as_primitive::<TimestampMicrosecondType>();
            column.is_valid(0).then(|| column.value(0))
        };
        let number = |name: &str| {
            let column = batch.column_by_name(name)?.as_primitive::<Int64Type>();
            column.is_valid(0).then(|| column.value(0))
        };
        let topic = batch.column_by_name("topic")?.as_string::<i32>().value(0);
        let partition = batch.column_by_name("partition")?.as_primitive::<Int32Type>().value(0);
        let tp = TopicPartition::new(topic, partition);
        if let (Some(from), Some(records)) = (number("published_from"), number("published_records")) {
            self.words.take(tp, Published { to: number("next_offset")?, from, records });
            return Some(());
        }
        let idle = batch.column_by_name("idle")?.as_boolean().value(0);
        let seen = Seen { max_us: time("greatest_time"), mark_us: time("mark"), idle };
        self.others.insert(tp, seen);
        Some(())
    }
}

#[cfg(test)]
mod tests;
