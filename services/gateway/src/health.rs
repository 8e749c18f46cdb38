//! Whether the process lives, and whether the pipeline can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::answer::{Answer, Problem, blocking};
use crate::state::{self, Shared};

/// `GET /livez`.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`.
pub(crate) async fn ready(State(state): Shared) -> Answer<(StatusCode, Json<Value>)> {
    blocking(move || {
        let missing = missing(&state);
        let reasons: Vec<Value> =
            missing.iter().map(|problem| json!({ "error": problem.error, "help": problem.help })).collect();
        let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let pipeline = &state.context.pipeline.name;
        Ok((status, Json(json!({ "ready": reasons.is_empty(), "pipeline": pipeline, "reasons": reasons }))))
    })
    .await
}

/// Everything that is missing.
fn missing(state: &Arc<state::State>) -> Vec<Problem> {
    let mut missing = Vec::new();
    let missed = |error: String, help: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, help);
    if state.stopping() {
        missing.push(missed("the process is stopping".into(), "wait for it to start again"));
    }
    missing.extend(state.waits());
    match state.context.log.topics() {
        Err(error) => missing.push(Problem::outside(error)),
        Ok(topics) => {
            let planned = state.context.plan.topics.iter().map(|topic| topic.name.as_str());
            let absent: Vec<&str> = planned.filter(|name| !topics.iter().any(|topic| topic == name)).collect();
            if !absent.is_empty() {
                missing.push(missed(format!("topics are missing: {}", absent.join(", ")), "run `tidemill apply`"));
            }
        }
    }
    if !state.context.pipeline.models.is_empty() {
        match state.history().and_then(|history| history.in_force().map_err(Problem::outside)) {
            Err(problem) => missing.push(problem),
            Ok(current) if current.as_ref().is_none_or(|current| current.state.champion.is_none()) => {
                let error = "no champion: run `tidemill train` and `tidemill model promote`";
                missing.push(missed(
                    error.into(),
                    "events are taken and features computed meanwhile, but nothing is scored",
                ));
            }
            Ok(_) => {}
        }
    }
    missing
}
