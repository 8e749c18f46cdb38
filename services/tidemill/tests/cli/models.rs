//! Datasets, training, measuring and scoring on the command line, from a file and from what was streamed.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use registry::models::{Models, Version};
use registry::store::Store;
use serde_json::Value;

use super::{check, folder, lines, shipped, tidemill};

/// The shipped pipeline, with a training that a test has time for, a calibration, and in order of event time.
pub fn quick(dir: &Path) {
    let quick = shipped()
        .replace("epochs: 40", "epochs: 3")
        .replace("learning_rate: 0.001", "learning_rate: 0.01\n      calibration: isotonic")
        .replace("ordering: arrival", "ordering: event_time");
    std::fs::write(dir.join("quick.yaml"), quick).expect("a file");
}

/// A command on that pipeline whose one line of JSON is wanted.
#[track_caller]
pub fn json(dir: &Path, args: &[&str]) -> Value {
    lines(&check(dir, &[args, &["--pipeline", "quick.yaml", "--output", "json"]].concat(), 0, &[])).remove(0)
}

/// A command on that pipeline that must be refused.
#[track_caller]
fn refused(dir: &Path, args: &[&str], said: &[&str]) {
    check(dir, &[args, &["--pipeline", "quick.yaml"]].concat(), 2, said);
}

/// Simulated days as a file, and a file with their features.
#[track_caller]
pub fn simulate(dir: &Path, days: &str, name: &str) {
    let file = format!("{name}.parquet");
    check(dir, &["demo", "--export", &file, "--days", days], 0, &[&file]);
    let features = format!("{name}.features.parquet");
    check(dir, &["features", "compute", &file, "--out", &features, "--pipeline", "quick.yaml"], 0, &[]);
}

pub fn table(file: &Path) -> RecordBatch {
    let batches = offline::table::read(file).expect("a table");
    concat_batches(&batches[0].schema(), &batches).expect("one table")
}

/// Score and decision by id.
pub fn scores(file: &Path) -> BTreeMap<i64, (f64, bool)> {
    let rows = table(file);
    let ids = rows["transaction_id"].as_primitive::<Int64Type>().clone();
    let scores = rows["score"].as_primitive::<Float64Type>().clone();
    let decisions = rows["decision"].as_boolean().clone();
    (0..rows.num_rows()).map(|row| (ids.value(row), (scores.value(row), decisions.value(row)))).collect()
}

#[test]
fn a_file_becomes_a_dataset_a_model_measures_and_scores() {
    let dir = folder();
    let dir = dir.path();
    quick(dir);
    simulate(dir, "1-17", "a");

    let built = json(dir, &["dataset", "build", "--file", "a.features.parquet", "--out", "d.parquet"]);
    assert_eq!(table(&dir.join("d.parquet")).num_rows() as u64, built["rows"].as_u64().expect("rows"));
    // The newest week whose labels, a week later, are known, and behind it a day to compare on.
    let (from, to) = (built["from"].as_str().expect("a time"), built["to"].as_str().expect("a time"));
    assert!(from.starts_with("2025-01-14T2") && to.starts_with("2025-01-21T2"), "{built}");
    let digest = built["digest"].as_str().expect("a digest");
    assert_eq!(json(dir, &["dataset", "build", "--file", "a.features.parquet"])["digest"], digest);
    let window = ["--from", "2025-01-10", "--to", "2025-01-12T12:00:00Z"];
    let days = json(dir, &[&["dataset", "build", "--file", "a.features.parquet"][..], &window].concat());
    assert_eq!((&days["from"], &days["to"]), (&"2025-01-10T00:00:00Z".into(), &"2025-01-12T12:00:00Z".into()));
    assert!(days["first"].as_str() >= Some("2025-01-10") && days["last"].as_str() < Some("2025-01-12T12:00:00Z"));

    let train = ["train", "--file", "a.features.parquet"];
    let first = json(dir, &train);
    assert_eq!((&first["version"], &first["dataset"]["digest"]), (&1.into(), &digest.into()));
    assert_eq!((&json(dir, &train), &first["promoted"]), (&first, &false.into()), "trained again it is the same model");
    let again = [&train[..], &["--dataset", &digest[..9]]].concat();
    assert_eq!(json(dir, &again)["digest"], first["digest"], "its dataset by name gives it too");
    let other = json(dir, &[&train[..], &["--seed", "2"]].concat());
    assert_eq!((&other["version"], &other["seed"]), (&2.into(), &2.into()));
    assert_ne!(other["digest"], first["digest"]);

    let measured = json(dir, &["evaluate", "fraud@1", "--file", "a.features.parquet"]);
    assert_eq!(measured["dataset"]["digest"], first["holdout"]["digest"]);
    assert_eq!(measured["metrics"], first["metrics"]);
    for name in ["roc_auc", "average_precision", "log_loss", "brier", "precision_at_100"] {
        let metric = &measured["metrics"][name];
        let number = |part: &str| metric[part].as_f64().unwrap_or_else(|| panic!("{name} has no {part}: {measured}"));
        assert!(number("low") <= number("value") && number("value") <= number("high"), "{name}: {metric}");
    }
    let seen = ["evaluate", "fraud@1", "--dataset", digest, "--file", "a.features.parquet", "--pipeline", "quick.yaml"];
    check(dir, &seen, 0, &["the model was trained on events from"]);

    let scored = json(dir, &["score", "fraud@1", "a.features.parquet", "--out", "s.parquet"]);
    let rows = table(&dir.join("a.features.parquet"));
    assert_eq!(scored["rows"].as_u64(), Some(rows.num_rows() as u64));
    equal_to_the_model_itself(dir, &rows);
}

