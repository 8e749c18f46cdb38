//! Runs both steps of a monitor from bytes to bytes. The logs are text, one record a line; `F0` and `F1` are partitions
//! of the features log, `J0` is the journal:
//!
//! - `F0 fence 1 m@1`: a champion;
//! - `F0 events t=11 n=3 x=0.2`: so many events at one time, `-` is null;
//! - `J0 scores t=11 n=3 s=0.4 m@1`: so many predictions;
//! - `F0 mark 20`: a mark; in the journal it stands for both scorers.

use crate::{Inputs, Judge, JudgeTask, Judging, Profiles, Scores, Setup, Topics};
use flow::config::{Monitor, Promote, Psi, Retraining, Trigger};
use flow::fence::{Control, ModelRef, ParentLog};
use flow::names::{Names, Place};
use flow::processor::{InRecord, OutRecord, Processor, Task};
use flow::snapshot::Merged;
use flow::task::{LogTask, SchemaSource, Sink};
use flow::wire::LogReader;
use model::{Column, Profile, Vocabulary};
use schemas::codec::{Decoder, Encoder, arrow_schema};
use schemas::contracts;
use schemas::framing::split;
use schemas::json::JsonWriter;
use schemas::log::{Decision, log_schema};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const SECOND_US: i64 = 1_000_000;
const LOG_ID: u32 = 7;
const SKETCHES_ID: u32 = 8;
const TOPICS: [&str; 8] = ["events", "terminal", "features", "journal", "sketches", "drift", "alerts", "retraining"];
const FEATURES: u16 = 2;
const JOURNAL: u16 = 3;

struct Known(HashMap<u32, Arc<str>>);

impl SchemaSource for Known {
    fn schema(&self, id: u32) -> Option<Arc<str>> {
        self.0.get(&id).cloned()
    }
}

/// Every model was trained on as many x below 0.5 as above, and on four low scores to a high one.
struct Flat;

impl Profiles for Flat {
    fn profile(&self, model: &ModelRef) -> Result<Arc<Profile>, String> {
        if model.version > 2 {
            return Err("not in the registry".to_owned());
        }
        let column = |name: &str, counts: [u64; 2]| Column {
            name: name.into(),
            nulls: 0,
            edges: vec![0.5],
            counts: counts.to_vec(),
        };
        Ok(Arc::new(Profile { columns: vec![column("x", [50, 50]), column("score", [80, 20])] }))
    }

    fn vocabularies(&self, _: &ModelRef) -> Result<Vec<Arc<Vocabulary>>, String> {
        Ok(Vec::new())
    }
}

fn names() -> Arc<Names> {
    Arc::new(Names::new(TOPICS.map(|topic| (topic, i32::from(matches!(topic, "terminal" | "features" | "journal"))))))
}

pub(crate) fn monitor() -> Monitor {
    Monitor {
        name: "watch".into(),
        model: "m".into(),
        window_us: 10 * SECOND_US,
        psi: Psi { features: vec!["x".into()], warn: 0.1, alarm: 0.25 },
        min_events: 4,
    }
}

fn event() -> Value {
    json!({"type": "record", "name": "Event", "namespace": "shop", "fields": [{"name": "event_id", "type": "string"}]})
}

/// One partition of a log being written, and the sketches its task gave.
struct Partition {
    log: u16,
    partition: u16,
    input: JsonWriter,
    emitted: i64,
    records: Vec<InRecord>,
}

impl Partition {
    fn new(log: u16, partition: u16) -> Self {
        let mut own = Partition {
            log,
            partition,
            input: JsonWriter::new(&schema(log)).unwrap(),
            emitted: 0,
            records: Vec::new(),
        };
        own.fence(0, None);
        own
    }

