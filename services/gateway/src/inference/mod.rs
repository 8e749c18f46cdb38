//! The Open Inference Protocol, version 2, over REST: a registered model asked with its inputs at hand. Scores are those
//! that the stream gives for these inputs, to the bit, as it is the stream's own code that computes them.

mod opened;
mod tensor;
#[cfg(test)]
mod tests;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::Head;
use serde::Deserialize;
use serde_json::{Value, json};
use trainer::Classes;

use crate::answer::{self, Answer, Problem, blocking};
use crate::health;
use crate::state::Shared;

use opened::Asked;
pub(crate) use opened::Opened;
use tensor::{Tensor, columns};

/// What a request looks like.
pub(crate) const SHAPE: &str = r#"{"inputs":[{"name":"amount","datatype":"FP64","shape":[2],"data":[12.5,80]},…],"outputs":[{"name":"score"}]}: a tensor for each of the model's inputs, or one of shape [rows, inputs] with all of them; outputs may be left out"#;
/// Names of the outputs.
const SCORE: &str = "score";
const DECISION: &str = "decision";
const CLASS: &str = "class";
const PROBABILITIES: &str = "probabilities";
/// What runs models, as the protocol calls it.
const PLATFORM: &str = "tidemill_candle";

#[derive(Debug, Deserialize)]
struct Request {
    id: Option<String>,
    inputs: Vec<Tensor>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
}

/// `GET /v2`.
pub(crate) async fn server() -> Json<Value> {
    Json(json!({ "name": "tidemill", "version": env!("CARGO_PKG_VERSION"), "extensions": [] }))
}

/// `GET /v2/health/live`.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `GET /v2/health/ready`.
pub(crate) async fn ready(state: Shared) -> Answer<(StatusCode, Json<Value>)> {
    let (status, Json(told)) = health::ready(state).await?;
    Ok((status, Json(json!({ "ready": told["ready"] }))))
}

/// `GET /v2/models/{model}`.
pub(crate) async fn model(state: Shared, Path(model): Path<String>) -> Answer<Json<Value>> {
    described(state, Asked { model, version: None }).await
}

/// `GET /v2/models/{model}/versions/{version}`.
pub(crate) async fn version(state: Shared, Path((model, version)): Path<(String, String)>) -> Answer<Json<Value>> {
    described(state, Asked { model, version: Some(version) }).await
}

async fn described(State(state): Shared, asked: Asked) -> Answer<Json<Value>> {
    blocking(move || {
        let found = state.opened.find(&state, &asked)?;
        let versions = state.models.list(&asked.model).map_err(Problem::outside)?;
        let versions: Vec<String> = versions.iter().map(|one| one.version.to_string()).collect();
        let tensor = |name: &str, datatype: &str| json!({ "name": name, "datatype": datatype, "shape": [-1] });
        let is_category = |name: &str| found.model.vocabularies().iter().any(|words| words.input() == name);
        let datatype = |name: &str| if is_category(name) { "BYTES" } else { "FP64" };
        let inputs = &found.model.manifest().inputs;
        let inputs: Vec<Value> = inputs.iter().map(|name| tensor(name, datatype(name))).collect();
        let mut outputs = vec![tensor(SCORE, "FP64")];
        let mut parameters = found.told();
        outputs.extend(found.threshold.map(|_| tensor(DECISION, "BOOL")));
        if found.model.network().head() == Head::Classes {
            let classes = found.model.classes();
            outputs.push(tensor(CLASS, "BYTES"));
            outputs.push(json!({ "name": PROBABILITIES, "datatype": "FP32", "shape": [-1, classes.len()] }));
            parameters["classes"] = json!(classes);
        }
        Ok(Json(json!({
            "name": asked.model,
            "versions": versions,
            "platform": PLATFORM,
            "inputs": inputs,
            "outputs": outputs,
            "parameters": parameters,
        })))
    })
    .await
}