/// Witness: the network of the published files, asked row by row.
fn equal_to_the_model_itself(dir: &Path, rows: &RecordBatch) {
    let models = Models::new(Store::local(&dir.join(".tidemill/store")).expect("the store"));
    let opened = models.open("fraud", Version::Number(1)).expect("the model");
    let model = model::Artefact::open_as(&opened.files, &opened.published.digest).expect("it passes the gate");
    let curve = model.network().calibration();
    assert!(matches!(curve, Some(model::Calibration::Curve { score, .. }) if score.len() > 1), "{curve:?}");
    let threshold = f64::from(model.manifest().threshold.as_ref().expect("it decides").value);
    let inputs = model.manifest().inputs.iter().map(|name| {
        let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        cast(column, &DataType::Float64).expect("numbers").as_primitive::<Float64Type>().clone()
    });
    let inputs: Vec<_> = inputs.collect();
    let ids = rows["transaction_id"].as_primitive::<Int64Type>();
    let scores = scores(&dir.join("s.parquet"));
    for row in (0..rows.num_rows()).step_by(7) {
        let values: Vec<f32> =
            inputs.iter().map(|input| if input.is_valid(row) { input.value(row) as f32 } else { f32::NAN }).collect();
        let expected = f64::from(model.network().score_rows(&values).expect("a score")[0]);
        let (score, decision) = scores[&ids.value(row)];
        assert_eq!((score.to_bits(), decision), (expected.to_bits(), expected >= threshold), "row {row}");
    }
}

#[test]
fn wrong_rows_and_models_are_refused_with_what_to_do() {
    let dir = folder();
    let dir = dir.path();
    quick(dir);
    simulate(dir, "1-17", "a");
    refused(dir, &["train"], &["no event in topic fraud.outcomes.v1 has a label yet"]);
    refused(dir, &["train", "--file", "a.parquet"], &["no column `transaction_id`", "tidemill features compute"]);
    refused(dir, &["train", "--file", "b.parquet"], &["no such file"]);
    refused(dir, &["train", "--dataset", "12"], &["no dataset 12", "tidemill dataset build"]);
    refused(dir, &["train", "--model", "cards"], &["declares no model cards", "its models are fraud"]);
    refused(dir, &["train", "--from", "2025-01-10"], &["--to"]);
    refused(dir, &["train", "--from", "lately", "--to", "now"], &["`lately` is no time", "2018-06-18T12:00:00Z"]);
    refused(dir, &["evaluate", "fraud"], &["nothing was published under that name"]);
    refused(dir, &["score", "fraud@x", "a.parquet", "--out", "s.parquet"], &["`x` is not a version"]);
    let empty = ["train", "--file", "a.features.parquet", "--from", "2020-01-01", "--to", "2020-02-01"];
    let told = ["0 positive of 0 rows", "2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z", "--from and --to", "holdout"];
    refused(dir, &empty, &told);

    let built = json(dir, &["train", "--file", "a.features.parquet"]);
    let digest = built["dataset"]["digest"].as_str().expect("a digest");
    refused(dir, &["train", "--dataset", "xyz"], &["no dataset xyz", &digest[..12]]);
    refused(dir, &["train", "--dataset", digest], &["built from the file a.features.parquet", "name that file too"]);
    let raw = ["score", "fraud", "a.parquet", "--out", "s.parquet"];
    refused(dir, &raw, &["no columns `transaction_id`", "tidemill features compute"]);
    refused(dir, &["model", "promote", "fraud", "7"], &["there is no log", "tidemill apply"]);

    // Other events in the file of that name are another dataset.
    simulate(dir, "2-17", "a");
    let again = ["train", "--dataset", digest, "--file", "a.features.parquet"];
    refused(dir, &again, &["restore what it was built from"]);

    // A model of other features than the pipeline computes.
    let changed = std::fs::read_to_string(dir.join("quick.yaml")).expect("a file");
    std::fs::write(dir.join("changed.yaml"), changed.replace("<= 6", "<= 5")).expect("a file");
    let score = ["score", "fraud", "a.features.parquet", "--out", "s.parquet", "--pipeline", "changed.yaml"];
    check(dir, &score, 2, &["was trained on feature set", "train it again"]);
    let (models, _) = changed.split_once("\nmodels:").expect("models");
    std::fs::write(dir.join("none.yaml"), models).expect("a file");
    check(dir, &["train", "--pipeline", "none.yaml"], 2, &["declares no model", "add one under `models`"]);

    // One flipped byte.
    let weights = dir.join(".tidemill/store/models/fraud/1/weights.safetensors");
    let mut bytes = std::fs::read(&weights).expect("the weights");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).expect("a file");
    let told = ["fraud@1 does not pass the load gate", "weights.safetensors has digest"];
    refused(dir, &["score", "fraud", "a.features.parquet", "--out", "s.parquet"], &told);
    refused(dir, &["evaluate", "fraud", "--file", "a.features.parquet"], &told);
    check(dir, &["apply", "--pipeline", "quick.yaml"], 0, &[]);
    refused(dir, &["model", "promote", "fraud"], &told);
    let json = tidemill(dir, &["score", "fraud", "a.parquet", "--out", "s", "--output", "json"]);
    let error: Value = serde_json::from_slice(&json.stderr).expect("JSON on standard error");
    assert_eq!(error["error"]["kind"], "input");
}
