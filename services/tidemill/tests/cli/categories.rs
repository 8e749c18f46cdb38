//! A pipeline whose model reads categories: a text, and numbers taken as such. The stream, `score` over a file and the
//! gateway give the same bits, and what training never saw is scored and counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde_json::{Value, json};

use super::models::table;
use super::shipped::hours_of;
use super::{Running, check, command, folder, lines, wait_for};

const PIPELINE: &str = "words.yaml";
/// Hours that are published before the model is trained, and all of them.
const HISTORY_HOURS: usize = 6 * 7 * 24;
const HOURS: usize = 8 * 7 * 24;
/// Rows that the gateway is asked for.
const ASKED: usize = 60;
/// Longest that anything here may take. A limit on hanging, no timing.
const WAIT: Duration = Duration::from_secs(60);

/// A city by the time of day: the rarest is no word of a vocabulary of two.
const MAPPING: [&str; 6] =
    hours_of!("case when cast(hr as int) < 12 then 'Washington' when cast(hr as int) < 20 then 'Köln' else 'Ur' end");

/// The shipped pipeline of hours with categories among its inputs, and nothing that trains by itself.
fn pipeline(dir: &Path) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/pipelines/bikes.yaml");
    let text = std::fs::read_to_string(file).expect("a shipped pipeline");
    let (before, retraining) = text.split_once("\nretraining:").expect("retraining");
    let (_, alerts) = retraining.split_once("\nalerts:").expect("alerts");
    let inputs = "[city, temperature, weather, season, humidity, row.*, slot.*]";
    let inputs = format!(
        "inputs: {inputs}\n    categories: {{ weather: {{}}, season: {{ dimension: 2 }}, city: {{ words_max: 2 }} }}"
    );
    let mut changed = String::new();
    for line in before.lines() {
        let told = match line.trim_start() {
            told if told.starts_with("categories:") => continue,
            told if told.starts_with("inputs: [") => format!("    {inputs}"),
            told if told.starts_with("epochs:") => "      epochs: 4".to_owned(),
            told if told.starts_with("psi:") => {
                "    psi: { features: [city, weather], warn: 0.25, alarm: 1.0 }".to_owned()
            }
            _ => line.to_owned(),
        };
        let _ = writeln!(changed, "{told}");
    }
    std::fs::write(dir.join(PIPELINE), format!("{changed}\nalerts:{alerts}")).expect("a file");
}

/// Hours whose weather decides how many bikes are taken. The last weather comes only behind the history.
fn weather(hour: usize) -> usize {
    if hour >= HISTORY_HOURS && hour % 5 == 2 { 4 } else { 1 + hour / 7 % 3 }
}

fn sample(hours: std::ops::Range<usize>) -> String {
    let mut text =
        "instant,dteday,season,hr,holiday,weekday,workingday,weathersit,temp,atemp,hum,windspeed,cnt\n".to_owned();
    for hour in hours {
        let (day, of_day, weather) = (hour / 24, hour % 24, weather(hour));
        let date = arrow::temporal_conversions::date32_to_datetime(day as i32 + 15_000).expect("a day");
        let rides = 20 + 10 * of_day + [0, 200, 90, 30, 10][weather];
        let (id, season, date, weekday) = (hour + 1, 1 + day / 14 % 3, date.format("%Y-%m-%d"), day % 7);
        let _ =
            writeln!(text, "{id},{date},{season},{of_day},0,{weekday},1,{weather},0.5,0.5,0.{},0.1,{rides}", hour % 9);
    }
    text
}

#[track_caller]
fn tidemill(dir: &Path, args: &[&str]) -> String {
    check(dir, &[args, &["--pipeline", PIPELINE]].concat(), 0, &[])
}

#[track_caller]
fn json_of(dir: &Path, args: &[&str]) -> Value {
    lines(&tidemill(dir, &[args, &["--output", "json"]].concat())).remove(0)
}

/// Scores of the stream by id, of so many hours.
fn streamed(dir: &Path, hours: usize) -> BTreeMap<i64, f64> {
    let limit = hours.to_string();
    let tapped = lines(&tidemill(dir, &["tap", "predictions", "--follow", "--from", "start", "--limit", &limit]));
    let id = |value: &Value| value["event_id"].as_str().and_then(|id| id.parse::<i64>().ok()).expect("an id");
    tapped.iter().map(|line| (id(&line["value"]), line["value"]["score"].as_f64().expect("a score"))).collect()
}