    fn push(&mut self, items: Vec<Value>, marks: Vec<Value>, fence: Value) {
        let first = self.emitted + 1;
        self.emitted += items.len() as i64;
        let parents = json!([{"log": self.parent(), "generation": 1, "partition": 0, "first": first}]);
        let value = json!({"sources": ["events"], "parents": parents, "items": items, "marks": marks, "fence": fence});
        let value = Some(self.input.framed(LOG_ID, &value).unwrap().into());
        self.records.push(InRecord { offset: self.records.len() as i64, value, ..InRecord::default() });
    }

    fn parent(&self) -> &'static str {
        if self.log == FEATURES { "terminal" } else { "features" }
    }

    fn fence(&mut self, number: i64, champion: Option<&str>) {
        let champion = champion.map(|text| ModelRef {
            name: text.split_once('@').unwrap().0.into(),
            version: text.split_once('@').unwrap().1.parse().unwrap(),
            digest: format!("digest-of-{text}"),
        });
        let parent = |log: &str, partitions, marks| ParentLog { log: log.into(), partitions, marks };
        let parents = match self.log {
            FEATURES => vec![parent("terminal", 1, true)],
            _ => vec![parent("events", 1, true), parent("features", 2, false)],
        };
        let fence = Control { parents, champion, threshold: None, handed_over: None }.fence(number);
        self.push(Vec::new(), Vec::new(), json!({"number": number, "state": fence.state, "signature": ""}));
    }

    fn line(&mut self, words: &[&str]) {
        let fields: HashMap<&str, &str> = words.iter().filter_map(|word| word.split_once('=')).collect();
        match words[0] {
            "fence" => self.fence(words[1].parse().unwrap(), words.get(2).copied()),
            "mark" => {
                let time = words[1].parse::<i64>().unwrap() * SECOND_US;
                let partitions = if self.log == FEATURES { 1 } else { 2 };
                let mark = |partition| json!({"log": self.parent(), "partition": partition, "time": time});
                let mut marks: Vec<Value> = (0..partitions).map(mark).collect();
                // The validators are far ahead of the scorers, and that must not close anything.
                if self.log == JOURNAL {
                    marks.push(json!({"log": "events", "partition": 0, "time": time + 1_000 * SECOND_US}));
                }
                self.push(Vec::new(), marks, Value::Null);
            }
            kind => {
                let count = fields["n"].parse::<i64>().unwrap();
                let time = fields["t"].parse::<i64>().unwrap() * SECOND_US;
                let items = (1..=count).map(|at| {
                    let mut item = json!({"parent": 0, "trigger_offset": self.emitted + at, "trigger_item": 0, "index": 0,
                        "origin_source": 0, "origin_partition": 0, "origin_offset": 0, "time": time, "id": "e",
                        "key": ""});
                    if kind == "events" {
                        item["event"] = json!({"event_id": "e"});
                        item["features"] = json!({"x": fields["x"].parse::<f64>().ok()});
                    } else {
                        let (score, model) = (fields["s"].parse::<f64>().unwrap(), *words.last().unwrap());
                        item["prediction"] = json!({"score": score, "decision": false, "model": model,
                            "model_digest": format!("digest-of-{model}"), "feature_set": "f", "threshold": 0.5,
                            "schema_id": 3, "route": "champion", "profile": "p"});
                    }
                    item
                });
                let items = items.collect();
                self.push(items, Vec::new(), Value::Null);
            }
        }
    }

    /// The step-one task at the log's start.
    fn task(&self) -> Box<dyn Task> {
        let own = Place { topic: self.log, partition: self.partition };
        let sketches = arrow_schema(contracts::avro(contracts::SKETCHES).unwrap()).unwrap();
        let setup = Setup {
            own,
            names: names(),
            monitors: &[monitor()],
            profiles: Arc::new(Flat),
            sketches: (4, sketches),
            digest: "features-digest",
        };
        if self.log == FEATURES { self.coded(Inputs::new(setup)) } else { self.coded(Scores::new(setup)) }
    }

    fn coded<P: Processor + 'static>(&self, processor: P) -> Box<dyn Task> {
        let own = Place { topic: self.log, partition: self.partition };
        let schema = schema(self.log);
        let reader = LogReader::new(&schema, names()).unwrap();
        let known = Arc::new(Known([(LOG_ID, schema.as_str().into())].into()));
        let sketches = arrow_schema(contracts::avro(contracts::SKETCHES).unwrap()).unwrap();
        let task = LogTask::new(own, reader, known, processor, "shop".into());
        Box::new(task.sink(4, Sink::Public(Encoder::new(&sketches, SKETCHES_ID).unwrap())))
    }

    /// Runs the step-one task in batches of `size`, the first `suppressed` records without output.
    fn sketches(&self, size: usize, suppressed: usize) -> Vec<OutRecord> {
        let (mut task, mut out) = (self.task(), Vec::new());
        let (before, after) = self.records.split_at(suppressed.min(self.records.len()));
        before.chunks(size).for_each(|batch| task.handle(batch, true, &mut out).unwrap());
        after.chunks(size).for_each(|batch| task.handle(batch, false, &mut out).unwrap());
        out
    }

    /// The same, with another task that goes on from the state that the first one had at a record.
    fn resumed(&self, at: usize) -> Vec<OutRecord> {
        resumed(&self.records, at, || self.task())
    }
}

