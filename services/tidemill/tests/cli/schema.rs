//! The JSON Schema of pipeline files and their reference: made of the keys that the parser reads, so they must agree with
//! it. The witness is Python's `jsonschema`.

use std::path::Path;

use expect_test::expect_file;
use flow::config::{Problem, parse};
use serde_json::{Value, json};
use tests::python::Python;

use super::{check, folder, lines};

/// Every form that a value may have, in one file or as a change of it.
const EVERYTHING: &str = include_str!("everything.yaml");

/// Reads `{schema, files}` and prints for each file whether it is valid, and why not.
const VALIDATE: &str = r#"
import json, sys
from jsonschema import Draft7Validator
given = json.load(open(sys.argv[1]))
Draft7Validator.check_schema(given["schema"])
validator = Draft7Validator(given["schema"])
errors = [[error.message[:200] for error in validator.iter_errors(file)] for file in given["files"]]
print(json.dumps(errors))
"#;

/// What the schema finds wrong in each file.
fn found(python: &Python, files: &[Value]) -> Vec<Vec<String>> {
    let dir = folder();
    let schema = lines(&check(dir.path(), &["schema", "--output", "json"], 0, &[]));
    let given = dir.path().join("given.json");
    std::fs::write(&given, json!({ "schema": schema[0], "files": files }).to_string()).expect("a file");
    let said = python.run(VALIDATE, &[given.to_str().expect("a path")]);
    serde_json::from_str(&said).expect("JSON")
}

fn value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
}

/// Schemas by the names that the files here use.
fn resolve(path: &str) -> Result<String, String> {
    let field = |name: &str, kind: Value| json!({ "name": name, "type": kind });
    let time = json!({ "type": "long", "logicalType": "timestamp-micros" });
    let fields = match path {
        "shop/Order.avsc" => vec![
            field("order_id", json!("long")),
            field("time", time),
            field("buyer_id", json!(["null", "string"])),
            field("amount", json!("double")),
            field("country", json!(["null", "string"])),
        ],
        "shop/Return.avsc" => {
            vec![field("order_id", json!("long")), field("returned", json!("boolean")), field("known", time)]
        }
        path => {
            let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/minimal").join(path);
            let built_in = schemas::contracts::avro(path).map(str::to_owned);
            return built_in.map_or_else(|| std::fs::read_to_string(beside).map_err(|error| error.to_string()), Ok);
        }
    };
    Ok(json!({ "type": "record", "name": "R", "fields": fields }).to_string())
}

fn problems(yaml: &str) -> Vec<Problem> {
    parse(yaml, &resolve).err().unwrap_or_default()
}

/// [`EVERYTHING`] with one text replaced.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(EVERYTHING.matches(from).count(), 1, "`{from}` must be in the file once");
    EVERYTHING.replacen(from, to, 1)
}

/// [`EVERYTHING`] with classes of its label, and without models of numbers, which do not go together.
fn with_classes() -> String {
    let yaml = changed(
        "    target: returned\n    known_time",
        "    target: returned\n    classes: [false, true]\n    known_time",
    );
    let (before, rest) = yaml.split_once("  # What only other forms").expect("models of numbers");
    let (_, behind) = rest.split_once("monitors:").expect("monitors");
    format!("{before}monitors:{behind}")
}

/// Forms of values beside those of the file.
const ACCEPTED: &[(&str, &str)] = &[
    ("network: { mlp: [16, 8] }", "network: linear"),
    ("network: { mlp: [16, 8] }", "network: { linear: true }"),
    ("class_weight: balanced", "class_weight: none"),
    ("class_weight: balanced", "class_weight: 2"),
    ("class_weight: balanced", "class_weight: 0.5"),
    ("early_stopping: 2", "early_stopping: false"),
    ("calibration: platt", "calibration: isotonic"),
    ("loss: logistic", "loss:"),
    ("alert: { top_per_day: 10 }", "alert: { above: 0.5 }"),
    ("alert: { top_per_day: 10 }", "alert:"),
    ("if_null: keep", "if_null: -1.5"),
    ("compatibility: { all: BACKWARD, shop.orders: FULL }", "compatibility: NONE"),
    ("features: [amount]", "features: all"),
    ("windows: [1h, 7d]", "windows: [\"1h\", 7d]"),
    ("limits: { keys: 1000, bytes: 2GiB }", "limits: { bytes: 256KiB }"),
    ("impute: 0, max: 1000", "impute: { sql: amount / 2 }, max: 1000"),
    ("max_future: 1h", "max_future: 0s"),
    ("policy: first", "policy:"),
    ("policy: first", "policy: last"),
    ("{ country: { dimension: 1, words_max: 50, min_count: 2 } }", "{ country: }"),
];

