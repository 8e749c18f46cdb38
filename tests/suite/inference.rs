//! The Open Inference Protocol: its own OpenAPI file validates what we answer, and scores are those of the stream.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use registry::models::Models;
use serde_json::{Value, json};
use tests::models;
use tests::pipeline::Running;
use tests::python::Python;

use crate::served::{EVENTS, Served, transaction};

const COMMIT: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_millis(50);

/// Validates each pair of a schema's name and a document against the protocol's OpenAPI file, as a server of another maker
/// ships it, and against the types of the protocol's own project, which know what parameters may be.
const VALIDATE: &str = "
import json, sys
from pathlib import Path
import importlib.util
import jsonschema
def folder(name):
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])
spec = json.loads((folder('mlserver') / 'rest/openapi/dataplane.json').read_text())
# The file calls bytes a type, which JSON has none of; the protocol writes tensors as lists in lists.
scalar, nested = {'type': ['number', 'string', 'boolean']}, {'$ref': '#/components/schemas/TensorData'}
spec['components']['schemas']['TensorData'] = {'type': 'array', 'items': {'anyOf': [nested, scalar]}}
path = folder('kserve') / 'protocol/rest/v2_datamodels.py'
found = importlib.util.spec_from_file_location('kserve_v2', path)
types = importlib.util.module_from_spec(found)
found.loader.exec_module(types)
typed = {
    'InferenceRequest': types.InferenceRequest,
    'InferenceResponse': types.InferenceResponse,
    'MetadataModelResponse': types.ModelMetadataResponse,
    'MetadataServerResponse': types.ServerMetadataResponse,
}
paths, told = json.loads(sys.argv[1]), json.loads(sys.argv[2])
ours = {path for path in paths if path.startswith('/v2')}
theirs = {path.replace('model_name', 'model').replace('model_version', 'version') for path in spec['paths']}
extensions = ('infer_stream', 'generate', 'generate_stream')
theirs = {path for path in theirs if not path.endswith(extensions)}
assert ours == theirs, ours ^ theirs
for name, document in told:
    schema = {'$ref': f'#/components/schemas/{name}', 'components': spec['components']}
    jsonschema.validate(document, schema)
    if name in typed:
        typed[name].model_validate(document, strict=True)
print(len(told), 'valid')
";

/// Checks that each tensor has as many values as its shape says, all of its datatype.
#[track_caller]
fn check_tensors(tensors: &Value) {
    let tensors = tensors.as_array().unwrap();
    assert!(!tensors.is_empty());
    for tensor in tensors {
        let values = tensor["data"].as_array().unwrap();
        let shape = tensor["shape"].as_array().unwrap();
        let count: u64 = shape.iter().map(|size| size.as_u64().unwrap()).product();
        assert_eq!(values.len() as u64, count, "{tensor}");
        let fits = |value: &Value| match tensor["datatype"].as_str().unwrap() {
            "BOOL" => value.is_boolean(),
            "BYTES" => value.is_string(),
            "FP64" => value.is_number(),
            // What has more bits than its datatype would be another number to who reads it as such.
            "FP32" => value.as_f64().is_some_and(|value| f64::from(value as f32).to_bits() == value.to_bits()),
            other => panic!("{other} is not among ours"),
        };
        let odd = values.iter().find(|value| !fits(value));
        assert_eq!(odd, None, "{tensor}");
    }
}

