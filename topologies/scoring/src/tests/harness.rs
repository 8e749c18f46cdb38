//! Runs a scorer from bytes to bytes over a log written as text, one record a line:
//!
//! - `event a t=10 c=7 amount=3 risk=0.5`: an event with its features, `-` is null;
//! - `mark 15`: a mark;
//! - `fence 1 m@1` and `fence 2 m@1 0.9`: a champion, and perhaps a threshold; `fence 3` has no champion;
//! - `unreadable 4`: a fence with a control state that nobody can read;
//! - several events and marks joined by ` + ` are one record.

use crate::settings::part;
use crate::{Models, Scorer, Settings};
use flow::fence::{Control, Fences, ModelRef, Outcome, ParentLog};
use flow::ledger::{Counts as Ended, Side};
use flow::names::{Names, Place};
use flow::processor::{InRecord, OutRecord, Processor, Stop, Task};
use flow::snapshot::State;
use flow::state::TaskState;
use flow::task::{LogTask, SchemaSource, Sink};
use flow::wire::{LogReader, LogWriter};
use model::artefact::DatasetFacts;
use model::{Artefact, Dense, Draft, Head, Model, Network, Profile, Rule, Standardisation, Threshold};
use schemas::codec::{Decoder, Encoder, arrow_schema};
use schemas::framing::split;
use schemas::json::JsonWriter;
use schemas::log::{Decision, log_schema, prediction_schema};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

const SECOND_US: i64 = 1_000_000;
const SCHEMA_ID: u32 = 7;
const JOURNAL_PARTITIONS: u16 = 2;
pub(crate) const FEATURE_SET: &str = "features-digest";

/// Models by version. Each is linear in amount and risk, and version n adds n to the sum.
pub(crate) struct Shelf(pub(crate) BTreeMap<u64, Arc<Model>>);

impl Shelf {
    pub(crate) fn new() -> Self {
        let one = |version: u64| (version, Arc::new(model(version, &["amount", "risk"], FEATURE_SET)));
        Shelf([1, 2].map(one).into())
    }

    pub(crate) fn digest(&self, version: u64) -> String {
        self.0.get(&version).map_or("none".to_owned(), |model| model.digest().to_owned())
    }
}

impl Models for Shelf {
    fn open(&self, model: &ModelRef) -> Result<Arc<Model>, String> {
        self.0.get(&model.version).cloned().ok_or_else(|| "not in the registry".to_owned())
    }
}

pub(crate) fn model(version: u64, inputs: &[&str], feature_set: &str) -> Model {
    let dense =
        Dense { inputs: inputs.len(), outputs: 1, weight: vec![1.0; inputs.len()], bias: vec![version as f32 - 4.0] };
    packed((version, inputs, feature_set), dense, &[])
}

/// A model of amount and risk with an output per class.
pub(crate) fn classed(version: u64, classes: &[&str]) -> Model {
    let outputs = classes.len();
    let weight = (0..2 * outputs).map(|at| (at as f32 - version as f32) / 4.0).collect();
    let dense = Dense { inputs: 2, outputs, weight, bias: (0..outputs).map(|at| -(at as f32)).collect() };
    packed((version, &["amount", "risk"], FEATURE_SET), dense, classes)
}

fn packed((version, inputs, feature_set): (u64, &[&str], &str), dense: Dense, classes: &[&str]) -> Model {
    let width = inputs.len();
    let standardisation = Standardisation { mean: vec![0.0; width], std: vec![1.0; width], fill: vec![0.25; width] };
    let names: Vec<String> = inputs.iter().map(|name| (*name).to_owned()).collect();
    let columns = names.iter().map(String::as_str).chain(["score"]);
    let head = if classes.is_empty() { Head::Probability } else { Head::Classes };
    let draft = Draft {
        name: "m".into(),
        parent: None,
        dataset: DatasetFacts { digest: "0".repeat(64), rows: 1, last_us: 1, ..DatasetFacts::default() },
        feature_set: feature_set.into(),
        inputs: names.clone(),
        network: Network::with_head(standardisation, vec![dense], head).unwrap(),
        vocabularies: Vec::new(),
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        threshold: classes.is_empty().then_some(Threshold { value: 0.5, rule: Rule::Fixed }),
        metrics: BTreeMap::new(),
        seed: version,
        config: BTreeMap::new(),
        environment: BTreeMap::new(),
        profile: Profile { columns: columns.map(|name| model::Column::fit(name, [0.0, 1.0])).collect() },
        golden_rows: vec![0.5; width],
    };
    Artefact::open(Artefact::pack(draft).unwrap().files()).unwrap()
}