/// What two tasks give, the second of which takes up the state of the first.
fn resumed(records: &[InRecord], at: usize, task: impl Fn() -> Box<dyn Task>) -> Vec<OutRecord> {
    let (before, after) = records.split_at(at.min(records.len()));
    let (mut first, mut second, mut whole) = (task(), task(), task());
    let mut out = Vec::new();
    before.chunks(3).for_each(|batch| first.handle(batch, false, &mut out).unwrap());
    let state = first.state().unwrap();
    let (blob, changes) = (state.cut(), state.collect(1).unwrap());
    let mut merged = Merged::default();
    merged.add(&changes.bytes).unwrap();
    let from = merged.restore(&blob, second.state().unwrap()).unwrap();
    assert_eq!(from, before.last().map_or(0, |record| record.offset + 1));
    assert_eq!(second.metadata(), first.metadata());
    after.chunks(3).for_each(|batch| second.handle(batch, false, &mut out).unwrap());
    records.chunks(3).for_each(|batch| whole.handle(batch, true, &mut Vec::new()).unwrap());
    assert_eq!(second.metadata(), whole.metadata());
    assert_eq!(second.state().unwrap().cut(), whole.state().unwrap().cut(), "taken up at record {at}");
    out
}

fn schema(log: u16) -> String {
    match log {
        FEATURES => log_schema("Features", "shop.log", Some(&event()), &["x".into()], false, None),
        _ => log_schema("Journal", "shop.log", Some(&event()), &[], true, Some(Decision::Always)),
    }
    .to_string()
}

/// All logs of a script.
pub(crate) struct Logs(Vec<Partition>);

impl Logs {
    pub(crate) fn new(script: &str) -> Self {
        let mut logs =
            [(FEATURES, 0), (FEATURES, 1), (JOURNAL, 0)].map(|(log, partition)| Partition::new(log, partition));
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = ["F0", "F1", "J0"].iter().position(|name| *name == words[0]).unwrap();
            logs[at].line(&words[1..]);
        }
        Logs(logs.into())
    }

    /// What step one leaves in the sketches topic, task after task.
    pub(crate) fn sketches(&self, size: usize, suppressed: usize) -> Vec<InRecord> {
        read(self.0.iter().flat_map(|partition| partition.sketches(size, suppressed)))
    }

    /// The same with tasks that go on from the state at a record.
    pub(crate) fn resumed(&self, at: usize) -> Vec<InRecord> {
        read(self.0.iter().flat_map(|partition| partition.resumed(at)))
    }
}

