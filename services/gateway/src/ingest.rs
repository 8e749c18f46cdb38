//! Events and labels as JSON: all of a request's records are published, or none and every fault of each is told.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use runtime::log::Publish;
use schemas::reject::Reject;
use serde_json::{Value, json};
use validation::ingest::Ready;

use crate::answer::{Answer, Problem, blocking};
use crate::sources::Checked;
use crate::state::{self, Shared};

/// Most records in one request; each faulty one is answered on its own.
pub(crate) const OBJECTS_MAX: usize = 10_000;
/// Content types of a body with one JSON value per line.
const LINES: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

/// A record of the request that cannot be published: its place there, and all that is wrong with it.
type Rejected = (usize, Vec<Reject>);

/// The records of a request with what the source's rules say of them.
pub(crate) struct Judged {
    topic: Arc<str>,
    ready: Vec<Ready>,
    rejected: Vec<Rejected>,
}

/// `POST /v1/sources/{source}/events`.
pub(crate) async fn events(
    State(state): Shared,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let judged = judge(&state, &source, &headers, body).await?;
    if let Some(refused) = judged.refused(&state) {
        return Ok(refused);
    }
    let accepted = judged.publish(&state).await?;
    Ok(told(StatusCode::ACCEPTED, accepted, &[]))
}

/// Reads the records of a body and checks them as the validator would.
pub(crate) async fn judge(state: &state::State, source: &str, headers: &HeaderMap, body: Bytes) -> Answer<Judged> {
    let Some(checked) = state.sources.find(source).cloned() else {
        let help = format!("the pipeline's sources are {}", state.sources.names());
        return Err(Problem::missing(format!("there is no source {source}"), help));
    };
    let lines = is_lines(headers);
    let topic = checked.topic.clone();
    let (ready, rejected) = blocking(move || Ok(check(&checked, objects(&body, lines)?))).await?;
    Ok(Judged { topic, ready, rejected })
}

impl Judged {
    /// What to answer where a record cannot be published.
    pub fn refused(&self, state: &state::State) -> Option<Response> {
        if self.rejected.is_empty() {
            return None;
        }
        state.metrics.rejected(self.rejected.len());
        Some(told(StatusCode::UNPROCESSABLE_ENTITY, 0, &self.rejected))
    }

    /// The ids of the records, as predictions name them.
    pub fn ids(&self) -> Vec<String> {
        self.ready.iter().map(|ready| String::from_utf8_lossy(ready.id.as_ref()).into_owned()).collect()
    }

    /// Publishes them; how many there are.
    pub async fn publish(self, state: &state::State) -> Answer<usize> {
        let (topic, accepted) = (self.topic, self.ready.len());
        let record = |ready: Ready| Publish::keyed(topic.clone(), Bytes::from(ready.id), Bytes::from(ready.value));
        state.publisher.publish(self.ready.into_iter().map(record).collect()).await?;
        state.metrics.accepted(accepted);
        Ok(accepted)
    }
}

fn is_lines(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    LINES.iter().any(|lines| kind.eq_ignore_ascii_case(lines))
}

/// The JSON values of a body.
pub(crate) fn objects(body: &[u8], lines: bool) -> Answer<Vec<Value>> {
    let help = "send one JSON object, an array of objects, or JSON lines with content-type application/x-ndjson";
    let values = if lines {
        let numbered = body.split(|byte| *byte == b'\n').enumerate();
        let filled = numbered.filter(|(_, line)| !line.trim_ascii().is_empty());
        let parsed = filled.map(|(at, line)| {
            let wrong = |error| Problem::bad(format!("line {} is not JSON: {error}", at + 1), help);
            serde_json::from_slice(line).map_err(wrong)
        });
        parsed.collect::<Answer<Vec<Value>>>()?
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Array(values)) => values,
            Ok(value) => vec![value],
            Err(error) => return Err(Problem::bad(format!("the body is not JSON: {error}"), help)),
        }
    };
    match values.len() {
        0 => Err(Problem::bad("the body has no records", help)),
        1..=OBJECTS_MAX => Ok(values),
        count => {
            let error = format!("the body has {count} records; at most {OBJECTS_MAX} are allowed");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error, "send them in several requests"))
        }
    }
}

fn check(checked: &Arc<Checked>, objects: Vec<Value>) -> (Vec<Ready>, Vec<Rejected>) {
    // A panic inside leaves nothing half done: the checks keep no state from one record to the next.
    let mut ingest = checked.ingest.lock().unwrap_or_else(PoisonError::into_inner);
    let now_ms = runtime::clock::now_ms();
    let (mut ready, mut rejected) = (Vec::new(), Vec::new());
    for (index, object) in objects.iter().enumerate() {
        match ingest.json(object, now_ms) {
            Ok(record) => ready.push(record),
            Err(reasons) => rejected.push((index, reasons)),
        }
    }
    (ready, rejected)
}

fn told(status: StatusCode, accepted: usize, rejected: &[Rejected]) -> Response {
    let reason = |reason: &Reject| json!({ "code": reason.code.as_str(), "detail": reason.detail });
    let one = |(index, reasons): &Rejected| json!({ "index": index, "reasons": reasons.iter().map(reason).collect::<Vec<_>>() });
    let mut answer = json!({ "accepted": accepted, "rejected": rejected.iter().map(one).collect::<Vec<_>>() });
    if !rejected.is_empty() {
        answer["error"] =
            json!(format!("{} records are faulty, and none of the request was published", rejected.len()));
        answer["help"] = json!("correct or remove the records listed, and send the request again");
    }
    (status, Json(answer)).into_response()
}
