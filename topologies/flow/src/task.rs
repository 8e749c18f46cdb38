//! A processor with its codecs: the [`Task`] that a shell, the test driver, or a replay runs over one partition of an
//! internal log.

use crate::ledger::Row;
use crate::names::{Names, Place};
use crate::outputs::Outputs;
use crate::processor::{InRecord, Outbox, Processor, Stop, Task};
use crate::public::{self, JsonSink};
use crate::snapshot::State;
use crate::state::Asides;
use crate::wire::{self, LogReader, LogWriter, Raw};
use schemas::codec::Encoder;
use schemas::framing;
use std::sync::Arc;

/// Where schemas come from. An implementation that cannot reach its registry waits; it never answers "unknown" for that.
pub trait SchemaSource: Send + Sync {
    /// The schema with this id; `None` when the registry says there is none.
    fn schema(&self, id: u32) -> Option<Arc<str>>;
}

/// A topic a task writes.
pub enum Sink {
    /// An internal log.
    Log(LogWriter),
    /// A public topic, one record per row.
    Public(Encoder),
    /// A public topic with few records.
    Single(JsonSink),
}

/// A [`Processor`] between decoder and encoders.
pub struct LogTask<P> {
    own: Place,
    reader: LogReader,
    schemas: Arc<dyn SchemaSource>,
    processor: P,
    sinks: Vec<Option<Sink>>,
    source: Arc<str>,
}

impl<P: Processor> LogTask<P> {
    /// A task over `own`; `source` names the pipeline in CloudEvents headers.
    pub fn new(own: Place, reader: LogReader, schemas: Arc<dyn SchemaSource>, processor: P, source: Arc<str>) -> Self {
        LogTask { own, reader, schemas, processor, sinks: Vec::new(), source }
    }

    /// Declares a topic the task writes.
    pub fn sink(mut self, topic: u16, sink: Sink) -> Self {
        let at = usize::from(topic);
        if self.sinks.len() <= at {
            self.sinks.resize_with(at + 1, || None);
        }
        self.sinks[at] = Some(sink);
        self
    }

    /// The processor, for tests and metrics.
    pub fn processor(&self) -> &P {
        &self.processor
    }

    fn decode(&mut self, records: &[InRecord]) -> Result<crate::items::LogBatch, Stop> {
        let mut raw = Vec::with_capacity(records.len());
        for record in records {
            let headers = record.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
            let framed = framing::split(record.value.as_deref(), headers)
                .map_err(|reject| wire::Error::Damaged { offset: record.offset, detail: reject.to_string() })?;
            if !self.reader.knows(framed.id) {
                let schema = self.schemas.schema(framed.id).ok_or_else(|| wire::Error::Damaged {
                    offset: record.offset,
                    detail: format!("schema id {} is not in the registry", framed.id),
                })?;
                self.reader.add_writer(framed.id, &schema)?;
            }
            raw.push(Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed });
        }
        Ok(self.reader.decode(&raw)?)
    }

    fn give(&mut self, outbox: Outbox, out: &mut Outputs) -> Result<(), Stop> {
        let names = self.reader.names().clone();
        for (place, draft) in outbox.drafts {
            match self.sinks.get(usize::from(place.topic)) {
                Some(Some(Sink::Log(_))) => out.push(place, draft),
                _ => return Err(undeclared(&names, place.topic)),
            }
        }
        for rows in outbox.public {
            let Some(Some(Sink::Public(encoder))) = self.sinks.get_mut(usize::from(rows.topic)) else {
                return Err(undeclared(&names, rows.topic));
            };
            public::publish(&names, self.own, &self.source, encoder, rows, &mut out.records)?;
        }
        for row in outbox.single {
            let Some(Some(Sink::Single(sink))) = self.sinks.get(usize::from(row.topic)) else {
                return Err(undeclared(&names, row.topic));
            };
            out.records.push(sink.record(&names, self.own, &self.source, row)?);
        }
        Ok(())
    }
}

impl<P: Processor> Task for LogTask<P> {
    fn draft(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        let batch = self.decode(records)?;
        let mut outbox = Outbox { suppressed, ..Outbox::default() };
        self.processor.process(&batch, &mut outbox)?;
        if suppressed { Ok(()) } else { self.give(outbox, out) }
    }

    fn seal(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        for (topic, sink) in self.sinks.iter_mut().enumerate() {
            if let Some(Sink::Log(writer)) = sink {
                out.seal(topic as u16, self.reader.names(), writer)?;
            }
        }
        Ok(())
    }

    fn metadata(&self) -> String {
        self.processor.save().text()
    }

    fn asides(&self) -> Asides {
        self.processor.asides()
    }

    fn labels(&self) -> Vec<(&'static str, u64)> {
        self.processor.labels()
    }

    fn fence(&self) -> Option<i64> {
        self.processor.fence()
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        self.processor.state()
    }

    fn ledger(&mut self) -> Vec<Row> {
        let own = self.own.topic;
        self.processor.edges().map_or_else(Vec::new, |edges| edges.rows(own))
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        let mut outbox = Outbox::default();
        self.processor.resume(&mut outbox);
        self.give(outbox, out)
    }
}

fn undeclared(names: &Names, topic: u16) -> Stop {
    Stop::Other(format!("task writes {} without having declared it", names.topic(topic)))
}