/// Scores of a file by id.
fn scored(file: &Path) -> BTreeMap<i64, f64> {
    let rows = table(file);
    let (ids, scores) = (rows["hour_id"].as_primitive::<Int64Type>(), rows["score"].as_primitive::<Float64Type>());
    ids.values().iter().copied().zip(scores.values().iter().copied()).collect()
}

/// A tensor of a column's values: texts as they are, a category in whatever numbers a client has.
fn tensor(rows: &RecordBatch, name: &str) -> Value {
    let values: Vec<Value> = match name {
        "city" => rows[name].as_string::<i32>().iter().map(|text| json!(text)).collect(),
        _ => {
            let doubles = cast(&rows[name], &DataType::Float64).expect("numbers");
            let whole = |value: Option<f64>| {
                if name == "weather" { json!(value.map(|value| value as i64)) } else { json!(value) }
            };
            doubles.as_primitive::<Float64Type>().iter().map(whole).collect()
        }
    };
    let datatype = match name {
        "city" => "BYTES",
        "weather" => "INT64",
        _ => "FP64",
    };
    json!({ "name": name, "datatype": datatype, "shape": [values.len()], "data": values })
}

struct Gateway(String);

impl Gateway {
    fn of(dir: &Path) -> Self {
        let file = dir.join(".tidemill/gateway");
        wait_for(&file);
        Gateway(std::fs::read_to_string(file).expect("an address").trim().to_owned())
    }

    fn get(&self, path: &str) -> String {
        let mut answer = ureq::get(format!("http://{}{path}", self.0)).call().expect("an answer");
        answer.body_mut().read_to_string().expect("text")
    }

    fn infer(&self, inputs: &[Value]) -> Vec<f64> {
        let path = format!("http://{}/v2/models/rides/infer", self.0);
        let mut answer = ureq::post(path).send_json(json!({ "inputs": inputs })).expect("an answer");
        let told: Value = answer.body_mut().read_json().expect("JSON");
        let data = told["outputs"][0]["data"].as_array().expect("scores").clone();
        data.iter().map(|score| score.as_f64().expect("a score")).collect()
    }
}

