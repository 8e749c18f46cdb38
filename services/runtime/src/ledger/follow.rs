//! Reading the ledger's topic while shells write it.

use super::{Error, ends};
use crate::context::{self, Context};
use crate::log::{Record, Session, SessionOptions, TopicPartition};
use flow::ledger::{Sample, decode};
use flow::task::SchemaSource;
use schemas::codec::Decoder;
use schemas::framing;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for records that are there.
const POLL_MS: u64 = 200;

/// Reads the topic from its start, again and again to its end.
pub struct Follower {
    context: Context,
    topic: Arc<str>,
    session: Box<dyn Session>,
    decoder: Decoder,
    schemas: Arc<dyn SchemaSource>,
    next: Vec<(TopicPartition, i64)>,
    sample: Sample,
}

impl Follower {
    /// Before the first row.
    pub fn open(context: &Context) -> Result<Self, Error> {
        let topic: Arc<str> = context.plan.names.ledger.as_str().into();
        let next: Vec<_> = context.bounds(&topic)?.into_iter().map(|(tp, start, _)| (tp, start)).collect();
        Ok(Follower {
            session: context.log.session(SessionOptions::assigned("tidemill.ledger", next.clone()))?,
            decoder: Decoder::new(&context.schema(&topic)?).map_err(context::Error::from)?,
            schemas: context.schema_source(),
            context: context.clone(),
            sample: Sample::default(),
            topic,
            next,
        })
    }

    /// What the ledger says now, and then where sources and logs end.
    pub fn sample(&mut self) -> Result<&Sample, Error> {
        for (tp, _, end) in self.context.bounds(&self.topic.clone())? {
            while self.next.iter().any(|(known, next)| *known == tp && *next < end) {
                let poll = self.session.poll(Duration::from_millis(POLL_MS))?;
                for (tp, records) in poll.records {
                    records.iter().try_for_each(|record| self.take(record))?;
                    let last = records.last().map(|record| record.offset + 1);
                    self.next.iter_mut().filter(|(known, _)| *known == tp).for_each(|(_, next)| {
                        *next = last.unwrap_or(*next);
                    });
                }
            }
        }
        self.sample.ends = ends(&self.context)?;
        Ok(&self.sample)
    }

    fn take(&mut self, record: &Record) -> Result<(), Error> {
        let (topic, offset) = (self.topic.clone(), record.offset);
        let foreign = |detail: String| Error::Foreign { topic: topic.clone(), offset, detail };
        let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
        let framed = framing::split(record.value.as_deref(), headers).map_err(|reject| foreign(reject.to_string()))?;
        if !self.decoder.knows(framed.id) {
            let schema = self.schemas.schema(framed.id);
            let schema = schema.ok_or_else(|| foreign(format!("schema id {} is not in the registry", framed.id)))?;
            self.decoder.add_writer(framed.id, &schema).map_err(context::Error::from)?;
        }
        let decoded = self.decoder.decode(&[framed]);
        if let Some((_, reject)) = decoded.rejected.first() {
            return Err(foreign(reject.to_string()));
        }
        let entries = decode(&decoded.batch).map_err(|error| foreign(error.to_string()))?;
        entries.into_iter().for_each(|entry| self.sample.take(entry));
        Ok(())
    }
}
