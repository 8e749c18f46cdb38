//! Answers that are errors: a status, what is wrong, and what to do about it.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::body;
use crate::state::Shared;

/// After how many seconds a request that was refused for want of room may be sent again.
const RETRY_AFTER_S: &str = "1";

/// An error as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub status: StatusCode,
    pub error: String,
    pub help: String,
}

/// What handlers return.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    pub fn new(status: StatusCode, error: impl ToString, help: impl Into<String>) -> Self {
        Self { status, error: error.to_string(), help: help.into() }
    }

    /// The caller's mistake.
    pub fn bad(error: impl ToString, help: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, help)
    }

    /// Something that does not exist.
    pub fn missing(error: impl ToString, help: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, help)
    }

    /// The log, the registry or the store does not do its part.
    pub fn outside(error: impl ToString) -> Self {
        let help = "try again; if it stays, look at the log of the process that runs the gateway";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, help)
    }

    /// More than there is room for.
    pub fn busy(error: impl ToString) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error, "wait a moment and send it again")
    }

    /// Ours.
    pub fn ours(error: impl ToString) -> Self {
        let help = "this is a fault of tidemill; please report it with the log of the process";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, help)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.error, "help": self.help }))).into_response();
        let more = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, RETRY_AFTER_S)),
            _ => None,
        };
        let more = more.map(|(name, value)| (name, HeaderValue::from_static(value)));
        response.headers_mut().extend(more);
        response
    }
}

/// A body that is one JSON object of a known shape.
pub(crate) fn object<T: DeserializeOwned>(bytes: &[u8], shape: &str) -> Answer<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad(format!("the body cannot be read: {error}"), format!("send a JSON object like {shape}"))
    })
}

/// Runs what may block apart from the threads that serve.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Problem::ours(format!("the request was not finished: {error}"))))
}

/// No such path.
pub(crate) async fn no_path(State(state): Shared, request: Request) -> Problem {
    let head = body::head(request, &state.limits);
    Problem::missing(format!("there is nothing at {}", head.uri.path()), "GET / lists what there is")
}

/// No such method.
pub(crate) async fn no_method(State(state): Shared, request: Request) -> Problem {
    let head = body::head(request, &state.limits);
    let error = format!("{} does not answer {}", head.uri.path(), head.method);
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, "GET / lists what there is")
}
