//! The control topic's records: what promoters and tasks say about control states.

use crate::error::Error;
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;
use flow::task::SchemaSource;
use runtime::context::Context;
use runtime::log::{Header, Publish, Record};
use schemas::codec::Decoder;
use schemas::json::JsonWriter;
use schemas::{contracts, framing};
use serde_json::json;
use std::sync::Arc;
use tracing::warn;

/// Partition of a report that is about all of them.
pub(crate) const ALL: i32 = -1;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Proposed,
    Ready,
    Refused,
    Withdrawn,
    Taken,
    Void,
}

impl Said {
    const EACH: [Said; 6] = [Said::Proposed, Said::Ready, Said::Refused, Said::Withdrawn, Said::Taken, Said::Void];

    fn word(self) -> &'static str {
        match self {
            Said::Proposed => "PROPOSED",
            Said::Ready => "READY",
            Said::Refused => "REFUSED",
            Said::Withdrawn => "WITHDRAWN",
            Said::Taken => "TAKEN",
            Said::Void => "VOID",
        }
    }
}

/// A report that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub log: String,
    pub partition: i32,
    pub number: u64,
    pub said: Said,
    pub detail: String,
}

/// Writes reports about the features log.
pub(crate) struct Reporter {
    topic: Arc<str>,
    id: u32,
    writer: JsonWriter,
    pipeline: String,
    log: String,
    service: &'static str,
    instance: String,
}

impl Reporter {
    pub fn new(context: &Context, service: &'static str) -> Result<Self, Error> {
        let topic = context.plan.names.control.as_str();
        let writer = JsonWriter::new(contract()).map_err(|error| unusable(error.to_string()))?;
        Ok(Reporter {
            topic: topic.into(),
            id: context.schema_id(topic)?,
            writer,
            pipeline: context.pipeline.name.clone(),
            log: context.plan.names.features_log.clone(),
            service,
            instance: format!("{service}-{}", std::process::id()),
        })
    }

    /// The record that says so.
    pub fn record(&self, (partition, number): (i32, u64), said: Said, detail: &str) -> Result<Publish, Error> {
        let time_us = runtime::clock::now_us();
        let value = json!({
            "log": self.log,
            "partition": partition,
            "control_number": number,
            "state": said.word(),
            "detail": detail,
            "pipeline": self.pipeline,
            "service": self.service,
            "instance": self.instance,
            "reported_time": time_us,
        });
        let framed = self.writer.framed(self.id, &value);
        let framed = framed
            .map_err(|rejects| unusable(rejects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        let id = format!("{}/{number}/{partition}/{}/{}/{time_us}", self.log, said.word(), self.instance);
        let headers = vec![
            Header::new("ce_id", id),
            Header::new("ce_type", self.topic.to_string()),
            Header::new("ce_source", format!("tidemill/{}", self.pipeline)),
        ];
        let key = Bytes::from(self.log.clone());
        Ok(Publish { headers, ..Publish::keyed(self.topic.clone(), key, Bytes::from(framed)) })
    }
}

/// Reads reports.
pub(crate) struct Reports {
    decoder: Decoder,
    source: Arc<dyn SchemaSource>,
}

impl Reports {
    pub fn new(context: &Context) -> Result<Self, Error> {
        let decoder = Decoder::new(contract()).map_err(|error| unusable(error.to_string()))?;
        Ok(Reports { decoder, source: context.schema_source() })
    }

    /// The report in a record. What is none, or says something that this version does not know, is passed over: nothing
    /// is decided by a report alone.
    pub fn read(&mut self, record: &Record) -> Option<Report> {
        match self.decode(record) {
            Ok(report) => report,
            Err(detail) => {
                warn!(offset = record.offset, detail, "a record of the control topic is passed over");
                None
            }
        }
    }

    fn decode(&mut self, record: &Record) -> Result<Option<Report>, String> {
        let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
        let framed = framing::split(record.value.as_deref(), headers).map_err(|reject| reject.to_string())?;
        if !self.decoder.knows(framed.id) {
            let schema = self.source.schema(framed.id);
            let schema = schema.ok_or_else(|| format!("schema id {} is not in the registry", framed.id))?;
            self.decoder.add_writer(framed.id, &schema).map_err(|error| error.to_string())?;
        }
        let decoded = self.decoder.decode(&[framed]);
        match decoded.rejected.first() {
            Some((_, reject)) => Err(reject.to_string()),
            None => parse(&decoded.batch),
        }
    }
}

fn parse(batch: &RecordBatch) -> Result<Option<Report>, String> {
    let column = |name: &str, to: &DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| format!("it has no {name}"))?;
        cast(column, to).map_err(|error| error.to_string())
    };
    let text = |name: &str| Ok::<_, String>(column(name, &DataType::Utf8)?.as_string::<i32>().value(0).to_owned());
    let number = |name: &str| Ok::<_, String>(column(name, &DataType::Int64)?.as_primitive::<Int64Type>().value(0));
    let state = text("state")?;
    let Some(said) = Said::EACH.into_iter().find(|said| said.word() == state) else { return Ok(None) };
    let Ok(control_number) = u64::try_from(number("control_number")?) else { return Ok(None) };
    Ok(Some(Report {
        log: text("log")?,
        partition: number("partition")? as i32,
        number: control_number,
        said,
        detail: text("detail")?,
    }))
}

fn contract() -> &'static str {
    contracts::avro(contracts::CONTROL_REPORT).unwrap_or_default()
}

fn unusable(detail: String) -> Error {
    Error::Unusable { what: "a report for the control topic".to_owned(), detail }
}
