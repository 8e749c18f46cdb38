//! Asking for a new model, as a monitor would.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use runtime::log::Publish;
use schemas::json::JsonWriter;
use schemas::registry::value_subject;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{self, Answer, Problem, blocking};
use crate::newest::newest_us;
use crate::state::{self, Shared};

pub(crate) const SHAPE: &str = r#"{"model":"NAME","reason":"why","data_from":"2026-01-01T00:00:00Z","data_to":"2026-02-01T00:00:00Z"}; all may be left out, and the times are then those of the newest labelled events"#;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    model: Option<String>,
    reason: Option<String>,
    request: Option<String>,
    data_from: Option<Value>,
    data_to: Option<Value>,
}

/// `POST /v1/retrain`.
pub(crate) async fn request(State(state): Shared, body: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let wanted: Wanted = if body.is_empty() { Wanted::default() } else { answer::object(&body, SHAPE)? };
    let own = state.clone();
    let (request, record) = blocking(move || {
        let request = filled(&own, wanted)?;
        let record = record(&own, &request)?;
        Ok((request, record))
    })
    .await?;
    state.publisher.publish(vec![record]).await?;
    Ok((StatusCode::ACCEPTED, Json(request)))
}

/// The request with what was left out. As a monitor would, it asks by default for the newest events whose labels are all
/// known, less those to compare on: event time counts, not the time of day.
fn filled(state: &state::State, wanted: Wanted) -> Answer<Value> {
    let pipeline = &state.context.pipeline;
    let known: Vec<&str> = pipeline.models.iter().map(|model| model.name.as_str()).collect();
    let model = match (&wanted.model, &pipeline.models[..]) {
        (Some(name), _) => pipeline.model(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(model) = model else {
        let asked = wanted.model.unwrap_or_else(|| "of that request".to_owned());
        let help = format!("name one of its models: {}", known.join(", "));
        return Err(Problem::bad(format!("pipeline {} has no model {asked}", pipeline.name), help));
    };
    let (span_us, delay_us) = match &pipeline.retraining {
        Some(rule) => (rule.train_window_us, rule.label_delay_us.saturating_add(rule.holdout_us)),
        None => (model.training.window_us, model.training.delay_us),
    };
    let newest_us = newest_us(&state.context)?;
    let to = wanted.data_to.map(|value| time_us("data_to", &value)).transpose()?;
    let to = match to {
        Some(to) => to,
        None => newest_us.ok_or_else(no_event)?.saturating_sub(delay_us),
    };
    let from = wanted.data_from.map(|value| time_us("data_from", &value)).transpose()?;
    let from = from.unwrap_or_else(|| to.saturating_sub(span_us));
    if from >= to {
        return Err(Problem::bad("data_from is not before data_to", format!("send {SHAPE}")));
    }
    let id = wanted.request.unwrap_or_else(|| format!("{}/manual/{}/{from}-{to}", pipeline.name, model.name));
    Ok(json!({
        "request": id,
        "state": "REQUESTED",
        "pipeline": pipeline.name,
        "model": model.name,
        "reason": wanted.reason.unwrap_or_else(|| "asked for through the gateway".to_owned()),
        "data_from": from,
        "data_to": to,
        "requested_time": newest_us.unwrap_or(to),
    }))
}

fn no_event() -> Problem {
    Problem::bad("no event was accepted yet, so there is no newest one to count back from", format!("send {SHAPE}"))
}

/// A time as RFC 3339 text or in microseconds since the epoch.
fn time_us(name: &str, value: &Value) -> Answer<i64> {
    let parsed = match value {
        Value::String(text) => chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros()),
        other => other.as_i64(),
    };
    let help = "write a time like 2026-01-31T12:00:00Z, or microseconds since 1970";
    parsed.ok_or_else(|| Problem::bad(format!("{name} {value} is no time"), help))
}

fn record(state: &state::State, request: &Value) -> Answer<Publish> {
    let context = &state.context;
    let topic = context.plan.names.retraining.as_str();
    state.partitions(topic)?;
    let found = context.schemas.latest(&value_subject(topic)).map_err(Problem::outside)?;
    let Some((id, schema)) = found else {
        return Err(Problem::missing(format!("topic {topic} has no schema"), "run `tidemill apply`"));
    };
    let writer = JsonWriter::new(&schema).map_err(Problem::ours)?;
    let value = writer.framed(id, request).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Problem::bad(faults.join("; "), format!("send {SHAPE}"))
    })?;
    let key = request["request"].as_str().unwrap_or_default().to_owned();
    Ok(Publish::keyed(topic.into(), key.into(), value.into()))
}
