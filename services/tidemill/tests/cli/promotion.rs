//! Models on a running pipeline: trained from the archive, promoted by hand and through a gateway, and the predictions
//! that follow. The stream, `score` over a file and the gateway give the same bits of a calibrated model.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde_json::{Value, json};

use super::models::{json, quick, scores, simulate, table};
use super::{Running, check, command, folder, lines, wait_for};

/// Services up to the archive. The monitor stays out: it would ask for models that nobody here expects.
const SERVICES: [&str; 4] = ["validator", "featurizer", "scorer", "archiver"];
/// How long `dataset build` waits for services that run.
const WAIT_DEFAULT: Duration = Duration::from_secs(60);
/// Rows that the gateway is asked for.
const ASKED: usize = 60;
const PLACE: [&str; 4] = ["--pipeline", "quick.yaml", "--idle-timeout", "500ms"];

#[track_caller]
fn publish(dir: &Path, file: &str) {
    check(dir, &[&["publish", file, "--label-column", "TX_FRAUD"][..], &PLACE].concat(), 0, &["published"]);
}

#[track_caller]
fn drain(dir: &Path) {
    check(dir, &[&["run"][..], &SERVICES, &["--drain"], &PLACE].concat(), 0, &["everything is committed"]);
}

/// All predictions from the first transaction of a file on.
#[track_caller]
fn predictions(dir: &Path, file: &str) -> Vec<Value> {
    let first = table(&dir.join(file))["TRANSACTION_ID"].as_primitive::<Int64Type>().value(0);
    let tapped = lines(&check(dir, &[&["tap", "predictions"][..], &PLACE].concat(), 0, &[]));
    let values = tapped.into_iter().map(|mut line| line["value"].take());
    values.filter(|row| id(row) >= first).collect()
}

