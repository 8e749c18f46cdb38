//! Simulated transactions on their way to the source topics, labels two hours behind.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::compute::cast;
use bytes::Bytes;
use runtime::context::Context;
use runtime::log::{Publish, Session, SessionOptions};
use schemas::codec::Encoder;

use super::simulate::Transaction;
use super::table;
use crate::error::Error;

/// How long after its transaction a label becomes known.
const LABEL_DELAY_MS: i64 = 2 * 3_600_000;

/// A publisher of events and labels.
pub struct Feed {
    session: Box<dyn Session>,
    events: (Arc<str>, Encoder),
    labels: (Arc<str>, Encoder),
    waiting: VecDeque<Transaction>,
}

impl Feed {
    /// A feed into the sources of a pipeline over card transactions.
    pub fn open(context: &Context) -> Result<Self, Error> {
        let names = &context.plan.names;
        let labels = names.labels.as_ref().ok_or_else(|| Error::Failed("the demo's pipeline has labels".to_owned()))?;
        Ok(Feed {
            session: context.log.session(SessionOptions::publisher("tidemill.demo"))?,
            events: (names.events.as_str().into(), context.encoder(&names.events)?),
            labels: (labels.as_str().into(), context.encoder(labels)?),
            waiting: VecDeque::new(),
        })
    }

    /// Publishes transactions, and the labels that became known by then.
    pub fn push(&mut self, rows: &[Transaction]) -> Result<(), Error> {
        let Some(last) = rows.last() else { return Ok(()) };
        let known = self.waiting.partition_point(|row| row.time_ms + LABEL_DELAY_MS <= last.time_ms);
        let due: Vec<Transaction> = self.waiting.drain(..known).collect();
        self.waiting.extend(rows.iter().cloned());
        publish(&mut *self.session, &mut self.events, rows, &table::events(rows))?;
        let labels: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(due.iter().map(|row| row.id))),
            Arc::new(due.iter().map(|row| Some(row.fraud)).collect::<BooleanArray>()),
            Arc::new(TimestampMillisecondArray::from_iter_values(due.iter().map(|row| row.time_ms + LABEL_DELAY_MS))),
        ];
        publish(&mut *self.session, &mut self.labels, &due, &labels)
    }

    /// Returns when everything pushed is acknowledged.
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.session.flush()?)
    }
}

fn publish(
    session: &mut dyn Session,
    (topic, encoder): &mut (Arc<str>, Encoder),
    rows: &[Transaction],
    columns: &[ArrayRef],
) -> Result<(), Error> {
    let failed = |error: arrow::error::ArrowError| Error::Failed(format!("simulated rows do not fit {topic}: {error}"));
    if rows.is_empty() {
        return Ok(());
    }
    let schema = encoder.schema().clone();
    let fitted = columns.iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
    let batch =
        RecordBatch::try_new(schema.clone(), fitted.collect::<Result<_, _>>().map_err(failed)?).map_err(failed)?;
    let encoded = encoder.encode(&batch).map_err(runtime::context::Error::from)?;
    for (row, value) in rows.iter().zip(encoded.iter()) {
        session.publish(Publish::keyed(topic.clone(), Bytes::from(row.id.to_string()), value))?;
    }
    Ok(())
}