/// Outcomes of fences in memory; takes what is not void, as a registry does.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) ended: Mutex<BTreeMap<i64, Outcome>>,
    /// Fences that are declared void just before they are taken.
    pub(crate) void_at_last: Vec<i64>,
}

impl Outcomes {
    /// These are final already.
    pub(crate) fn ended(ended: &[(i64, Outcome)]) -> Arc<Self> {
        Arc::new(Outcomes { ended: Mutex::new(ended.iter().copied().collect()), void_at_last: Vec::new() })
    }

    /// What is final, in order.
    pub(crate) fn all(&self) -> Vec<(i64, Outcome)> {
        self.ended.lock().unwrap().iter().map(|(number, outcome)| (*number, *outcome)).collect()
    }
}

impl Fences for Outcomes {
    fn ended(&self, log: &str, partition: u16, number: i64) -> Result<Option<Outcome>, Stop> {
        assert_eq!((log, partition), ("features", 0));
        Ok(self.ended.lock().unwrap().get(&number).copied())
    }

    fn take(&self, _: &str, _: u16, number: i64) -> Result<Outcome, Stop> {
        let proposed = if self.void_at_last.contains(&number) { Outcome::Void } else { Outcome::Taken };
        Ok(*self.ended.lock().unwrap().entry(number).or_insert(proposed))
    }
}

struct One(Arc<str>);

impl SchemaSource for One {
    fn schema(&self, id: u32) -> Option<Arc<str>> {
        (id == SCHEMA_ID).then(|| self.0.clone())
    }
}

pub(crate) struct Harness {
    task: LogTask<Scorer>,
    shelf: Arc<Shelf>,
    input: JsonWriter,
    output: HashMap<&'static str, String>,
    emitted: i64,
    offset: i64,
}

impl Harness {
    pub(crate) fn new(shelf: Arc<Shelf>) -> Self {
        Self::with(shelf, Arc::default())
    }

    /// A scorer that goes by these outcomes of fences.
    pub(crate) fn with(shelf: Arc<Shelf>, fences: Arc<Outcomes>) -> Self {
        Self::of(shelf, fences, &[])
    }