fn id(row: &Value) -> i64 {
    row["event_id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

fn standings(dir: &Path) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row["value"][name].as_str().unwrap_or_default().to_owned();
    let tapped = lines(&check(dir, &[&["tap", "models.v1"][..], &PLACE].concat(), 0, &[]));
    tapped.iter().map(|row| (text(row, "version"), text(row, "standing"))).collect()
}

#[test]
fn a_promoted_model_scores_from_there_on() {
    let dir = folder();
    let dir = dir.path();
    quick(dir);
    simulate(dir, "1-17", "history");
    for (days, name) in [("18-18", "one"), ("19-19", "two")] {
        check(dir, &["demo", "--export", &format!("{name}.parquet"), "--days", days], 0, &[]);
    }
    check(dir, &["apply", "--pipeline", "quick.yaml"], 0, &[]);
    check(dir, &["model", "promote", "fraud", "--pipeline", "quick.yaml"], 2, &["nothing was published"]);
    let train = ["train", "--file", "history.features.parquet", "--promote", "--without-readiness"];
    let first = json(dir, &train);
    assert_eq!((&first["version"], &first["control"], &first["promoted"]), (&1.into(), &1.into(), &true.into()));
    publish(dir, "history.parquet");
    drain(dir);
    let streamed = predictions(dir, "history.parquet");
    assert!(streamed.iter().all(|row| row["model"] == "fraud@1" && row["model_digest"] == first["digest"]));
    equal_to_scores_of_the_file(dir, &streamed);
    super::sql::predictions_join_outcomes(dir, &streamed);

    // What was streamed and archived is what the file says: the same rows to the bit, but another dataset.
    let archived = json(dir, &["dataset", "build", "--out", "archived.parquet"]);
    json(dir, &["dataset", "build", "--file", "history.features.parquet", "--out", "filed.parquet"]);
    assert_eq!(table(&dir.join("archived.parquet")), table(&dir.join("filed.parquet")));
    let second = json(dir, &["train"]);
    assert_eq!((&second["version"], &second["dataset"]["digest"]), (&2.into(), &archived["digest"]));
    assert_eq!(second["metrics"], first["metrics"], "the same rows, the same weights");

    // By hand, with a threshold of one's own.
    let promote = ["model", "promote", "fraud", "2", "--threshold", "0.25", "--without-readiness"];
    let told = json(dir, &promote);
    assert_eq!((&told["version"], &told["control"], &told["threshold"]), (&2.into(), &2.into(), &0.25.into()));
    assert_eq!(json(dir, &promote), told, "once more changes nothing");
    // Its fences are not archived, and nobody is there who would do it: that is said, and not waited for.
    let began = Instant::now();
    let said = ["going on with what is archived", "no service runs that takes them", "tidemill up --drain"];
    check(dir, &[&["dataset", "build"][..], &PLACE].concat(), 0, &said);
    assert!(began.elapsed() < WAIT_DEFAULT, "{:?}", began.elapsed());
    publish(dir, "one.parquet");
    drain(dir);
    let streamed = predictions(dir, "one.parquet");
    assert_eq!(streamed.len(), table(&dir.join("one.parquet")).num_rows());
    assert!(streamed.iter().all(|row| row["model"] == "fraud@2" && row["threshold"] == 0.25));
    assert!(streamed.iter().all(|row| row["decision"] == (row["score"].as_f64() >= Some(0.25))));

    through_a_gateway(dir);
    let rebuilt =
        lines(&check(dir, &[&["plan", "--rebuild", "--output", "json"][..], &PLACE].concat(), 0, &[])).remove(0);
    assert_eq!(rebuilt["begins_without_champion"], "fraud@3");
    let said = ["fraud@3 is champion now", "tidemill model promote fraud 3"];
    check(dir, &[&["plan", "--rebuild"][..], &PLACE].concat(), 0, &said);
    assert!(json(dir, &["plan"])["begins_without_champion"].is_null());
    let champion = |version: &str| (version.to_owned(), "CHAMPION".to_owned());
    let told = standings(dir);
    assert!(["1", "2", "3"].iter().all(|version| told.contains(&champion(version))), "{told:?}");
    assert!(told.contains(&("2".to_owned(), "CANDIDATE".to_owned())), "{told:?}");
}

/// Features of the file, scored without a stream, against what the stream predicted.
fn equal_to_scores_of_the_file(dir: &Path, streamed: &[Value]) {
    json(dir, &["score", "fraud@1", "history.features.parquet", "--out", "scores.parquet"]);
    let scores = scores(&dir.join("scores.parquet"));
    assert_eq!(streamed.len(), scores.len());
    for row in streamed {
        let (score, decision) = scores[&id(row)];
        assert_eq!(row["score"].as_f64().map(f64::to_bits), Some(score.to_bits()), "{row}");
        assert_eq!(row["decision"], decision, "{row}");
    }
}

/// The newest rows of the file, asked of the gateway.
fn equal_to_answers(dir: &Path) {
    let address = std::fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let model = format!("http://{}/v2/models/fraud/versions/1", address.trim());
    let shown: Value = ureq::get(&model).call().expect("an answer").body_mut().read_json().expect("JSON");
    let rows = table(&dir.join("history.features.parquet"));
    let rows = rows.slice(rows.num_rows() - ASKED, ASKED);
    let tensor = |input: &Value| {
        let column = cast(&rows[input["name"].as_str().expect("a name")], &DataType::Float64).expect("numbers");
        let values: Vec<Option<f64>> = column.as_primitive::<Float64Type>().iter().collect();
        json!({ "name": input["name"], "datatype": "FP64", "shape": [ASKED], "data": values })
    };
    let inputs: Vec<Value> = shown["inputs"].as_array().expect("inputs").iter().map(tensor).collect();
    let mut answer = ureq::post(format!("{model}/infer")).send_json(json!({ "inputs": inputs })).expect("an answer");
    let answer: Value = answer.body_mut().read_json().expect("JSON");
    assert_eq!(answer["outputs"][0]["name"], "score", "{answer}");
    let ids = rows["transaction_id"].as_primitive::<Int64Type>().values();
    let filed = scores(&dir.join("scores.parquet"));
    for (row, id) in ids.iter().enumerate() {
        let score = answer["outputs"][0]["data"][row].as_f64();
        assert_eq!(score.map(f64::to_bits), Some(filed[id].0.to_bits()), "transaction {id}");
    }
}

/// While another process has the log.
fn through_a_gateway(dir: &Path) {
    let args = [&["run"][..], &SERVICES, &["gateway", "--listen", "127.0.0.1:0"], &PLACE].concat();
    let running = command(dir, &args).stderr(Stdio::null()).spawn();
    let running = Running(running.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    let told = json(dir, &["model", "promote", "fraud", "1", "--threshold", "0.5"]);
    assert_eq!((&told["version"], &told["control"], &told["threshold"]), (&1.into(), &3.into(), &0.5.into()));
    check(dir, &["model", "promote", "fraud", "9", "--pipeline", "quick.yaml"], 2, &["has no version 9"]);
    equal_to_answers(dir);
    publish(dir, "two.parquet");
    let tap = ["tap", "predictions", "--follow", "--from", "start", "--filter", "model=fraud@1", "--filter"];
    let tap = [&tap[..], &["threshold=0.5", "--limit", "20"], &PLACE].concat();
    assert_eq!(lines(&check(dir, &tap, 0, &[])).len(), 20);
    // Beside it a model is trained and promoted as well.
    let trained = json(dir, &["train", "--seed", "3", "--promote"]);
    assert_eq!((&trained["version"], &trained["control"]), (&3.into(), &4.into()));
    let follow = ["tap", "models.v1", "--follow", "--from", "start", "--filter", "standing=CHAMPION", "--filter"];
    check(dir, &[&follow[..], &["version=3", "--limit", "1"], &PLACE].concat(), 0, &["fraud"]);
    drop(running);
}
