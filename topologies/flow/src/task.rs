//! A processor with its codecs: the [`Task`] that a shell, the test driver, or a replay runs over one partition of an
//! internal log.

use crate::names::{Names, Place};
use crate::processor::{Headers, InRecord, OutRecord, Outbox, Processor, PublicRows, Stop, Task};
use crate::reader::Trigger;
use crate::wire::{self, LogReader, LogWriter, Origin, Raw};
use bytes::Bytes;
use schemas::codec::Encoder;
use schemas::framing;
use std::sync::Arc;

/// Header that carries the emission identity of a public record: `log/partition@offset.item.index` of its trigger.
pub const EMISSION_HEADER: &str = "tidemill.emission";
/// Header that names the source record: `topic/partition@offset`.
pub const ORIGIN_HEADER: &str = "tidemill.origin";

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

    fn write(&mut self, outbox: Outbox, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        let names = self.reader.names().clone();
        for (place, draft) in outbox.drafts {
            let Some(Some(Sink::Log(writer))) = self.sinks.get_mut(usize::from(place.topic)) else {
                return Err(undeclared(&names, place.topic));
            };
            let value = writer.encode(draft)?;
            out.push(log_record(&names, place, value));
        }
        for rows in outbox.public {
            let Some(Some(Sink::Public(encoder))) = self.sinks.get_mut(usize::from(rows.topic)) else {
                return Err(undeclared(&names, rows.topic));
            };
            publish(&names, self.own, &self.source, encoder, rows, out)?;
        }
        Ok(())
    }
}

impl<P: Processor> Task for LogTask<P> {
    fn handle(&mut self, records: &[InRecord], suppressed: bool, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        let batch = self.decode(records)?;
        let mut outbox = Outbox { suppressed, ..Outbox::default() };
        self.processor.process(&batch, &mut outbox)?;
        if suppressed { Ok(()) } else { self.write(outbox, out) }
    }

    fn metadata(&self) -> String {
        self.processor.save().text()
    }

    fn fence(&self) -> Option<i64> {
        self.processor.fence()
    }

    fn resume(&mut self, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        let mut outbox = Outbox::default();
        self.processor.resume(&mut outbox);
        self.write(outbox, out)
    }
}

/// A record of an internal log; it has no key, its partition says where it belongs.
pub fn log_record(names: &Names, place: Place, value: Bytes) -> OutRecord {
    OutRecord {
        topic: names.topic(place.topic).clone(),
        partition: Some(place.partition),
        key: None,
        value: Some(value),
        headers: Vec::new(),
    }
}

fn undeclared(names: &Names, topic: u16) -> Stop {
    Stop::Other(format!("task writes {} without having declared it", names.topic(topic)))
}

/// Encodes public rows, one record each, with their few headers.
fn publish(
    names: &Names,
    own: Place,
    source: &str,
    encoder: &mut Encoder,
    rows: PublicRows,
    out: &mut Vec<OutRecord>,
) -> Result<(), Stop> {
    let topic = names.topic(rows.topic).clone();
    let encoded = encoder.encode(&rows.rows).map_err(wire::Error::from)?;
    let fixed = Fixed::new(source, &topic);
    for (row, value) in encoded.iter().enumerate() {
        let origin = rows.origins.get(row).copied().flatten();
        let headers = fixed.headers(&rows.ids[row], emission(names, own, rows.triggers[row]), origin, names);
        let key = Some(Bytes::copy_from_slice(rows.keys[row].as_bytes()));
        out.push(OutRecord { topic: topic.clone(), partition: None, key, value: Some(value), headers });
    }
    Ok(())
}

/// The emission identity as its header spells it.
pub fn emission(names: &Names, own: Place, trigger: Trigger) -> String {
    format!("{}/{}@{}.{}.{}", names.topic(own.topic), own.partition, trigger.offset, trigger.item, trigger.index)
}

/// Header values that all records of one batch share.
struct Fixed {
    kind: Bytes,
    source: Bytes,
}

impl Fixed {
    fn new(source: &str, topic: &str) -> Self {
        let kind = Bytes::copy_from_slice(topic.as_bytes());
        Fixed { kind, source: Bytes::from(format!("tidemill/{source}")) }
    }

    fn headers(&self, id: &str, emission: String, origin: Option<Origin>, names: &Names) -> Headers {
        let mut headers: Headers = vec![
            ("ce_id".into(), Some(Bytes::copy_from_slice(id.as_bytes()))),
            ("ce_type".into(), Some(self.kind.clone())),
            ("ce_source".into(), Some(self.source.clone())),
            (EMISSION_HEADER.into(), Some(Bytes::from(emission))),
        ];
        if let Some(origin) = origin {
            let text = format!("{}@{}", names.show(origin.place), origin.offset);
            headers.push((ORIGIN_HEADER.into(), Some(Bytes::from(text))));
        }
        headers
    }
}