/// `GET /v2/models/{model}/ready`.
pub(crate) async fn model_ready(state: Shared, Path(model): Path<String>) -> Answer<Json<Value>> {
    is_ready(state, Asked { model, version: None }).await
}

/// `GET /v2/models/{model}/versions/{version}/ready`.
pub(crate) async fn version_ready(
    state: Shared,
    Path((model, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    is_ready(state, Asked { model, version: Some(version) }).await
}

async fn is_ready(State(state): Shared, asked: Asked) -> Answer<Json<Value>> {
    blocking(move || {
        state.opened.find(&state, &asked)?;
        Ok(Json(json!({ "name": asked.model, "ready": true })))
    })
    .await
}

/// `POST /v2/models/{model}/infer`.
pub(crate) async fn infer(state: Shared, Path(model): Path<String>, body: Bytes) -> Answer<Json<Value>> {
    inferred(state, Asked { model, version: None }, body).await
}

/// `POST /v2/models/{model}/versions/{version}/infer`.
pub(crate) async fn version_infer(
    state: Shared,
    Path((model, version)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Json<Value>> {
    inferred(state, Asked { model, version: Some(version) }, body).await
}

async fn inferred(State(state): Shared, asked: Asked, body: Bytes) -> Answer<Json<Value>> {
    let request: Request = answer::object(&body, SHAPE)?;
    blocking(move || {
        let found = state.opened.find(&state, &asked)?;
        let wrong = |error: String| Problem::bad(error, format!("send {SHAPE}"));
        let rows = columns(request.inputs, &found.model.manifest().inputs).map_err(wrong)?;
        let scored = trainer::score(&found.model, &rows).map_err(|error| wrong(error.to_string()))?;
        state.metrics.unknown(&asked.model, &scored.unknown);
        let scores = scored.scores.values();
        let mut outputs = vec![output(SCORE, "FP64", scores.iter().map(|score| json!(score)).collect())];
        outputs.extend(found.threshold.map(|threshold| {
            output(DECISION, "BOOL", scores.iter().map(|score| json!(*score >= threshold)).collect())
        }));
        outputs.extend(scored.classes.iter().flat_map(of_classes));
        let outputs = chosen(outputs, &request.outputs).map_err(wrong)?;
        let mut told = json!({
            "model_name": asked.model,
            "model_version": found.version.to_string(),
            "outputs": outputs,
            "parameters": found.told(),
        });
        if let Some(id) = request.id {
            told["id"] = json!(id);
        }
        Ok(Json(told))
    })
    .await
}

/// What a model with classes says beside the score: the class of each row, and its probabilities in rows.
fn of_classes(classes: &Classes) -> [Value; 2] {
    let class = classes.class.iter().map(|class| json!(class)).collect();
    let values = classes.probabilities.values().as_primitive::<Float64Type>().values();
    let mut probabilities = output(PROBABILITIES, "FP32", values.iter().map(|one| json!(one)).collect());
    let rows = classes.class.len();
    probabilities["shape"] = json!([rows, values.len() / rows.max(1)]);
    [output(CLASS, "BYTES", class), probabilities]
}

fn output(name: &str, datatype: &str, data: Vec<Value>) -> Value {
    json!({ "name": name, "datatype": datatype, "shape": [data.len()], "data": data })
}

/// The outputs that were asked for, in that order; all of them where none was.
fn chosen(outputs: Vec<Value>, wanted: &[Output]) -> Result<Vec<Value>, String> {
    if wanted.is_empty() {
        return Ok(outputs);
    }
    let find = |Output { name }: &Output| {
        let found = outputs.iter().find(|output| output["name"] == *name).cloned();
        found.ok_or_else(|| {
            let known: Vec<&str> = outputs.iter().filter_map(|output| output["name"].as_str()).collect();
            format!("there is no output `{name}`; the model gives {}", known.join(", "))
        })
    };
    wanted.iter().map(find).collect()
}
