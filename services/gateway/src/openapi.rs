//! The interface as an OpenAPI document: made of the table of operations and the schemas of the pipeline's sources.

use axum::Json;
use axum::extract::State;
use schemas::json::json_schema;
use serde_json::{Map, Value, json};

use crate::operations::{Body, Method, OPERATIONS, Operation, Parameter};
use crate::state::{self, Shared};
use crate::tokens::Role;

/// `GET /openapi.json`.
pub(crate) async fn document(State(state): Shared) -> Json<Value> {
    Json(of(&state))
}

fn of(state: &state::State) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| path(operation.path));
        path[operation.method.name().to_lowercase()] = described(operation);
    }
    let pipeline = &state.context.pipeline.name;
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Tidemill gateway of pipeline {pipeline}"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Through the loopback address no token is needed; through the public one each operation names the role that its token must have.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(state),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// A path with the parameters in it.
fn path(path: &str) -> Value {
    let named = path.split('{').skip(1).filter_map(|part| part.split_once('}'));
    let one = |(name, _): (&str, &str)| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    let parameters: Vec<Value> = named.map(one).collect();
    if parameters.is_empty() { json!({}) } else { json!({ "parameters": parameters }) }
}

fn described(operation: &Operation) -> Value {
    let mut told = json!({
        "operationId": operation.id,
        "summary": operation.what,
        "security": security(operation.role),
        "responses": responses(operation),
    });
    if !operation.query.is_empty() {
        told["parameters"] = operation.query.iter().map(query).collect();
    }
    if let Some(body) = operation.body {
        told["requestBody"] = request(body);
    }
    told
}

/// Nothing, or a token with a role; loopback callers need none, which OpenAPI writes as an empty alternative.
fn security(role: Option<Role>) -> Value {
    match role {
        None => json!([]),
        Some(role) => json!([{}, { "token": [role.name()] }]),
    }
}

fn query((name, kind, what): &Parameter) -> Value {
    json!({ "name": name, "in": "query", "description": what, "schema": { "type": kind } })
}

fn responses(operation: &Operation) -> Value {
    let good = match operation.answer {
        "application/json" => json!({ "schema": true }),
        _ => json!({ "schema": { "type": "string" } }),
    };
    let good = json!({ "description": "what was asked for", "content": { operation.answer: good } });
    let mut told = json!({ "200": good, "default": problem("what is wrong, and what to do about it") });
    if operation.method == Method::Post {
        told["202"] = told["200"].clone();
        told["202"]["description"] = json!("accepted; what was published is durable");
        told["413"] = problem("the body is too large");
        told["429"] = problem("there is no room now; the header Retry-After says when to come again");
    }
    if operation.role.is_some() {
        told["401"] = problem("no token, or one that is not known");
        told["403"] = problem("a token without the role");
    }
    told
}

fn problem(what: &str) -> Value {
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    json!({ "description": what, "content": content })
}

fn request(body: Body) -> Value {
    let records = |schema: &str| {
        let one = json!({ "$ref": format!("#/components/schemas/{schema}") });
        json!({
            "application/json": { "schema": { "anyOf": [one, { "type": "array", "items": one }] } },
            "application/x-ndjson": { "schema": { "type": "string" } },
        })
    };
    let (content, required, what) = match body {
        Body::Records => (records("Record"), true, "records of the source"),
        Body::Events => (records("Event"), true, "events"),
        Body::Lines(shape) => (json!({ "application/x-ndjson": { "schema": { "type": "string" } } }), true, shape),
        Body::Object { shape, required } => {
            (json!({ "application/json": { "schema": { "type": "object" } } }), required, shape)
        }
    };
    json!({ "description": what, "required": required, "content": content })
}

/// What the sources take, by their own schemas.
fn schemas(state: &state::State) -> Value {
    let (pipeline, plan) = (&state.context.pipeline, &state.context.plan);
    let shape = |topic: &str| plan.topic(topic).and_then(|topic| topic.schema.as_ref()).map(json_schema);
    let mut all = json!({
        "Problem": {
            "type": "object",
            "properties": { "error": { "type": "string" }, "help": { "type": "string" } },
            "required": ["error"],
        },
    });
    let event = shape(&pipeline.events.topic).unwrap_or_default();
    let label = pipeline.labels.as_ref().and_then(|labels| shape(&labels.topic));
    let mut kinds = vec![json!({ "$ref": "#/components/schemas/Event" })];
    all["Event"] = event;
    if let Some(label) = label {
        all["Label"] = label;
        kinds.push(json!({ "$ref": "#/components/schemas/Label" }));
    }
    all["Record"] = json!({ "anyOf": kinds });
    all
}
