//! Everything that callers can ask for, in one table: routes, roles, `GET /` and the OpenAPI document follow from it.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};

use crate::guard::{Asked, Entered};
use crate::state::State;
use crate::tokens::Role;
use crate::{answer, control, guard, health, ingest, metrics, openapi, raw, retrain, score, tap};

/// One thing that callers can ask for.
pub(crate) struct Operation {
    pub path: &'static str,
    pub method: Method,
    /// Its name in the OpenAPI document.
    pub id: &'static str,
    pub what: &'static str,
    /// What a token must be good for; nothing where anybody may ask.
    pub role: Option<Role>,
    pub query: &'static [Parameter],
    pub body: Option<Body>,
    /// The content type of a good answer.
    pub answer: &'static str,
    route: fn() -> MethodRouter<Arc<State>>,
}

/// A parameter of the query with its JSON type and what it means.
pub(crate) type Parameter = (&'static str, &'static str, &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Events or labels of a source: an object, an array of them, or lines.
    Records,
    /// Events of the one source that is scored.
    Events,
    /// Raw records, one per line.
    Lines(&'static str),
    /// One JSON object, in words; may be left out where the flag says so.
    Object { shape: &'static str, required: bool },
}

const JSON: &str = "application/json";

/// All of them.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        path: "/v1/sources/{source}/events",
        method: Method::Post,
        id: "publishEvents",
        what: "publish events or labels: a JSON object, an array, or JSON lines",
        role: Some(Role::Publish),
        query: &[],
        body: Some(Body::Records),
        answer: JSON,
        route: || post(ingest::events),
    },
    Operation {
        path: "/v1/score",
        method: Method::Post,
        id: "scoreEvents",
        what: "publish events and wait for their predictions",
        role: Some(Role::Score),
        query: &[("timeout_ms", "integer", "how long to wait for predictions, 2000 by default")],
        body: Some(Body::Events),
        answer: JSON,
        route: || post(score::events),
    },
    Operation {
        path: "/v1/publish/{topic}",
        method: Method::Post,
        id: "publishRaw",
        what: "publish raw records as JSON lines with base64 key, value and headers",
        role: Some(Role::Operate),
        query: &[],
        body: Some(Body::Lines(raw::SHAPE)),
        answer: JSON,
        route: || post(raw::publish),
    },
    Operation {
        path: "/v1/topics",
        method: Method::Get,
        id: "listTopics",
        what: "topics with their partitions and offsets",
        role: Some(Role::Read),
        query: &[],
        body: None,
        answer: JSON,
        route: || get(tap::topics),
    },
    Operation {
        path: "/v1/topics/{topic}/tap",
        method: Method::Get,
        id: "tapTopic",
        what: "records as server-sent events",
        role: Some(Role::Read),
        query: &[
            ("from", "string", "start, end, an offset, or -N for the last N of each partition"),
            ("limit", "integer", "most records"),
            ("filter", "string", "FIELD=VALUE; may be repeated"),
            ("follow", "boolean", "whether to wait for new records, true by default"),
            ("marks", "boolean", "whether marks and fences are shown, too"),
            ("raw", "boolean", "whether key, value and headers are added as they are, in base64"),
        ],
        body: None,
        answer: "text/event-stream",
        route: || get(tap::tap),
    },
    Operation {
        path: "/v1/control",
        method: Method::Get,
        id: "showControl",
        what: "the control state: champion and threshold",
        role: Some(Role::Read),
        query: &[],
        body: None,
        answer: JSON,
        route: || get(control::show),
    },
    Operation {
        path: "/v1/control/promote",
        method: Method::Post,
        id: "promoteModel",
        what: "make a model the champion",
        role: Some(Role::Operate),
        query: &[],
        body: Some(Body::Object { shape: control::SHAPE, required: true }),
        answer: JSON,
        route: || post(control::promote),
    },
    Operation {
        path: "/v1/models",
        method: Method::Get,
        id: "listModels",
        what: "published models",
        role: Some(Role::Read),
        query: &[],
        body: None,
        answer: JSON,
        route: || get(control::models),
    },
    Operation {
        path: "/v1/retrain",
        method: Method::Post,
        id: "requestRetraining",
        what: "ask for a new model, by default of the newest labelled events",
        role: Some(Role::Operate),
        query: &[],
        body: Some(Body::Object { shape: retrain::SHAPE, required: false }),
        answer: JSON,
        route: || post(retrain::request),
    },
    Operation {
        path: "/livez",
        method: Method::Get,
        id: "live",
        what: "whether the process answers",
        role: None,
        query: &[],
        body: None,
        answer: "text/plain",
        route: || get(health::live),
    },
    Operation {
        path: "/readyz",
        method: Method::Get,
        id: "ready",
        what: "whether the pipeline can do its work, and what is missing",
        role: None,
        query: &[],
        body: None,
        answer: JSON,
        route: || get(health::ready),
    },
    Operation {
        path: "/metrics",
        method: Method::Get,
        id: "metrics",
        what: "counters and lag for Prometheus",
        role: Some(Role::Read),
        query: &[],
        body: None,
        answer: "text/plain",
        route: || get(metrics::page),
    },
    Operation {
        path: "/openapi.json",
        method: Method::Get,
        id: "openapi",
        what: "this interface as an OpenAPI 3.1 document",
        role: None,
        query: &[],
        body: None,
        answer: JSON,
        route: || get(openapi::document),
    },
    Operation {
        path: "/",
        method: Method::Get,
        id: "paths",
        what: "every path with what it does",
        role: None,
        query: &[],
        body: None,
        answer: JSON,
        route: || get(paths),
    },
];

/// All routes as they are served through a door.
pub(crate) fn router(state: Arc<State>, entered: &Entered) -> Router {
    let add = |router: Router<Arc<State>>, operation: &Operation| {
        let asked = Asked { entered: entered.clone(), role: operation.role };
        let route = (operation.route)().layer(middleware::from_fn_with_state(asked, guard::admit));
        router.route(operation.path, route)
    };
    OPERATIONS
        .iter()
        .fold(Router::new(), add)
        .fallback(answer::no_path)
        .method_not_allowed_fallback(answer::no_method)
        .with_state(state)
}

impl Method {
    /// As HTTP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

async fn paths() -> Json<Value> {
    Json(listed())
}

fn listed() -> Value {
    let one = |operation: &Operation| {
        let path = format!("{} {}", operation.method.name(), operation.path);
        json!({ "path": path, "what": operation.what, "role": operation.role.map(Role::name) })
    };
    OPERATIONS.iter().map(one).collect()
}
