//! Requests for a new model as their topic spells them.

use crate::Error;
use crate::announce::requests_record;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use flow::task::SchemaSource;
use runtime::context::Context;
use runtime::log::{Publish, Record};
use schemas::codec::Decoder;
use schemas::{contracts, framing};
use serde_json::{Value, json};
use std::sync::Arc;

/// State of a request that wants an answer.
const REQUESTED: &str = "REQUESTED";

/// A wish for a new model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub request: String,
    /// The pipeline.
    pub pipeline: String,
    /// The model's name.
    pub model: String,
    /// Why, for a person.
    pub reason: String,
    /// The incident behind it.
    pub incident: Option<String>,
    /// First event time to train on, microseconds since the epoch.
    pub data_from_us: i64,
    /// First event time behind it.
    pub data_to_us: i64,
    /// Event time of the request; labels known later do not count.
    pub requested_us: i64,
}

impl Request {
    /// The request as its topic spells it, in a state and with a result.
    pub fn json(&self, state: &str, result: &Value) -> Value {
        json!({
            "request": self.request,
            "state": state,
            "pipeline": self.pipeline,
            "model": self.model,
            "reason": self.reason,
            "incident": self.incident,
            "data_from": self.data_from_us,
            "data_to": self.data_to_us,
            "requested_time": self.requested_us,
            "result": result,
        })
    }

    /// The record that asks for it, for the requests topic.
    pub fn record(&self, context: &Context) -> Result<Publish, Error> {
        requests_record(context, &self.json(REQUESTED, &Value::Null))
    }
}

/// Reads the requests topic.
pub struct Requests {
    topic: String,
    decoder: Decoder,
    source: Arc<dyn SchemaSource>,
}

impl Requests {
    /// A reader of a pipeline's requests.
    pub fn new(context: &Context) -> Result<Self, Error> {
        let topic = context.plan.names.retraining.clone();
        let schema = contracts::avro(contracts::RETRAINING_REQUEST).unwrap_or_default();
        let decoder = Decoder::new(schema)
            .map_err(|error| Error::Unwritable { topic: topic.clone(), detail: error.to_string() })?;
        Ok(Requests { topic, decoder, source: context.schema_source() })
    }

    /// The request in a record; none where it is an answer.
    pub fn read(&mut self, record: &Record) -> Result<Option<Request>, Error> {
        let refuse = |detail: String| Error::Request { topic: self.topic.clone(), offset: record.offset, detail };
        let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
        let framed = framing::split(record.value.as_deref(), headers).map_err(|reject| refuse(reject.to_string()))?;
        if !self.decoder.knows(framed.id) {
            let schema = self.source.schema(framed.id);
            let schema = schema.ok_or_else(|| refuse(format!("schema id {} is not in the registry", framed.id)))?;
            self.decoder.add_writer(framed.id, &schema).map_err(|error| refuse(error.to_string()))?;
        }
        let decoded = self.decoder.decode(&[framed]);
        if let Some((_, reject)) = decoded.rejected.first() {
            return Err(refuse(reject.to_string()));
        }
        parse(&decoded.batch).map_err(refuse)
    }
}

fn parse(batch: &RecordBatch) -> Result<Option<Request>, String> {
    let column = |name: &str, to: &DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| format!("it has no {name}"))?;
        cast(column, to).map_err(|error| error.to_string())
    };
    let text = |name: &str| {
        let column = column(name, &DataType::Utf8)?;
        let column = column.as_string::<i32>();
        Ok::<_, String>(column.is_valid(0).then(|| column.value(0).to_owned()))
    };
    let time_us = |name: &str| Ok::<_, String>(column(name, &DataType::Int64)?.as_primitive::<Int64Type>().value(0));
    if text("state")?.as_deref() != Some(REQUESTED) {
        return Ok(None);
    }
    Ok(Some(Request {
        request: text("request")?.unwrap_or_default(),
        pipeline: text("pipeline")?.unwrap_or_default(),
        model: text("model")?.unwrap_or_default(),
        reason: text("reason")?.unwrap_or_default(),
        incident: text("incident")?,
        data_from_us: time_us("data_from")?,
        data_to_us: time_us("data_to")?,
        requested_us: time_us("requested_time")?,
    }))
}
