//! The control state: which model is champion, and making another one that.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use flow::fence::Control;
use registry::models::{self, Version};
use scorer::{PromoteError, Readiness};
use serde::Deserialize;
use serde_json::{Value, json};
use trainer::Terms;

use crate::answer::{self, Answer, Problem, blocking};
use crate::state::{self, Shared};

pub(crate) const SHAPE: &str = r#"{"model":"NAME","version":3,"threshold":0.5}; version may be "latest", threshold left out; "without_readiness":true does not ask the scorers first"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    model: String,
    version: Value,
    threshold: Option<f64>,
    #[serde(default)]
    without_readiness: bool,
}

/// `GET /v1/control`.
pub(crate) async fn show(State(state): Shared) -> Answer<Json<Value>> {
    blocking(move || match state.history()?.passed().map_err(Problem::outside)? {
        Some(passed) => Ok(Json(told(&state, passed.number, &passed.state)?)),
        None => Ok(Json(json!({ "number": null, "champion": null, "threshold": null, "complete": true, "void": [] }))),
    })
    .await
}

/// `POST /v1/control/promote`.
pub(crate) async fn promote(State(state): Shared, body: Bytes) -> Answer<Json<Value>> {
    let wanted: Wanted = answer::object(&body, SHAPE)?;
    if let Some(waits) = state.waits() {
        return Err(waits);
    }
    blocking(move || {
        let version = match &wanted.version {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let version = version.parse::<Version>().map_err(|error| Problem::bad(error, format!("send {SHAPE}")))?;
        let readiness = if wanted.without_readiness { Readiness::Skipped } else { Readiness::default() };
        let (named, terms) = ((wanted.model.as_str(), version), Terms { threshold: wanted.threshold, readiness });
        let promotion = trainer::promote_version(&state.context, &state.models, &state.decisions, named, terms)
            .map_err(not_promoted)?;
        Ok(Json(told(&state, promotion.number, &promotion.control)?))
    })
    .await
}

/// `GET /v1/models`.
pub(crate) async fn models(State(state): Shared) -> Answer<Json<Value>> {
    blocking(move || {
        let mut found = Vec::new();
        for name in state.models.names().map_err(Problem::outside)? {
            found.extend(state.models.list(&name).map_err(Problem::outside)?);
        }
        let one =
            |model: models::Published| json!({ "name": model.name, "version": model.version, "digest": model.digest });
        Ok(Json(found.into_iter().map(one).collect()))
    })
    .await
}

fn not_promoted(error: trainer::Error) -> Problem {
    use trainer::Error;
    match error {
        Error::NoModel { .. } => Problem::missing(error, "name a model that the pipeline declares"),
        Error::Models(models::Error::NotFound { .. }) => {
            Problem::missing(error, "GET /v1/models lists them; `tidemill train` makes one")
        }
        Error::Threshold { .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, "leave the threshold out"),
        Error::Gate { .. } | Error::Classes { .. } | Error::FeatureSet { .. } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, "train it again, or restore its files")
        }
        Error::Promote(PromoteError::Lost { .. } | PromoteError::Withdrawn { .. }) => {
            Problem::new(StatusCode::CONFLICT, error, "GET /v1/control shows what is in force now")
        }
        Error::Promote(PromoteError::Refused { .. }) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error,
            "mend what the scorers miss, or promote another model",
        ),
        Error::Promote(PromoteError::NotReady { .. }) => {
            let help = r#"start the scorers, or send "without_readiness": true"#;
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, help)
        }
        error => Problem::outside(error),
    }
}

/// A control state as JSON. It is complete once the commit of every partition shows it in which it is not void.
fn told(state: &Arc<state::State>, number: u64, control: &Control) -> Answer<Value> {
    let complete = scorer::complete(&state.context, &state.decisions, number).map_err(Problem::outside)?;
    Ok(json!({
        "number": number,
        "champion": control.champion,
        "threshold": control.threshold,
        "complete": complete,
        "void": state.history()?.void(number).map_err(Problem::outside)?,
    }))
}