/// Records as the next task reads them.
fn read(written: impl Iterator<Item = OutRecord>) -> Vec<InRecord> {
    let record = |(offset, record): (usize, OutRecord)| InRecord {
        offset: offset as i64,
        append_time_ms: 0,
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    written.enumerate().map(record).collect()
}

/// The step-two task at its topic's start.
fn judge_task() -> Box<dyn Task> {
    let judging = Judging {
        pipeline: "shop".into(),
        feature_set: "features-digest".into(),
        monitor: monitor(),
        retraining: Some(Retraining {
            on: vec![Trigger::Drift],
            train_window_us: 100 * SECOND_US,
            label_delay_us: 5 * SECOND_US,
            holdout_us: 10 * SECOND_US,
            promote: Promote::Manual,
        }),
        features_partitions: 2,
        journal_partitions: 1,
    };
    let known = Arc::new(Known([(SKETCHES_ID, contracts::avro(contracts::SKETCHES).unwrap().into())].into()));
    let judges = vec![Judge::new(judging, Arc::new(Flat))];
    let topics = Topics { drift: (5, 15), alerts: (6, 16), retraining: Some((7, 17)) };
    let own = Place { topic: 4, partition: 0 };
    Box::new(JudgeTask::new(own, names(), known, judges, topics, ("shop", "features-digest")).unwrap())
}

/// Step two with a task that goes on from the state at a record.
pub(crate) fn judge_resumed(records: &[InRecord], at: usize) -> Vec<String> {
    resumed(records, at, judge_task).iter().map(render).collect()
}

/// Step two over a sketches topic; `suppressed` records are taken without output.
pub(crate) fn judge(records: &[InRecord], suppressed: usize) -> Vec<String> {
    let (mut task, mut out) = (judge_task(), Vec::new());
    let (before, after) = records.split_at(suppressed);
    task.handle(before, true, &mut out).unwrap();
    task.handle(after, false, &mut out).unwrap();
    out.iter().map(render).collect()
}

fn render(record: &OutRecord) -> String {
    let (path, id) = match &*record.topic {
        "drift" => (contracts::DRIFT_REPORT, 15),
        "alerts" => (contracts::ALERT, 16),
        _ => (contracts::RETRAINING_REQUEST, 17),
    };
    let row = decode(contracts::avro(path).unwrap(), id, record);
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let clock = |name: &str| text(name)[14..19].to_owned();
    let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
    match id {
        15 => {
            let statistics = row["statistics"].as_array().unwrap().iter().map(|row| {
                let (value, level) = (row["value"].as_f64().unwrap(), row["level"].as_str().unwrap());
                format!(" {} {value:.4} {level} {}+{}", row["subject"].as_str().unwrap(), row["events"], row["nulls"])
            });
            let (model, level) = (text("model"), text("level"));
            let window = format!("{}..{}", clock("window_start"), clock("window_end"));
            let statistics = statistics.collect::<String>();
            format!("report {window} {model} {} {} {level}:{statistics}", row["events"], row["sufficient"])
        }
        16 => {
            assert_eq!(text("incident"), key);
            let evidence = row["evidence"].as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap());
            let evidence = evidence.collect::<Vec<_>>().join(" ");
            let state = format!("{} {} {}", text("state"), row["revision"], text("severity"));
            let since = format!("{} since {}", clock("updated_time"), clock("opened_time"));
            format!("alert {key} {state} at {since}: {}; {} [{evidence}]", text("title"), text("cause"))
        }
        _ => {
            assert_eq!((text("request"), text("state")), (key.clone(), "REQUESTED".to_owned()));
            let data = format!("{}..{}", clock("data_from"), clock("data_to"));
            format!(
                "request {key} at {}: train {} on {data}; {}",
                clock("requested_time"),
                text("model"),
                text("reason")
            )
        }
    }
}

fn decode(schema: &str, id: u32, record: &OutRecord) -> Value {
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(id, schema).unwrap();
    let decoded = decoder.decode(&[split(record.value.as_deref(), []).unwrap()]);
    assert_eq!(decoded.rejected, []);
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(&decoded.batch).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}