#[test]
fn a_model_of_categories_scores_alike_in_stream_file_and_gateway() {
    let dir = folder();
    let dir = dir.path();
    pipeline(dir);
    for (name, hours) in [("history", 0..HISTORY_HOURS), ("rest", HISTORY_HOURS..HOURS), ("all", 0..HOURS)] {
        std::fs::write(dir.join(format!("{name}.csv")), sample(hours)).expect("a file");
    }
    let up = ["up", "--publish", "history.csv", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    tidemill(dir, &[&up[..], &MAPPING].concat());
    let trained = json_of(dir, &["train", "--promote", "--without-readiness"]);
    let shown = json_of(dir, &["model", "show", "rides"]);
    assert_eq!((&shown["refused"], &shown["digest"]), (&Value::Null, &trained["digest"]));
    let categories = json!([
        { "input": "city", "words": 2, "dimension": 2 },
        { "input": "weather", "words": 3, "dimension": 2 },
        { "input": "season", "words": 3, "dimension": 2 },
    ]);
    assert_eq!(shown["manifest"]["network"]["categories"], categories);
    assert_eq!(json_of(dir, &["evaluate", "rides@1", "--wait", "0s"])["metrics"], trained["metrics"]);

    let promote = ["model", "promote", "rides", "--threshold", "300", "--without-readiness", "--pipeline", PIPELINE];
    check(dir, &promote, 2, &["rides@1 cannot be promoted with threshold 300: it decides nothing", "`alert`"]);

    let services = ["run", "validator", "featurizer", "scorer", "monitor", "archiver", "gateway"];
    // On a busy machine seconds may pass until the first label comes, and between two requests of the publisher; what a
    // partition that was silent for so long still brings may be late. Nothing waits for this: the publisher says when it
    // is done.
    let place = ["--listen", "127.0.0.1:0", "--idle-timeout", "1m", "--pipeline", PIPELINE];
    let running = command(dir, &[&services[..], &place].concat()).stderr(Stdio::null()).spawn();
    let running = Running(running.expect("the binary runs"));
    let gateway = Gateway::of(dir);
    tidemill(dir, &[&["publish", "rest.csv"][..], &MAPPING].concat());
    let streamed = streamed(dir, HOURS - HISTORY_HOURS);

    tidemill(dir, &[&["features", "compute", "all.csv", "--out", "f.parquet"][..], &MAPPING].concat());
    let told = json_of(dir, &["score", "rides@1", "f.parquet", "--out", "s.parquet"]);
    let unknown = |what: &dyn Fn(usize) -> bool, from: usize| (from..HOURS).filter(|hour| what(*hour)).count();
    let ur = |hour: usize| hour % 24 >= 20;
    let counts = json!({ "city": unknown(&ur, 0), "weather": unknown(&|hour| weather(hour) == 4, 0) });
    assert_eq!(told["unknown_categories"], counts, "seasons are all known");
    let filed = scored(&dir.join("s.parquet"));
    assert_eq!((streamed.len(), filed.len()), (HOURS - HISTORY_HOURS, HOURS));
    for (id, score) in &streamed {
        assert_eq!(filed[id].to_bits(), score.to_bits(), "hour {id}");
    }
    in_the_gateway(dir, &gateway, &streamed);
    let page = gateway.get("/metrics");
    for (input, count) in
        [("city", unknown(&ur, HISTORY_HOURS)), ("weather", unknown(&|hour| weather(hour) == 4, HISTORY_HOURS))]
    {
        let line = page
            .lines()
            .find(|line| line.starts_with("tidemill_failed_records") && line.contains(&format!("rides.{input}\"")));
        let line = line.unwrap_or_else(|| panic!("{input} is not counted: {page}"));
        assert!(line.contains("unknown_category") && line.ends_with(&format!(" {count}")), "{line}, expected {count}");
    }
    drifted(dir);
    in_the_terminal(dir);
    drop(running);
}

/// The newest hours once more, and with them categories that nobody has.
fn in_the_gateway(dir: &Path, gateway: &Gateway, streamed: &BTreeMap<i64, f64>) {
    let rows = table(&dir.join("f.parquet"));
    let rows = rows.slice(rows.num_rows() - ASKED, ASKED);
    let told: Value = serde_json::from_str(&gateway.get("/v2/models/rides")).expect("JSON");
    let inputs = told["inputs"].as_array().expect("inputs").clone();
    let datatype =
        |name: &str| inputs.iter().find(|input| input["name"] == name).map(|input| input["datatype"].clone());
    assert_eq!(
        ["city", "weather", "humidity"].map(datatype),
        [Some("BYTES"), Some("BYTES"), Some("FP64")].map(|d| d.map(Value::from))
    );
    let mut tensors: Vec<Value> =
        inputs.iter().map(|input| tensor(&rows, input["name"].as_str().expect("a name"))).collect();
    let ids = rows["hour_id"].as_primitive::<Int64Type>();
    let scores = gateway.infer(&tensors);
    for (id, score) in ids.values().iter().zip(&scores) {
        assert_eq!(streamed[id].to_bits(), score.to_bits(), "hour {id}");
    }
    // Whatever is unknown is one and the same, and a null is something else.
    let mut with_city = |city: Value| {
        let at = tensors.iter().position(|tensor| tensor["name"] == "city").expect("the city");
        tensors[at]["data"] = json!(vec![city; ASKED]);
        gateway.infer(&tensors)
    };
    let unknown = with_city(json!("Atlantis"));
    assert_eq!(unknown, with_city(json!("")));
    let others = [with_city(Value::Null), with_city(json!("Köln")), with_city(json!("Washington"))];
    assert!(others.iter().all(|scores| *scores != unknown) && others[0] != others[1]);
    let page = gateway.get("/metrics");
    super::metrics::as_described(&page);
    let line =
        page.lines().find(|line| line.starts_with("tidemill_gateway_unknown_categories") && line.contains("city"));
    let asked = rows["city"].as_string::<i32>().iter().filter(|city| *city == Some("Ur")).count();
    let line = line.unwrap_or_else(|| panic!("{page}"));
    assert!(line.ends_with(&format!(" {}", asked + 2 * ASKED)), "{line}");
    assert!(rows["weather"].null_count() == 0);
}

/// The weather that training never saw shows as drift, and the city, which stays as it was, does not.
fn drifted(dir: &Path) {
    // The first window has one day of the champion and is not judged.
    let report = lines(&tidemill(dir, &["tap", "drift", "--follow", "--from", "start", "--limit", "2"])).remove(1);
    let statistics = report["value"]["statistics"].as_array().expect("statistics").clone();
    let of = |subject: &str| {
        let found = statistics.iter().find(|one| one["subject"] == subject);
        found.and_then(|one| one["value"].as_f64()).unwrap_or_else(|| panic!("no {subject}: {report}"))
    };
    assert!(of("weather") > 1.0 && of("city") < 0.1, "{report}");
}

/// The newest report of each monitor.
fn reports(dir: &Path) -> BTreeMap<String, Value> {
    let told = lines(&tidemill(dir, &["tap", "drift"])).into_iter().map(|mut line| line["value"].take());
    told.map(|report| (report["monitor"].as_str().expect("a monitor").to_owned(), report)).collect()
}

/// `top` names the champion, and of each monitor what the newest report says.
fn in_the_terminal(dir: &Path) {
    let once = ["top", "--once", "--interval", "100ms"];
    // A window may close between two looks.
    let (told, picture, reports) = loop {
        let before = reports(dir);
        let (told, picture) = (json_of(dir, &once), tidemill(dir, &once));
        if before == reports(dir) {
            break (told, picture, before);
        }
    };
    let worst = |report: &Value| {
        let all = report["statistics"].as_array().expect("statistics").iter().filter(|one| one["value"].is_number());
        let share = |one: &Value| one["value"].as_f64().expect("a value") / one["alarm"].as_f64().expect("a limit");
        let worst = all.max_by(|one, other| share(one).total_cmp(&share(other))).expect("a statistic");
        json!({ "subject": worst["subject"], "value": worst["value"] })
    };
    let short = |report: &Value| {
        assert_eq!(report["sufficient"], true, "the newest window has events enough: {report}");
        json!({
            "monitor": report["monitor"], "level": report["level"], "judged": true, "until": report["window_end"],
            "worst": worst(report),
        })
    };
    let expected: Vec<Value> = reports.values().map(short).collect();
    assert!(expected.iter().any(|one| one["level"] == "ALARM" && one["worst"]["subject"] == "weather"), "{expected:?}");
    let gateway = &told["gateways"][0];
    assert_eq!((&gateway["champion"], &gateway["drift"]), (&"rides@1".into(), &json!(expected)));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let drift = expected.iter().map(|one| {
        let worst = &one["worst"];
        let value = worst["value"].as_f64().expect("a value");
        let [monitor, level, until] = ["monitor", "level", "until"].map(|name| text(&one[name]));
        format!("{monitor} {level} until {until}, most in {}: {value:.3}", text(&worst["subject"]))
    });
    let line = format!("model rides@1; drift: {}", drift.collect::<Vec<_>>().join("; "));
    assert!(picture.lines().any(|shown| shown == line), "no line `{line}`: {picture}");
    at_work(dir);
}

/// While events are published, their rate and how long they waited are shown.
fn at_work(dir: &Path) {
    let deadline = Instant::now() + WAIT;
    loop {
        // Events that were there already are dropped, and counted before.
        let again = [&["publish", "rest.csv", "--pipeline", PIPELINE][..], &MAPPING].concat();
        let publishing = command(dir, &again).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut publishing = Running(publishing.expect("the binary runs"));
        let told = json_of(dir, &["top", "--once", "--interval", "2s"]);
        assert_eq!(publishing.0.wait().expect("it ends").code(), Some(0));
        let services = told["services"].as_array().expect("services");
        let validator = services.iter().find(|one| one["service"] == "validator").expect("a validator");
        if validator["state"] == "works" {
            assert!(validator["in_per_s"].as_f64() > Some(0.0) && validator["delay_ms"].is_u64(), "{validator}");
            return;
        }
        assert!(Instant::now() < deadline, "nothing is at work: {told}");
    }
}