    /// A scorer of a pipeline whose labels have these classes.
    pub(crate) fn of(shelf: Arc<Shelf>, fences: Arc<Outcomes>, classes: &[&str]) -> Self {
        let decision = if classes.is_empty() { Decision::Always } else { Decision::DeclaredOrClass };
        let topics = [("events", 0), ("terminal", 1), ("features", 1), ("journal", 1), ("predictions", 0)];
        let names = Arc::new(Names::new(topics));
        let event = json!({"type": "record", "name": "Event", "namespace": "shop", "fields": [
            {"name": "event_id", "type": "string"},
            {"name": "customer", "type": ["null", "long"], "default": null},
            {"name": "amount", "type": ["null", "int"], "default": null}]});
        let features = log_schema("Features", "shop.log", Some(&event), &["risk".into()], false, None).to_string();
        let journal = log_schema("Journal", "shop.log", Some(&event), &[], true, Some(decision)).to_string();
        let predictions = prediction_schema("Shop", "shop", decision).to_string();
        let schema = arrow_schema(&predictions).unwrap();
        let features_schema = arrow_schema(&features).unwrap();
        let settings = Settings {
            feature_set: FEATURE_SET.into(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            schema_id: 3,
            event: part(&features_schema, "event").unwrap(),
            features: part(&features_schema, "features").unwrap(),
            key: Some("customer".into()),
            predictions: 4,
            prediction_schema: schema.clone(),
            journal: 3,
            journal_partitions: JOURNAL_PARTITIONS,
            journal_prediction: part(&arrow_schema(&journal).unwrap(), "prediction").unwrap(),
        };
        let own = Place { topic: 2, partition: 0 };
        let reader = LogReader::new(&features, names.clone()).unwrap();
        let writer = LogWriter::new(&journal, SCHEMA_ID, names.clone()).unwrap();
        let processor = Scorer::new(own, names, settings, shelf.clone(), fences);
        let task = LogTask::new(own, reader, Arc::new(One(features.as_str().into())), processor, "shop".into())
            .sink(3, Sink::Log(writer))
            .sink(4, Sink::Public(Encoder::new(&schema, SCHEMA_ID).unwrap()));
        let input = JsonWriter::new(&features).unwrap();
        let output = HashMap::from([("journal", journal), ("predictions", predictions)]);
        let mut harness = Harness { task, shelf, input, output, emitted: 0, offset: 0 };
        let first = harness.records("fence 0");
        harness.task.handle(&first, false, &mut Vec::new()).unwrap();
        harness
    }

    /// Lines to records.
    pub(crate) fn records(&mut self, script: &str) -> Vec<InRecord> {
        let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(|line| self.line(line)).collect()
    }

    fn line(&mut self, line: &str) -> InRecord {
        let (mut items, mut marks, mut fence) = (Vec::new(), Vec::new(), Value::Null);
        let first = self.emitted + 1;
        for part in line.split(" + ") {
            let words: Vec<&str> = part.split_whitespace().collect();
            match words[..] {
                ["mark", time] => {
                    let time = time.parse::<i64>().unwrap() * SECOND_US;
                    marks.push(json!({"log": "terminal", "partition": 0, "time": time}));
                }
                ["unreadable", number] => {
                    let number: i64 = number.parse().unwrap();
                    fence = json!({"number": number, "state": "{", "signature": ""});
                }
                ["fence", number, ref rest @ ..] => fence = self.fence(number.parse().unwrap(), rest),
                ["event", id, ref fields @ ..] => {
                    self.emitted += 1;
                    items.push(event(self.emitted, id, fields));
                }
                _ => panic!("{part}"),
            }
        }
        let parents = json!([{"log": "terminal", "generation": 1, "partition": 0, "first": first}]);
        let value = json!({"sources": ["events"], "parents": parents, "items": items, "marks": marks, "fence": fence});
        let value = self.input.framed(SCHEMA_ID, &value).unwrap();
        let record = InRecord { offset: self.offset, value: Some(value.into()), ..InRecord::default() };
        self.offset += 1;
        record
    }

    fn fence(&self, number: i64, words: &[&str]) -> Value {
        let champion = words.first().map(|text| {
            let (name, version) = text.split_once('@').unwrap();
            let version = version.parse().unwrap();
            ModelRef { name: name.into(), version, digest: self.shelf.digest(version) }
        });
        let threshold = words.get(1).map(|text| text.parse().unwrap());
        let parents = vec![ParentLog { log: "terminal".into(), partitions: 1, marks: true }];
        let fence = Control { parents, champion, threshold, handed_over: None }.fence(number);
        json!({"number": number, "state": fence.state, "signature": ""})
    }

    pub(crate) fn feed(&mut self, records: &[InRecord], size: usize, suppressed: bool) -> Result<Vec<String>, Stop> {
        let mut out = Vec::new();
        for batch in records.chunks(size) {
            self.task.handle(batch, suppressed, &mut out)?;
        }
        Ok(self.render(&out))
    }

    fn render(&self, out: &[OutRecord]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut marks = vec![String::new(); usize::from(JOURNAL_PARTITIONS)];
        for record in out {
            let value = decode(&self.output[&*record.topic], record);
            if &*record.topic == "predictions" {
                lines.push(prediction(record, &value));
                continue;
            }
            let partition = record.partition.unwrap();
            for (at, item) in value["items"].as_array().unwrap().iter().enumerate() {
                let number = value["parents"][0]["first"].as_i64().unwrap() + at as i64;
                let class = item["prediction"]["class"].as_str().map(|class| format!(" {class}")).unwrap_or_default();
                lines.push(format!(
                    "journal/{partition} #{number} {}{class} {} {} {} {}.{}.{}",
                    item["id"].as_str().unwrap(),
                    item["prediction"]["score"],
                    item["prediction"]["decision"],
                    item["prediction"]["model"].as_str().unwrap(),
                    item["trigger_offset"],
                    item["trigger_item"],
                    item["index"],
                ));
            }
            if let Some(mark) = value["marks"].get(0) {
                marks[usize::from(partition)] = format!("journal/{partition} mark {}", mark["time"].as_str().unwrap());
            }
        }
        lines.sort_by_key(|line| {
            let trigger = line.rsplit(' ').next().unwrap().split('.');
            trigger.map(|part| part.parse::<i64>().unwrap()).collect::<Vec<_>>()
        });
        lines.extend(marks.into_iter().filter(|mark| !mark.is_empty()));
        lines
    }

    pub(crate) fn in_force(&self) -> Option<i64> {
        self.task.fence()
    }

    /// The state as snapshots have it.
    /// How all items ended that were taken, as the ledger is told for the first time.
    pub(crate) fn ended(&mut self) -> Ended {
        let mut sum = Ended::default();
        self.task.ledger().iter().filter(|row| row.side == Side::Read).for_each(|row| sum.add(&row.counts));
        sum
    }

    pub(crate) fn saved(&mut self) -> &mut dyn State {
        self.task.state().unwrap()
    }

    pub(crate) fn state(&self) -> TaskState {
        self.task.processor().save()
    }
}

fn event(number: i64, id: &str, words: &[&str]) -> Value {
    let fields: HashMap<&str, &str> = words.iter().map(|word| word.split_once('=').unwrap()).collect();
    let whole = |name: &str| fields[name].parse::<i64>().ok();
    let time = whole("t").unwrap() * SECOND_US;
    let customer = whole("c");
    json!({"parent": 0, "trigger_offset": number, "trigger_item": 0, "index": 0, "origin_source": 0,
        "origin_partition": 0, "origin_offset": number - 1, "time": time, "id": id, "key": "",
        "event": {"event_id": id, "customer": customer, "amount": whole("amount")},
        "features": {"risk": fields["risk"].parse::<f64>().ok()}})
}

fn decode(schema: &str, record: &OutRecord) -> Value {
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(SCHEMA_ID, schema).unwrap();
    let framed = split(record.value.as_deref(), []).unwrap();
    let decoded = decoder.decode(&[framed]);
    assert_eq!(decoded.rejected, []);
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(&decoded.batch).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}

fn prediction(record: &OutRecord, row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap();
    let (_, emission) = record.headers.iter().find(|(name, _)| &**name == "tidemill.emission").unwrap();
    let emission = String::from_utf8(emission.clone().unwrap().to_vec()).unwrap();
    let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
    assert_eq!(row["challengers"], json!([]));
    let class = row["class"].as_str().map(|class| format!(" {class} of {}", row["probabilities"])).unwrap_or_default();
    format!(
        "prediction[{key}] {} {} key={}{class} score={} threshold={} {} {} digest={} features={} schema={} {} {} {}",
        text("event_id"),
        text("event_time"),
        text("key"),
        row["score"],
        row["threshold"],
        row["decision"],
        text("model"),
        text("model_digest").len(),
        text("feature_set"),
        row["schema_id"],
        text("route"),
        text("profile"),
        emission.split('@').nth(1).unwrap(),
    )
}