/// Files that are wrong, so that neither the parser nor the schema takes them: unknown keys, wrong types, unknown choices.
const REFUSED: &[(&str, &str)] = &[
    ("pipeline: shop", "pipeline: [shop]"),
    ("pipeline: shop", "pipeline: Shop"),
    ("pipeline: shop\n", ""),
    ("delivery: low_latency", "delivery: fast"),
    ("delivery: low_latency", "delivry: low_latency"),
    ("ordering: arrival", "ordering: 3"),
    ("lateness: 10m", "lateness: 10"),
    ("lateness: 10m", "lateness: 10 minutes"),
    ("idle_timeout: 30s", "idle_timeout: 0s"),
    ("partitions: 4\n", "partitions: four\n"),
    ("partitions: 4\n", "partitions: 257\n"),
    ("topic: shop.orders", "topic: shop orders"),
    ("    format: json\n", "    format: xml\n"),
    ("unknown_fields: reject", "unknown_fields: refuse"),
    ("time_unit: seconds", "time_unit: minutes"),
    ("in_a_row: 5", "in_a_row: 0"),
    ("percent: 10", "percent: 101"),
    ("of: 100", "off: 100"),
    ("id: order_id\n    event_time", "event_time"),
    ("required: true", "required: 1"),
    ("enum: [DE, FR]", "enum: []"),
    ("enum: [DE, FR]", "enum: DE"),
    ("min: 0,", "min: none,"),
    ("check: amount < 500,", ""),
    ("on_fail: flag", "on_fail: flags"),
    ("on_null: pass", "on_null: keep"),
    ("policy: first", "policy: best"),
    ("horizon: 90d", "horizon: 90"),
    ("target: returned\n    known", "known"),
    ("known_time: known", "known_times: known"),
    ("version: 2", "version: 2.5"),
    ("abroad: country <> 'DE'", "Abroad: country <> 'DE'"),
    ("abroad: country <> 'DE'", "abroad: true"),
    ("windows: [1h, 7d]", "windows: 1h"),
    ("windows: [1h, 7d]", "windows: [1h, 7]"),
    ("keys: 1000", "keys: 255"),
    ("bytes: 2GiB", "bytes: 2GB"),
    ("limits: { keys: 1000, bytes: 2GiB }", "limits: {}"),
    ("late: skip", "late: drop"),
    ("if_null: keep", "if_null: none"),
    ("key: buyer_id", "keys: buyer_id"),
    ("of: sum(amount), if_null: 0", "if_null: 0"),
    ("if_null: 0, late: apply", "if_null: 0, late: ignore"),
    ("inputs: [amount, country, row.*, buyer.*]", "inputs: []"),
    ("inputs: [amount, country, row.*, buyer.*]", "inputs: amount"),
    ("network: { mlp: [16, 8] }", "network: { mpl: [16] }"),
    ("network: { mlp: [16, 8] }", "network: { mlp: [0] }"),
    ("network: { mlp: [16, 8] }", "network: deep"),
    ("network: { mlp: [16, 8] }", "network: { mlp: [16], linear: true }"),
    ("dimension: 1", "dimensions: 1"),
    ("words_max: 50", "words_max: 0"),
    ("objective: binary", "objective: ranking"),
    ("epochs: 5", "epochs: 0"),
    ("learning_rate: 0.01", "learning_rate: 0"),
    ("dropout: 0.1", "dropout: 1"),
    ("l2: 0.001", "l2: -1"),
    ("class_weight: balanced", "class_weight: balance"),
    ("class_weight: balanced", "class_weight: -1"),
    ("early_stopping: 2", "early_stopping: true"),
    ("calibration: platt", "calibration: plat"),
    ("loss: logistic", "loss: logistics"),
    ("seed: 7", "seed: -7"),
    ("alert: { top_per_day: 10 }", "alert: {}"),
    ("alert: { top_per_day: 10 }", "alert: { top_per_day: 10, above: 0.5 }"),
    ("warn: 0.1", "warn: 0"),
    ("features: [amount]", "features: some"),
    ("on: [drift]", "on: [draft]"),
    ("on: [drift]", "on: drift"),
    ("holdout: 1d", "holdout: 0d"),
    ("promote: if_better", "promote: always"),
    ("topic: shop.alerts.v1", "topics: shop.alerts.v1"),
    ("compatibility: { all: BACKWARD, shop.orders: FULL }", "compatibility: backward"),
    ("compatibility: { all: BACKWARD, shop.orders: FULL }", "compatibility: [BACKWARD]"),
    ("results: forever", "results: for ever"),
    ("results: forever", "results: 0s"),
    ("results: forever", "results: { times: 30d }"),
    ("rejected: { bytes: 64MiB }", "rejected: {}"),
    ("sources: 120d", "source: 120d"),
];

