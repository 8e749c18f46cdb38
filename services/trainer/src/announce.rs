//! Records about models: announcements and answers.

use crate::Error;
use crate::candidate::Metrics;
use bytes::Bytes;
use flow::fence::ModelRef;
use model::Manifest;
use registry::models::Published;
use runtime::context::Context;
use runtime::log::{Header, Publish};
use schemas::contracts;
use schemas::json::JsonWriter;
use serde_json::{Value, json};

/// What is told of a version.
pub struct Standing<'a> {
    /// The version.
    pub published: &'a Published,
    /// Its facts.
    pub manifest: &'a Manifest,
    /// The champion it was compared with.
    pub parent: Option<&'a ModelRef>,
    /// Number of the fence that made it the champion.
    pub control_number: Option<u64>,
    /// The request behind it.
    pub request: Option<&'a str>,
    /// When, microseconds since the epoch.
    pub announced_us: i64,
}

/// Measures as a list; those that are no number are left out.
pub fn metrics(metrics: &Metrics) -> Value {
    let finite = |value: f64| value.is_finite().then_some(value);
    let rows = metrics.iter().filter(|(_, metric)| metric.value.is_finite());
    let row = |(name, metric): (&String, &model::Metric)| json!({ "name": name, "value": metric.value, "low": finite(metric.low), "high": finite(metric.high) });
    rows.map(row).collect()
}

/// An announcement as its topic spells it.
pub fn announcement(pipeline: &str, standing: &Standing<'_>) -> Value {
    let Standing { published, manifest, .. } = standing;
    json!({
        "model": published.name,
        "version": published.version.to_string(),
        "standing": if standing.control_number.is_some() { "CHAMPION" } else { "CANDIDATE" },
        "pipeline": pipeline,
        "digest": published.digest,
        "dataset_digest": manifest.dataset.digest,
        "feature_set": manifest.feature_set,
        "parent_digest": standing.parent.map(|parent| &parent.digest),
        "threshold": f64::from(manifest.threshold.value),
        "metrics": metrics(&manifest.metrics),
        "control_number": standing.control_number,
        "request": standing.request,
        "announced_time": standing.announced_us,
    })
}

/// A record for the models topic. Its key is name and version, so that compaction keeps the standing of each.
pub fn models_record(context: &Context, announcement: &Value) -> Result<Publish, Error> {
    let text = |name: &str| announcement[name].as_str().unwrap_or_default();
    let key = format!("{}@{}", text("model"), text("version"));
    let id = format!("{key}/{}", text("standing"));
    record(context, (&context.plan.names.models, contracts::MODEL_ANNOUNCEMENT), (key, id), announcement)
}

/// A record for the requests topic.
pub fn requests_record(context: &Context, request: &Value) -> Result<Publish, Error> {
    let key = request["request"].as_str().unwrap_or_default().to_owned();
    // The wish itself has the request's id; what is told of it later is another event.
    let id = match request["result"].is_null() {
        true => key.clone(),
        false => format!("{key}/answer"),
    };
    record(context, (&context.plan.names.retraining, contracts::RETRAINING_REQUEST), (key, id), request)
}

fn record(
    context: &Context,
    (topic, contract): (&str, &str),
    (key, id): (String, String),
    value: &Value,
) -> Result<Publish, Error> {
    let refuse = |detail: String| Error::Unwritable { topic: topic.to_owned(), detail };
    let writer = JsonWriter::new(contracts::avro(contract).unwrap_or_default()).map_err(|e| refuse(e.to_string()))?;
    let framed = writer
        .framed(context.schema_id(topic)?, value)
        .map_err(|rejects| refuse(rejects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let headers = vec![
        Header::new("ce_id", id),
        Header::new("ce_type", topic.to_owned()),
        Header::new("ce_source", format!("tidemill/{}", context.pipeline.name)),
    ];
    Ok(Publish { headers, ..Publish::keyed(topic.into(), Bytes::from(key), Bytes::from(framed)) })
}