#[test]
fn a_model_that_is_asked_gives_the_scores_of_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let feature_set = &served.deployment.context.pipeline.features.digest;
    let artefact = models::of_amount(feature_set, 0.1, &[0.0, 50.0, 100.0, 150.0]);
    Models::new(served.store.clone()).publish("fraud", artefact.files()).unwrap();
    let infer = "/v2/models/fraud/infer";
    let amounts = [0.1, 64.5, 99_999.99, 1e-3, 312.7];
    let tensor = json!({ "name": "amount", "datatype": "FP64", "shape": [amounts.len()], "data": amounts });
    let request = json!({ "id": "a question", "inputs": [tensor] });
    let (status, answer) = served.post_json(infer, &request);
    assert_eq!((status, &answer["error"]), (404, &json!("model fraud is not champion")), "{answer}");
    let (status, by_version) = served.post_json("/v2/models/fraud/versions/1/infer", &request);
    assert_eq!(status, 200, "{by_version}");

    let wanted = json!({ "model": "fraud", "version": 1, "threshold": 0.25, "without_readiness": true });
    assert_eq!(served.post_json("/v1/control/promote", &wanted).0, 200);
    let mut running: Running = served.deployment.start(COMMIT, IDLE);
    served.deployment.start_scorer(COMMIT, &mut running);
    let event = |(at, amount): (usize, &f64)| {
        let mut event = transaction(at as i64);
        event["amount"] = json!(amount);
        event
    };
    let events: Vec<Value> = amounts.iter().enumerate().map(event).collect();
    assert_eq!(served.post_json(EVENTS, &json!(events)).0, 202);
    let predictions = || served.deployment.rows(&served.deployment.context.plan.names.predictions);
    served.deployment.wait(&[&running], || predictions().len() == amounts.len());

    // The gateway looks at the control state once a second.
    served.deployment.wait(&[&running], || served.post_json(infer, &request).0 == 200);
    let (_, answer) = served.post_json(infer, &request);
    assert_eq!((&answer["id"], &answer["model_version"]), (&json!("a question"), &json!("1")));
    let (score, decision) = (&answer["outputs"][0], &answer["outputs"][1]);
    assert_eq!((&score["name"], &decision["name"]), (&json!("score"), &json!("decision")));
    assert_eq!(by_version["outputs"][0], *score);
    for row in predictions() {
        let at: usize = row["event_id"].as_str().unwrap().parse().unwrap();
        let streamed = row["score"].as_f64().unwrap();
        assert_eq!(score["data"][at].as_f64().unwrap().to_bits(), streamed.to_bits(), "{row}");
        assert_eq!(decision["data"][at], row["decision"], "{row}");
    }

    let mut chosen = request.clone();
    chosen["outputs"] = json!([{ "name": "decision" }]);
    assert_eq!(served.post_json(infer, &chosen).1["outputs"], json!([decision]));
    let check = |path: &str, body: &Value, status: u16, said: &str| {
        let (found, answer) = served.post_json(path, body);
        assert_eq!(found, status, "{answer}");
        assert!(answer.to_string().contains(said), "{answer}");
    };
    chosen["outputs"] = json!([{ "name": "colour" }]);
    check(infer, &chosen, 400, "the model gives score, decision");
    check(infer, &json!({ "inputs": [] }), 400, "input `amount` is missing");
    check(infer, &json!({}), 400, "missing field `inputs`");
    check("/v2/models/fraud/versions/7/infer", &request, 404, "GET /v1/models");
    check("/v2/models/nobody/infer", &request, 404, "is not champion");

    let [shown, of_classes] = asked_for_classes(&served, &request);
    [&answer, &by_version, &of_classes].iter().for_each(|answer| check_tensors(&answer["outputs"]));
    check_tensors(&request["inputs"]);
    let told = json!([
        ["MetadataModelResponse", shown],
        ["InferenceResponse", of_classes],
        ["MetadataServerResponse", served.get_json("/v2").1],
        ["MetadataModelResponse", served.get_json("/v2/models/fraud").1],
        ["MetadataModelResponse", served.get_json("/v2/models/fraud/versions/1").1],
        ["InferenceRequest", request],
        ["InferenceResponse", answer],
        ["InferenceErrorResponse", served.post_json(infer, &json!({})).1],
        ["MetadataModelErrorResponse", served.get_json("/v2/models/nobody").1],
    ]);
    for (path, said) in
        [("/v2/health/live", "live"), ("/v2/health/ready", "ready"), ("/v2/models/fraud/ready", "ready")]
    {
        let (status, answer) = served.get_json(path);
        assert_eq!((status, &answer[said]), (200, &json!(true)), "{path}");
    }
    let (_, document) = served.get_json("/openapi.json");
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    if let Some(python) = Python::find() {
        assert_eq!(python.run(VALIDATE, &[&json!(paths).to_string(), &told.to_string()]), "9 valid");
    }
    assert_eq!(running.stop(), Vec::<String>::new());
    served.stop();
}

/// What is told of a model with classes, and what it answers: the most probable class with the probabilities of all.
fn asked_for_classes(served: &Served, request: &Value) -> [Value; 2] {
    let classes = ["bus", "tram", "train"];
    let artefact = models::of_classes("mode", &served.deployment.context.pipeline.features.digest, &classes);
    Models::new(served.store.clone()).publish("mode", artefact.files()).unwrap();
    let (_, shown) = served.get_json("/v2/models/mode/versions/1");
    let outputs = json!([
        { "name": "score", "datatype": "FP64", "shape": [-1] },
        { "name": "class", "datatype": "BYTES", "shape": [-1] },
        { "name": "probabilities", "datatype": "FP32", "shape": [-1, 3] },
    ]);
    assert_eq!((&shown["outputs"], &shown["parameters"]["classes"]), (&outputs, &json!(classes)));
    let (status, answer) = served.post_json("/v2/models/mode/versions/1/infer", request);
    assert_eq!(status, 200, "{answer}");
    let [score, class, probabilities] = [0, 1, 2].map(|at| &answer["outputs"][at]);
    let rows = score["data"].as_array().unwrap().len();
    assert_eq!((&class["shape"], &probabilities["shape"]), (&json!([rows]), &json!([rows, 3])));
    let all: Vec<f64> = probabilities["data"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
    for (row, of_row) in all.chunks_exact(3).enumerate() {
        let most = (1..3).fold(0, |best, at| if of_row[at] > of_row[best] { at } else { best });
        assert_eq!((&class["data"][row], &score["data"][row]), (&json!(classes[most]), &json!(of_row[most])));
        assert!((of_row.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{of_row:?}");
    }
    [shown, answer]
}