#[test]
fn what_the_parser_takes_the_schema_takes() {
    let Some(python) = Python::find() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<(String, String)> = Vec::new();
    for folder in ["../../topologies/pipelines", "templates/minimal", "../../tests/fuzz/corpus/pipeline"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.display().to_string();
            if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
                files.push((name, std::fs::read_to_string(&path).expect("a file")));
            }
        }
    }
    assert!(files.len() > 6, "{}", files.len());
    files.retain(|(name, yaml)| problems(yaml).is_empty() || !name.contains("corpus"));
    files.push(("everything".to_owned(), EVERYTHING.to_owned()));
    files.push(("classes".to_owned(), with_classes()));
    files.extend(ACCEPTED.iter().map(|(from, to)| ((*to).to_owned(), changed(from, to))));
    for (name, yaml) in &files {
        assert_eq!(problems(yaml), [], "{name}");
    }
    let values: Vec<Value> = files.iter().map(|(_, yaml)| value(yaml)).collect();
    for ((name, _), errors) in files.iter().zip(found(&python, &values)) {
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn what_is_misspelt_neither_takes() {
    let Some(python) = Python::find() else { return };
    let files: Vec<String> = REFUSED.iter().map(|(from, to)| changed(from, to)).collect();
    let values: Vec<Value> = files.iter().map(|yaml| value(yaml)).collect();
    for ((file, errors), (_, to)) in files.iter().zip(found(&python, &values)).zip(REFUSED) {
        assert!(!problems(file).is_empty(), "the parser takes `{to}`");
        assert!(!errors.is_empty(), "the schema takes `{to}`");
    }
}

/// Every key of the schema, at its place in the file, is one that the parser knows there, and one beside it is not.
#[test]
fn keys_of_the_schema_are_those_of_the_parser() {
    let mut keys = Vec::new();
    collect(&flow::config::keys::json_schema(), &mut keys);
    keys.sort();
    keys.dedup();
    assert!(keys.len() > 70, "{keys:?}");
    let classes = with_classes();
    for key in keys.iter().map(|key| format!("{key}:")) {
        assert!(EVERYTHING.contains(&key) || classes.contains(&key), "`{key}` is missing in everything.yaml");
    }
    [EVERYTHING, &classes].into_iter().for_each(only_known_keys);
}

/// Whether the parser takes the file, and not with a further key anywhere.
#[track_caller]
fn only_known_keys(yaml: &str) {
    let everything = value(yaml);
    assert_eq!(problems(&everything.to_string()), []);
    let mut places = Vec::new();
    maps(&everything, String::new(), &mut places);
    for place in places {
        let mut changed = everything.clone();
        let map = changed.pointer_mut(&place).and_then(Value::as_object_mut).expect("a map");
        map.insert("no_such_key".to_owned(), json!({ "no": "such" }));
        assert!(
            !problems(&changed.to_string()).is_empty(),
            "the parser takes a key that it does not know in `{place}`"
        );
    }
}

/// The names of all properties.
fn collect(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (name, part) in map {
                if name == "properties" {
                    found.extend(part.as_object().into_iter().flatten().map(|(key, _)| key.clone()));
                }
                collect(part, found);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, found)),
        _ => {}
    }
}

/// Where maps are.
fn maps(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| maps(value, format!("{at}/{key}"), found));
            found.push(at);
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| maps(value, format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn the_reference_is_what_the_program_prints() {
    let dir = folder();
    expect_file!["../../../../docs/reference/pipeline.md"].assert_eq(&check(
        dir.path(),
        &["schema", "--reference"],
        0,
        &[],
    ));
}
