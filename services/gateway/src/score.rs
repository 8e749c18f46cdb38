//! Events that are published, and answered with what the pipeline makes of them.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Problem, blocking};
use crate::ingest;
use crate::predictions::Awaited;
use crate::state::Shared;

/// How long predictions are waited for where the caller does not say.
const TIMEOUT_MS: u64 = 2_000;
/// Longest wait for predictions.
const TIMEOUT_MS_MAX: u64 = 30_000;

/// `POST /v1/score`.
pub(crate) async fn events(
    State(state): Shared,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let deadline = Instant::now() + wanted(&query)?;
    if state.context.pipeline.models.is_empty() {
        let error = format!("pipeline {} has no model", state.context.pipeline.name);
        return Err(Problem::missing(error, "publish events with POST /v1/sources/SOURCE/events"));
    }
    let source = state.context.pipeline.events.name.clone();
    let judged = ingest::judge(&state, &source, &headers, body).await?;
    if let Some(refused) = judged.refused(&state) {
        return Ok(refused);
    }
    let ids = judged.ids();
    let (predictions, asked) = (state.predictions.clone(), ids.clone());
    let awaited = blocking(move || predictions.await_all(&asked)).await?;
    let published = judged.publish(&state).await;
    let found = match &published {
        Ok(_) => collected(awaited, deadline).await,
        Err(_) => Vec::new(),
    };
    state.predictions.forget(&ids);
    published?;
    Ok(told(&ids, found))
}

/// Each prediction that came before the deadline.
async fn collected(awaited: Vec<Awaited>, deadline: Instant) -> Vec<Option<Value>> {
    let mut found = Vec::with_capacity(awaited.len());
    for one in awaited {
        found.push(match one {
            Awaited::There(value) => Some(value),
            Awaited::Coming(receiver) => timeout_at(deadline, receiver).await.ok().and_then(Result::ok),
        });
    }
    found
}

fn told(ids: &[String], found: Vec<Option<Value>>) -> Response {
    let missing = found.iter().filter(|one| one.is_none()).count();
    let one = |(id, prediction): (&String, Option<Value>)| json!({ "id": id, "prediction": prediction });
    let mut answer = json!({
        "accepted": ids.len(),
        "predictions": ids.iter().zip(found).map(one).collect::<Vec<_>>(),
    });
    if missing == 0 {
        return (StatusCode::OK, Json(answer)).into_response();
    }
    answer["error"] =
        json!(format!("{missing} predictions did not come in time; the events are accepted all the same"));
    answer["help"] = json!(
        "GET /readyz says whether a model is champion; events that are late, or duplicates of scored ones, get none; with `ordering: event_time` an event waits until others have passed it; ?timeout_ms= waits longer"
    );
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

/// How long to wait.
pub(crate) fn wanted(query: &[(String, String)]) -> Answer<Duration> {
    let help = format!("write ?timeout_ms=N with at most {TIMEOUT_MS_MAX}");
    let mut timeout_ms = TIMEOUT_MS;
    for (name, value) in query {
        timeout_ms = match (name.as_str(), value.parse()) {
            ("timeout_ms", Ok(given)) if given <= TIMEOUT_MS_MAX => given,
            ("timeout_ms", _) => return Err(Problem::bad(format!("timeout_ms={value} is not understood"), help)),
            _ => return Err(Problem::bad(format!("there is no option {name}"), help)),
        };
    }
    Ok(Duration::from_millis(timeout_ms))
}
