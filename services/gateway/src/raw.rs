//! Raw records, for command lines whose process does not own the embedded log. Nothing is checked here but sizes and
//! places: a source's records are still judged by the validator, and so are retries. Of the other internal topics only the
//! one on which publishers say that they are done takes any.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flow::plan::Kind;
use runtime::log::{Header, Publish, RECORD_BYTES_MAX, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Problem, blocking};
use crate::state::Shared;

pub(crate) const SHAPE: &str =
    r#"{"key":"base64","value":"base64","headers":[["name","base64"]],"partition":0}, one per line"#;

/// One line of the body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Option<String>,
    value: Option<String>,
    #[serde(default)]
    headers: Vec<(String, Option<String>)>,
    partition: Option<i32>,
}

/// A record as a line of such a body.
pub(crate) fn line(record: &Record) -> Value {
    let text = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
    let headers = record.headers.iter().map(|header| json!([header.name, text(&header.value)]));
    json!({ "key": text(&record.key), "value": text(&record.value), "headers": headers.collect::<Vec<_>>() })
}

/// `POST /v1/publish/{topic}`.
pub(crate) async fn publish(
    State(state): Shared,
    Path(topic): Path<String>,
    body: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let own = state.clone();
    let records = blocking(move || {
        let takes = |kind: Kind| matches!(kind, Kind::Progress | Kind::Retry);
        if own.context.plan.topic(&topic).is_some_and(|topic| topic.internal && !takes(topic.kind)) {
            let help = "publish to a source's topic; internal logs are written by the pipeline's own tasks";
            return Err(Problem::new(StatusCode::FORBIDDEN, format!("{topic} is an internal log"), help));
        }
        records(&topic, own.partitions(&topic)?, &body)
    });
    let records = records.await?;
    let published = records.len();
    state.publisher.publish(records).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": published }))))
}

/// The records of a body, all of which fit.
pub(crate) fn records(topic: &str, partitions: i32, body: &[u8]) -> Answer<Vec<Publish>> {
    let topic: Arc<str> = topic.into();
    let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let records = lines.map(|(at, line)| {
        let wrong = |detail: String| Problem::bad(format!("line {}: {detail}", at + 1), format!("write {SHAPE}"));
        let line: Line = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        let record = record(&topic, line).map_err(|error| wrong(error.to_string()))?;
        if record.partition.is_some_and(|partition| !(0..partitions).contains(&partition)) {
            return Err(wrong(format!("{topic} has the partitions 0 to {}", partitions - 1)));
        }
        if record.size_bytes() > RECORD_BYTES_MAX {
            return Err(wrong(format!("{} bytes; at most {RECORD_BYTES_MAX} are allowed", record.size_bytes())));
        }
        Ok(record)
    });
    let records = records.collect::<Answer<Vec<Publish>>>()?;
    if records.is_empty() {
        return Err(Problem::bad("the body has no records", format!("write {SHAPE}")));
    }
    Ok(records)
}

fn record(topic: &Arc<str>, line: Line) -> Result<Publish, base64::DecodeError> {
    let bytes = |text: Option<String>| text.map(|text| STANDARD.decode(text).map(Bytes::from)).transpose();
    let header = |(name, value): (String, Option<String>)| Ok(Header { name: name.into(), value: bytes(value)? });
    Ok(Publish {
        topic: topic.clone(),
        partition: line.partition,
        key: bytes(line.key)?,
        value: bytes(line.value)?,
        headers: line.headers.into_iter().map(header).collect::<Result<_, base64::DecodeError>>()?,
    })
}
