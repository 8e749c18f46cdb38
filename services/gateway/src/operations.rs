//! Everything that callers can ask for, in one table: routes, roles, `GET /` and the OpenAPI document follow from it.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};

use crate::guard::{Asked, Entered};
use crate::state::State;
use crate::tokens::Role;
use crate::{answer, control, guard, health, inference, ingest, metrics, openapi, raw, retrain, score, tap};

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
    route: Route,
}

/// Makes the route of an operation.
type Route = fn() -> MethodRouter<Arc<State>>;

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

impl Operation {
    const fn get(path: &'static str, id: &'static str, what: &'static str, route: Route) -> Self {
        let answer = "application/json";
        Self { path, method: Method::Get, id, what, role: None, query: &[], body: None, answer, route }
    }

    const fn post(path: &'static str, id: &'static str, what: &'static str, route: Route) -> Self {
        Self { method: Method::Post, ..Self::get(path, id, what, route) }
    }

    const fn by(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    const fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn answers(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }
}

/// All of them.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/v1/sources/{source}/events",
        "publishEvents",
        "publish events or labels: a JSON object, an array, or JSON lines",
        || post(ingest::events),
    )
    .by(Role::Publish)
    .body(Body::Records),
    Operation::post("/v1/score", "scoreEvents", "publish events and wait for their predictions", || {
        post(score::events)
    })
    .by(Role::Score)
    .query(&[("timeout_ms", "integer", "how long to wait for predictions, 2000 by default")])
    .body(Body::Events),
    Operation::post(
        "/v1/publish/{topic}",
        "publishRaw",
        "publish raw records as JSON lines with base64 key, value and headers",
        || post(raw::publish),
    )
    .by(Role::Operate)
    .body(Body::Lines(raw::SHAPE)),
    Operation::get("/v1/topics", "listTopics", "topics with their partitions and offsets", || get(tap::topics))
        .by(Role::Read),
    Operation::get("/v1/topics/{topic}/tap", "tapTopic", "records as server-sent events", || get(tap::tap))
        .by(Role::Read)
        .query(&[
            ("from", "string", "start, end, an offset, or -N for the last N of each partition"),
            ("limit", "integer", "most records"),
            ("filter", "string", "FIELD=VALUE; may be repeated"),
            ("follow", "boolean", "whether to wait for new records, true by default"),
            ("marks", "boolean", "whether marks and fences are shown, too"),
            ("raw", "boolean", "whether key, value and headers are added as they are, in base64"),
        ])
        .answers("text/event-stream"),
    Operation::get("/v1/control", "showControl", "the control state: champion and threshold", || get(control::show))
        .by(Role::Read),
    Operation::post("/v1/control/promote", "promoteModel", "make a model the champion", || post(control::promote))
        .by(Role::Operate)
        .body(Body::Object { shape: control::SHAPE, required: true }),
    Operation::get("/v1/models", "listModels", "published models", || get(control::models)).by(Role::Read),
    Operation::post(
        "/v1/retrain",
        "requestRetraining",
        "ask for a new model, by default of the newest labelled events",
        || post(retrain::request),
    )
    .by(Role::Operate)
    .body(Body::Object { shape: retrain::SHAPE, required: false }),
    Operation::get("/v2", "serverMetadata", "the Open Inference Protocol, version 2: this server", || {
        get(inference::server)
    }),
    Operation::get("/v2/health/live", "serverLive", "whether the server answers", || get(inference::live)),
    Operation::get("/v2/health/ready", "serverReady", "whether the pipeline can do its work", || get(inference::ready)),
    Operation::get("/v2/models/{model}", "modelMetadata", "inputs and outputs of the champion", || {
        get(inference::model)
    })
    .by(Role::Score),
    Operation::get("/v2/models/{model}/ready", "modelReady", "whether the champion can be asked", || {
        get(inference::model_ready)
    })
    .by(Role::Score),
    Operation::post("/v2/models/{model}/infer", "modelInfer", "scores of the champion for given inputs", || {
        post(inference::infer)
    })
    .by(Role::Score)
    .body(Body::Object { shape: inference::SHAPE, required: true }),
    Operation::get(
        "/v2/models/{model}/versions/{version}",
        "modelVersionMetadata",
        "inputs and outputs of a version",
        || get(inference::version),
    )
    .by(Role::Score),
    Operation::get(
        "/v2/models/{model}/versions/{version}/ready",
        "modelVersionReady",
        "whether a version can be asked",
        || get(inference::version_ready),
    )
    .by(Role::Score),
    Operation::post(
        "/v2/models/{model}/versions/{version}/infer",
        "modelVersionInfer",
        "scores of a version for given inputs",
        || post(inference::version_infer),
    )
    .by(Role::Score)
    .body(Body::Object { shape: inference::SHAPE, required: true }),
    Operation::get("/livez", "live", "whether the process answers", || get(health::live)).answers("text/plain"),
    Operation::get("/readyz", "ready", "whether the pipeline can do its work, and what is missing", || {
        get(health::ready)
    }),
    Operation::get("/metrics", "metrics", "counters and lag for Prometheus", || get(metrics::page))
        .by(Role::Read)
        .answers("text/plain"),
    Operation::get("/openapi.json", "openapi", "this interface as an OpenAPI 3.1 document", || get(openapi::document)),
    Operation::get("/", "paths", "every path with what it does", || get(paths)),
];

/// All routes as they are served through a door.
pub(crate) fn router(state: Arc<State>, entered: &Entered) -> Router {
    let limits = state.limits;
    let add = |router: Router<Arc<State>>, operation: &Operation| {
        let (entered, takes_body) = (entered.clone(), operation.body.is_some());
        let asked = Asked { entered, role: operation.role, takes_body, limits };
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
