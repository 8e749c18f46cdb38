//! A pipeline whose labels are texts of three classes: measures of scikit-learn on the same rows, the same bits in the
//! stream, over a file and from the gateway, and no model of other classes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use serde_json::{Value, json};

use super::models::table;
use super::{Running, check, command, folder, lines, wait_for};

const CLASSES: [&str; 3] = ["bus", "tram", "train"];
const ROWS_PER_DAY: usize = 960;
/// Days that are published before there is a model; the last one is the holdout.
const HISTORY_ROWS: usize = 4 * ROWS_PER_DAY;
/// What comes when the model is in force.
const MORE_ROWS: usize = 200;
/// Rows that the gateway is asked for.
const ASKED: usize = 50;
/// How much greater the ids are of trips that come once more.
const AGAIN: i64 = 1_000_000;

const TRIP: &str = r#"{"type": "record", "name": "Trip", "fields": [
  {"name": "trip_id", "type": "long"},
  {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "city", "type": "string"},
  {"name": "u", "type": "double"}, {"name": "v", "type": "double"}, {"name": "w", "type": "double"}
]}"#;
const MODE: &str = r#"{"type": "record", "name": "Mode", "fields": [
  {"name": "trip_id", "type": "long"},
  {"name": "mode", "type": "string"},
  {"name": "known_time", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null}
]}"#;

/// A pipeline of these classes and this network over the same features.
fn pipeline(classes: &str, inputs: &str, network: &str) -> String {
    format!(
        "pipeline: travel
delivery: low_latency
ordering: event_time
lateness: 1m
partitions: 2
sources:
  trips: {{ topic: travel.trips, schema: Trip.avsc, id: trip_id, event_time: event_time }}
  modes:
    topic: travel.modes
    schema: Mode.avsc
    labels: trips
    target: mode
    classes: [{classes}]
    known_time: known_time
    horizon: 7d
features:
  version: 1
  row: {{ uv: u * v }}
  entities:
    city: {{ key: city, windows: [1d], aggregates: {{ trips: count() }} }}
models:
  mode:
    objective: multiclass
    target: mode
    inputs: [{inputs}]
    network: {network}
    training: {{ l2: 1.0, epochs: 20, batch_size: 64, learning_rate: 0.01, window: 3d, delay: 1h, seed: 1 }}
"
    )
}

fn write_pipelines(dir: &Path) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    write("Trip.avsc", TRIP);
    write("Mode.avsc", MODE);
    let told = "bus, tram, train";
    write("linear.yaml", &pipeline(told, "u, v, w", "linear"));
    write(
        "calibrated.yaml",
        &pipeline(told, "u, v, w", "linear").replace("seed: 1", "seed: 1, calibration: temperature"),
    );
    write("mlp.yaml", &pipeline(told, "u, v, w, row.*, city.*", "{ mlp: [16] }").replace("l2: 1.0", "l2: 0.01"));
    write("swapped.yaml", &pipeline("tram, bus, train", "u, v, w", "linear"));
}

/// Three numbers in steps of a thousandth, and the class that is greatest of three sums with noise.
fn sample(rows: std::ops::Range<usize>) -> String {
    let mut state = 20_250_301_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((state >> 33) % 2001) as f64 - 1000.0) / 1000.0
    };
    let mut text = "trip_id,event_time,city,u,v,w,mode\n".to_owned();
    for row in 0..rows.end {
        let [u, v, w, a, b, c] = std::array::from_fn(|_| draw());
        let sums = [3.0 * u - v + 1.5 * a, 2.0 * w - 2.0 * u + 1.5 * b, 3.0 * v - w + 0.25 + 1.5 * c];
        let class = (1..3).fold(0, |best, class| if sums[class] > sums[best] { class } else { best });
        let seconds = row % ROWS_PER_DAY * 90;
        let (day, hour, minute, second) = (1 + row / ROWS_PER_DAY, seconds / 3600, seconds / 60 % 60, seconds % 60);
        if rows.contains(&row) {
            let (city, mode) = (["Ulm", "Bonn"][row % 2], CLASSES[class]);
            let _ =
                writeln!(text, "{row},2025-03-{day:02} {hour:02}:{minute:02}:{second:02},{city},{u},{v},{w},{mode}");
        }
    }
    text
}

