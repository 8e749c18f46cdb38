//! Records about models: announcements and answers.

use crate::Error;
use crate::candidate::{Candidate, Metrics};
use crate::champion::open;
use bytes::Bytes;
use flow::fence::ModelRef;
use model::Manifest;
use registry::models::{Models, Published, Version};
use runtime::context::Context;
use runtime::log::{Header, Publish, SessionOptions};
use schemas::contracts;
use schemas::json::JsonWriter;
use serde_json::{Value, json};

/// A change of standings.
pub struct Change<'a> {
    /// The version that was trained or promoted.
    pub published: &'a Published,
    /// Its facts.
    pub manifest: &'a Manifest,
    /// The champion before.
    pub before: Option<&'a ModelRef>,
    /// Number of the fence that made it the champion; none leaves it a candidate.
    pub control_number: Option<u64>,
    /// The request behind it.
    pub request: Option<&'a str>,
}

impl Change<'_> {
    /// What is to be told: the version's standing, and that of the champion whose place it takes.
    pub fn announcements(&self, context: &Context, models: &Models) -> Result<Vec<Value>, Error> {
        let standing = if self.control_number.is_some() { "CHAMPION" } else { "CANDIDATE" };
        let mut told = vec![self.announcement(context, (standing, self.published, self.manifest))];
        let retired =
            self.before.filter(|before| self.control_number.is_some() && before.digest != self.published.digest);
        if let Some(retired) = retired {
            let (published, model) = open(models, &retired.name, Version::Number(retired.version))?;
            told.push(self.announcement(context, ("RETIRED", &published, model.manifest())));
        }
        Ok(told)
    }

    fn announcement(&self, context: &Context, (standing, published, manifest): (&str, &Published, &Manifest)) -> Value {
        json!({
            "model": published.name,
            "version": published.version.to_string(),
            "standing": standing,
            "pipeline": context.pipeline.name,
            "digest": published.digest,
            "dataset_digest": manifest.dataset.digest,
            "feature_set": manifest.feature_set,
            "parent_digest": manifest.parent,
            "threshold": manifest.threshold.as_ref().map(|threshold| f64::from(threshold.value)),
            "metrics": metrics(&manifest.metrics),
            "control_number": self.control_number,
            "request": self.request,
            "announced_time": runtime::clock::now_us(),
        })
    }
}

/// Publishes announcements outside of the service's session.
pub fn tell(context: &Context, models: &Models, change: &Change<'_>) -> Result<(), Error> {
    let client = format!("{}.trainer", context.pipeline.name);
    // All standings change at once, and an old one never takes the place of a newer one: the topic is compacted.
    let transactional = vec![context.plan.names.models.clone()];
    let options = SessionOptions { durable: true, transactional, ..SessionOptions::publisher(client) };
    let mut session = context.log.session(options)?;
    for announcement in change.announcements(context, models)? {
        session.publish(models_record(context, &announcement)?)?;
    }
    session.flush()?;
    Ok(session.close()?)
}

/// Announces a version that was trained and not promoted.
pub fn announce(context: &Context, models: &Models, candidate: &Candidate, published: &Published) -> Result<(), Error> {
    let manifest = candidate.model.manifest();
    tell(context, models, &Change { published, manifest, before: None, control_number: None, request: None })
}

/// Measures as a list; those that are no number are left out.
pub fn metrics(metrics: &Metrics) -> Value {
    let finite = |value: f64| value.is_finite().then_some(value);
    let rows = metrics.iter().filter(|(_, metric)| metric.value.is_finite());
    let row = |(name, metric): (&String, &model::Metric)| json!({ "name": name, "value": metric.value, "low": finite(metric.low), "high": finite(metric.high) });
    rows.map(row).collect()
}

/// A record for the models topic. Its key is name and version, so that compaction keeps the standing of each.
pub fn models_record(context: &Context, announcement: &Value) -> Result<Publish, Error> {
    let text = |name: &str| announcement[name].as_str().unwrap_or_default();
    let key = format!("{}@{}", text("model"), text("version"));
    let id = format!("{key}/{}/{}", text("standing"), announcement["control_number"]);
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