#[track_caller]
fn tidemill(dir: &Path, pipeline: &str, args: &[&str]) -> String {
    check(dir, &[args, &["--pipeline", pipeline]].concat(), 0, &[])
}

#[track_caller]
fn json_of(dir: &Path, pipeline: &str, args: &[&str]) -> Value {
    lines(&tidemill(dir, pipeline, &[args, &["--output", "json"]].concat())).remove(0)
}

const TRAIN: [&str; 5] = ["train", "--from", "2025-03-01", "--to", "2025-03-04"];
const PUBLISH: [&str; 4] = ["--label-column", "mode", "--label-delay", "1h"];

fn measure(of: &Value, name: &str) -> f64 {
    of["metrics"][name]["value"].as_f64().unwrap_or_else(|| panic!("no {name}: {of}"))
}

/// Expected: scikit-learn 1.9's `LogisticRegression(C=1, tol=1e-12, solver="newton-cg")` on the first 2,880 rows of
/// `sample`, standardised, and its log_loss, accuracy_score, balanced_accuracy_score, f1_score(average="macro") and
/// confusion_matrix on the 960 behind them. No row there has two classes within 4e-4 of each other.
#[track_caller]
fn equals_scikit_learn(trained: &Value) {
    let rows = json!([[276, 17, 40], [24, 246, 26], [28, 32, 271]]);
    assert_eq!(trained["confusion"], json!({ "classes": CLASSES, "rows": rows }), "{trained}");
    let expected = [
        ("log_loss", 0.407_175_548_488_340_26),
        ("accuracy", 793.0 / 960.0),
        ("balanced_accuracy", 0.826_213_675_911_561_1),
        ("f1_macro", 0.826_320_963_669_472_5),
    ];
    for (name, expected) in expected {
        let found = measure(trained, name);
        assert!((found - expected).abs() < 1e-6, "{name} is {found}, scikit-learn has {expected}");
    }
}

/// Class, and bits of the score and of the probabilities.
type Told = (String, u32, Vec<u32>);

fn told(class: &Value, score: &Value, probabilities: &[Value]) -> Told {
    let bits = |value: &Value| (value.as_f64().expect("a number") as f32).to_bits();
    (class.as_str().expect("a class").to_owned(), bits(score), probabilities.iter().map(bits).collect())
}

fn streamed(dir: &Path) -> BTreeMap<i64, Told> {
    let limit = MORE_ROWS.to_string();
    let tap = ["tap", "predictions", "--follow", "--from", "start", "--limit", &limit];
    let row = |line: Value| {
        let value = &line["value"];
        assert_eq!((&value["threshold"], &value["decision"]), (&Value::Null, &Value::Null), "nothing is decided");
        let id = value["event_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let probabilities = value["probabilities"].as_array().unwrap_or_else(|| panic!("no probabilities: {value}"));
        (id, told(&value["class"], &value["score"], probabilities))
    };
    lines(&tidemill(dir, "linear.yaml", &tap)).into_iter().map(row).collect()
}

fn filed(dir: &Path) -> BTreeMap<i64, Told> {
    let rows = table(&dir.join("s.parquet"));
    let ids = rows["trip_id"].as_primitive::<Int64Type>();
    let (classes, scores) = (rows["class"].as_string::<i32>(), rows["score"].as_primitive::<Float64Type>());
    let probabilities = rows["probabilities"].as_list::<i32>();
    let row = |row: usize| {
        let of_row = probabilities.value(row);
        let bits = |value: f64| (value as f32).to_bits();
        let of_row = of_row.as_primitive::<Float64Type>().values().iter().map(|p| bits(*p)).collect();
        (ids.value(row), (classes.value(row).to_owned(), bits(scores.value(row)), of_row))
    };
    (0..rows.num_rows()).map(row).collect()
}

/// The newest trips once more, asked of the gateway.
fn answered(dir: &Path) -> BTreeMap<i64, Told> {
    let address = std::fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let rows = table(&dir.join("f.parquet"));
    let rows = rows.slice(rows.num_rows() - ASKED, ASKED);
    let tensor = |name: &str| {
        let values = rows[name].as_primitive::<Float64Type>().values().to_vec();
        json!({ "name": name, "datatype": "FP64", "shape": [ASKED], "data": values })
    };
    let inputs: Vec<Value> = ["u", "v", "w"].map(tensor).to_vec();
    let path = format!("http://{}/v2/models/mode/infer", address.trim());
    let mut answer = ureq::post(path).send_json(json!({ "inputs": inputs })).expect("an answer");
    let answer: Value = answer.body_mut().read_json().expect("JSON");
    let output = |name: &str| {
        let outputs = answer["outputs"].as_array().expect("outputs");
        let found = outputs.iter().find(|output| output["name"] == name);
        found.unwrap_or_else(|| panic!("no output {name}: {answer}")).clone()
    };
    let (class, score, probabilities) = (output("class"), output("score"), output("probabilities"));
    assert_eq!((&class["datatype"], &probabilities["shape"]), (&"BYTES".into(), &json!([ASKED, 3])));
    let data = probabilities["data"].as_array().expect("numbers").chunks_exact(3);
    let ids = rows["trip_id"].as_primitive::<Int64Type>().values();
    let told = |(row, data): (usize, &[Value])| (ids[row], told(&class["data"][row], &score["data"][row], data));
    data.enumerate().map(told).collect()
}

/// The same rows as new trips, published and waited for. With `ordering: event_time` they come out when their partitions
/// count as quiet.
fn scored(dir: &Path) -> BTreeMap<i64, Told> {
    let address = std::fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let rows = table(&dir.join("f.parquet"));
    let rows = rows.slice(rows.num_rows() - ASKED, ASKED);
    let ids = rows["trip_id"].as_primitive::<Int64Type>().values();
    let value = |name: &str, row: usize| rows[name].as_primitive::<Float64Type>().value(row);
    let event = |row: usize| {
        let time = format!("2025-04-01T00:00:{row:02}Z");
        json!({ "trip_id": ids[row] + AGAIN, "event_time": time, "city": "Ulm",
            "u": value("u", row), "v": value("v", row), "w": value("w", row) })
    };
    let path = format!("http://{}/v1/score?timeout_ms=30000", address.trim());
    let mut answer = ureq::post(path).send_json((0..ASKED).map(event).collect::<Value>()).expect("an answer");
    let told_of = |one: &Value| {
        let prediction = &one["prediction"];
        assert_eq!((&one["id"], &prediction["decision"]), (&prediction["event_id"], &Value::Null), "{one}");
        let id: i64 = one["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let probabilities = prediction["probabilities"].as_array().expect("probabilities");
        (id - AGAIN, told(&prediction["class"], &prediction["score"], probabilities))
    };
    let answer: Value = answer.body_mut().read_json().expect("JSON");
    assert_eq!(answer["accepted"], ASKED, "{answer}");
    answer["predictions"].as_array().expect("predictions").iter().map(told_of).collect()
}

#[test]
fn a_model_of_classes_equals_scikit_learn_and_scores_alike_in_stream_file_and_gateway() {
    let dir = folder();
    let dir = dir.path();
    write_pipelines(dir);
    let all = HISTORY_ROWS + MORE_ROWS;
    for (name, rows) in [("history", 0..HISTORY_ROWS), ("rest", HISTORY_ROWS..all), ("all", 0..all)] {
        std::fs::write(dir.join(format!("{name}.csv")), sample(rows)).expect("a file");
    }
    let up = ["up", "--publish", "history.csv", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    tidemill(dir, "linear.yaml", &[&up[..], &PUBLISH].concat());
    let linear = json_of(dir, "linear.yaml", &TRAIN);
    equals_scikit_learn(&linear);
    assert_eq!(json_of(dir, "linear.yaml", &TRAIN)["digest"], linear["digest"], "trained again it is the same model");
    let mlp = json_of(dir, "mlp.yaml", &TRAIN);
    let (found, least) = (measure(&mlp, "accuracy"), measure(&linear, "accuracy") - 0.03);
    assert!(found > least, "the mlp is right in {found}, three points below scikit-learn are {least}");
    let measured =
        json_of(dir, "mlp.yaml", &["evaluate", "mode@2", "--from", "2025-03-04", "--to", "2025-03-05", "--wait", "0s"]);
    assert_eq!((&measured["metrics"], &measured["confusion"]), (&mlp["metrics"], &mlp["confusion"]));
    refused(dir);

    assert_eq!(json_of(dir, "calibrated.yaml", &TRAIN)["version"], 3);
    let calibration =
        &json_of(dir, "linear.yaml", &["model", "show", "mode", "3"])["manifest"]["network"]["calibration"];
    let slope = calibration["logistic"]["slope"].as_f64().expect("a temperature");
    assert!(slope > 0.0 && slope != 1.0, "{calibration}");
    tidemill(dir, "linear.yaml", &["model", "promote", "mode", "3", "--without-readiness"]);
    let services = ["run", "validator", "featurizer", "scorer", "monitor", "archiver", "gateway"];
    // On a busy machine half a second may pass between two requests of the publisher, and what a partition that was silent
    // for so long still brings may be late.
    let place = ["--listen", "127.0.0.1:0", "--idle-timeout", "5s", "--pipeline", "linear.yaml"];
    let running = command(dir, &[&services[..], &place].concat()).stderr(Stdio::null()).spawn();
    let running = Running(running.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    tidemill(dir, "linear.yaml", &[&["publish", "rest.csv"][..], &PUBLISH].concat());
    let streamed = streamed(dir);

    tidemill(dir, "linear.yaml", &["features", "compute", "all.csv", "--out", "f.parquet", "--label-column", "mode"]);
    json_of(dir, "linear.yaml", &["score", "mode@3", "f.parquet", "--out", "s.parquet"]);
    let filed = filed(dir);
    assert_eq!((streamed.len(), filed.len()), (MORE_ROWS, all));
    for (id, told) in &streamed {
        assert_eq!(&filed[id], told, "trip {id}");
        let best = told.2.iter().copied().max_by(|a, b| f32::from_bits(*a).total_cmp(&f32::from_bits(*b)));
        assert_eq!((Some(told.1), CLASSES.contains(&told.0.as_str())), (best, true), "the score is the greatest");
    }
    let answered = answered(dir);
    assert_eq!(answered.len(), ASKED);
    answered.iter().for_each(|(id, told)| assert_eq!(&streamed[id], told, "trip {id}"));
    assert_eq!(scored(dir), answered, "whoever publishes and waits is told the same bits");
    drop(running);
}

/// A model of other classes is taken for nothing, and a threshold decides nothing.
fn refused(dir: &Path) {
    let lists = [
        "model mode tells the classes bus, tram, train apart, and the pipeline's are tram, bus, train; train it again",
    ];
    let features = ["features", "compute", "all.csv", "--out", "f.parquet", "--label-column", "mode"];
    tidemill(dir, "linear.yaml", &features);
    let score = ["score", "mode@1", "f.parquet", "--out", "s.parquet", "--pipeline"];
    check(dir, &[&score[..], &["swapped.yaml"]].concat(), 2, &lists);
    let threshold = [&score[..], &["linear.yaml", "--threshold", "0.5"]].concat();
    check(dir, &threshold, 2, &["tells more than two classes apart, and nothing is decided of them"]);
    let promote = ["model", "promote", "mode", "1", "--threshold", "0.5", "--without-readiness"];
    let told = ["mode@1 cannot be promoted with threshold 0.5: it names a class and decides nothing"];
    check(dir, &[&promote[..], &["--pipeline", "linear.yaml"]].concat(), 2, &told);
}
