//! Runs a journal from bytes to bytes over a log written as text, one record a line:
//!
//! - `T0 event a t=10 c=7 m=3`: an event from partition 0 of its source, with its time and keys (`-` is null);
//! - `L0 label a t=20 v=1`: a label and when it became known;
//! - `F0 prediction a t=10 s=0.5`: a score, of a model with classes `k=tram`, too;
//! - `T0 mark 15`: a mark;
//! - several of these joined by ` + ` are one record.
//!
//! What comes out is text again. Times are in seconds.

use crate::{Counts, Journal, Settings, Target};
use arrow::array::RecordBatch;
use flow::cold::{Memory, Shelf};
use flow::config::LabelPolicy;
use flow::fence::{Control, ParentLog};
use flow::ledger::{Counts as Ended, Side};
use flow::names::{Names, Place};
use flow::processor::{InRecord, OutRecord, Processor, Stop, Task};
use flow::snapshot::State;
use flow::state::TaskState;
use flow::task::{LogTask, SchemaSource, Sink};
use flow::wire::{LogReader, LogWriter};
use schemas::codec::{Decoder, Encoder, arrow_schema};
use schemas::framing::split;
use schemas::json::JsonWriter;
use schemas::log::{Decision, log_schema, outcome_schema, refusal_schema};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const SECOND_US: i64 = 1_000_000;
const TOPICS: [(&str, i32); 7] =
    [("events", 0), ("labels", 0), ("features", 1), ("journal", 1), ("terminal", 1), ("outcomes", 0), ("refusals", 0)];
const SCHEMA_ID: u32 = 7;
const TERMINAL_PARTITIONS: u16 = 2;

/// What a journal is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Like {
    /// Whether it holds items until the watermark.
    pub(crate) holds: bool,
    /// How long it remembers an id.
    pub(crate) horizon_s: i64,
    /// Which label counts.
    pub(crate) policy: LabelPolicy,
    /// How many ids are in memory; all of them if there is no limit.
    pub(crate) in_memory: Option<usize>,
    /// What labels are, if they are no numbers.
    pub(crate) classes: &'static [&'static str],
}

pub(crate) struct Harness {
    task: LogTask<Journal>,
    input: JsonWriter,
    output: HashMap<&'static str, String>,
    next: HashMap<(char, u16), i64>,
    offset: i64,
}

struct One(Arc<str>);

impl SchemaSource for One {
    fn schema(&self, id: u32) -> Option<Arc<str>> {
        (id == SCHEMA_ID).then(|| self.0.clone())
    }
}

fn event_schema() -> Value {
    json!({"type": "record", "name": "Event", "namespace": "shop", "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "customer", "type": ["null", "long"], "default": null},
        {"name": "terminal", "type": ["null", "string"], "default": null}]})
}

fn place(topic: u16, partition: u16) -> Place {
    Place { topic, partition }
}

impl Harness {
    /// A journal that has its parents.
    pub(crate) fn new(like: Like) -> Self {
        let mut harness = Self::empty(like);
        let fence = harness.fence();
        harness.task.handle(&[fence], false, &mut Vec::new()).unwrap();
        harness
    }

    /// A journal at its log's start.
    pub(crate) fn empty(Like { holds, horizon_s, policy, in_memory, classes }: Like) -> Self {
        let names = Arc::new(Names::new(TOPICS));
        let event = event_schema();
        let decision = if classes.is_empty() { Decision::Always } else { Decision::DeclaredOrClass };
        let journal = log_schema("Journal", "shop.log", Some(&event), &[], true, Some(decision)).to_string();
        let terminal = log_schema("Terminal", "shop.log", Some(&event), &[], true, None).to_string();
        let outcomes = outcome_schema("Shop", "shop", decision, !classes.is_empty()).to_string();
        let outcome_schema = arrow_schema(&outcomes).unwrap();
        let refusals = refusal_schema(!classes.is_empty()).unwrap().to_string();
        let refusal_schema = arrow_schema(&refusals).unwrap();
        let settings = Settings {
            digest: "d".into(),
            holds,
            mark_step_us: if holds { 1 } else { 10 * SECOND_US },
            horizon_us: horizon_s * SECOND_US,
            keys: vec!["customer".into(), "terminal".into()],
            targets: vec![Target { log: 4, partitions: TERMINAL_PARTITIONS, key: 1 }],
            outcomes: 5,
            outcome_schema: outcome_schema.clone(),
            policy,
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            refusals: Some((6, refusal_schema.clone())),
        };
        let reader = LogReader::new(&journal, names.clone()).unwrap();
        let mut processor = Journal::new(place(3, 0), names.clone(), settings);
        if let Some(entries_min) = in_memory {
            processor.spill(Box::new(Shelf::new(Memory { bytes_max: 0, entries_min })));
        }
        let writer = LogWriter::new(&terminal, SCHEMA_ID, names).unwrap();
        let source = Arc::new(One(journal.as_str().into()));
        let task = LogTask::new(place(3, 0), reader, source, processor, "shop".into())
            .sink(4, Sink::Log(writer))
            .sink(5, Sink::Public(Encoder::new(&outcome_schema, SCHEMA_ID).unwrap()))
            .sink(6, Sink::Public(Encoder::new(&refusal_schema, SCHEMA_ID).unwrap()));
        let input = JsonWriter::new(&journal).unwrap();
        let output = HashMap::from([("terminal", terminal), ("outcomes", outcomes), ("refusals", refusals)]);
        Harness { task, input, output, next: HashMap::new(), offset: 0 }
    }

    fn fence(&mut self) -> InRecord {
        let parent = |log: &str, partitions, marks| ParentLog { log: log.into(), partitions, marks };
        let parents = vec![parent("events", 2, true), parent("labels", 1, true), parent("features", 2, false)];
        let fence = Control { parents, ..Control::default() }.fence(0);
        let fence = json!({"number": fence.number, "state": fence.state, "signature": ""});
        self.record(json!({"sources": [], "parents": [], "items": [], "marks": [], "fence": fence}))
    }

    fn record(&mut self, value: Value) -> InRecord {
        let value = self.input.framed(SCHEMA_ID, &value).unwrap();
        let record = InRecord { offset: self.offset, value: Some(value.into()), ..InRecord::default() };
        self.offset += 1;
        record
    }

    /// Lines to records.
    pub(crate) fn records(&mut self, script: &str) -> Vec<InRecord> {
        let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(|line| self.line(line)).collect()
    }

    fn line(&mut self, line: &str) -> InRecord {
        let (mut parents, mut items, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        for part in line.split(" + ") {
            let mut words = part.split_whitespace();
            let (from, kind) = (words.next().unwrap(), words.next().unwrap());
            let letter = from.chars().next().unwrap();
            let log = match letter {
                'T' => "events",
                'L' => "labels",
                _ => "features",
            };
            let partition: u16 = from[1..].parse().unwrap();
            if kind == "mark" {
                let time = words.next().unwrap().parse::<i64>().unwrap() * SECOND_US;
                marks.push(json!({"log": log, "partition": partition, "time": time}));
                continue;
            }
            let number = self.next.entry((letter, partition)).and_modify(|next| *next += 1).or_insert(1);
            let parent = json!({"log": log, "generation": 0, "partition": partition, "first": *number});
            let mut item = item(kind, words.next().unwrap(), words);
            item["parent"] = json!(parents.len());
            item["trigger_offset"] = json!(*number);
            item["origin_partition"] = json!(partition);
            item["origin_offset"] = json!(*number - 1);
            item["origin_source"] = json!(u8::from(letter == 'L'));
            parents.push(parent);
            items.push(item);
        }
        let sources = ["events", "labels"];
        self.record(json!({"sources": sources, "parents": parents, "items": items, "marks": marks, "fence": null}))
    }

    /// Feeds records in batches of `size`; what came out, but for marks in one list and only each partition's last.
    pub(crate) fn run(&mut self, records: &[InRecord], size: usize) -> Vec<String> {
        self.feed(records, size, false).unwrap()
    }

    pub(crate) fn feed(&mut self, records: &[InRecord], size: usize, suppressed: bool) -> Result<Vec<String>, Stop> {
        let mut out = Vec::new();
        for batch in records.chunks(size.max(1)) {
            self.task.handle(batch, suppressed, &mut out)?;
        }
        Ok(self.render(&out))
    }

    fn render(&self, out: &[OutRecord]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut marks: Vec<String> = vec![String::new(); usize::from(TERMINAL_PARTITIONS)];
        for record in out {
            let value = decode(&self.output[&*record.topic], record);
            match &*record.topic {
                "outcomes" => {
                    lines.push(outcome(record, &value));
                    continue;
                }
                "refusals" => {
                    lines.push(refusal(record, &value));
                    continue;
                }
                _ => {}
            }
            let partition = record.partition.unwrap();
            let mut number = value["parents"][0]["first"].as_i64();
            for item in value["items"].as_array().unwrap() {
                lines.push(labelled(partition, number.as_mut().unwrap(), item, &value));
            }
            if let Some(mark) = value["marks"].get(0) {
                marks[usize::from(partition)] =
                    format!("terminal/{partition} mark {} {}", mark["log"].as_str().unwrap(), seconds(&mark["time"]));
            }
        }
        // A record holds one partition's items or one outcome, so its place among the others depends on the batch;
        // the triggers do not, and give the order in which things happened.
        lines.sort_by_key(|line| {
            let trigger = line.rsplit(' ').next().unwrap().split('.');
            trigger.map(|part| part.parse::<i64>().unwrap()).collect::<Vec<_>>()
        });
        lines.extend(marks.into_iter().filter(|mark| !mark.is_empty()));
        lines
    }

    /// How all items ended that were taken, as the ledger is told for the first time.
    pub(crate) fn ended(&mut self) -> Ended {
        let mut sum = Ended::default();
        self.task.ledger().iter().filter(|row| row.side == Side::Read).for_each(|row| sum.add(&row.counts));
        sum
    }

    /// Labels by what became of them, as an operator sees it.
    pub(crate) fn labels(&self) -> Vec<(&'static str, u64)> {
        self.task.labels()
    }

    /// The state as snapshots have it.
    pub(crate) fn saved(&mut self) -> &mut dyn State {
        self.task.state().unwrap()
    }

    pub(crate) fn state(&self) -> TaskState {
        self.task.processor().save()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.task.processor().counts()
    }
}

fn item<'a>(kind: &str, id: &str, words: impl Iterator<Item = &'a str>) -> Value {
    let fields: HashMap<&str, &str> = words.map(|word| word.split_once('=').unwrap()).collect();
    let time = fields["t"].parse::<i64>().unwrap() * SECOND_US;
    let number = |name: &str| fields[name].parse::<f64>().unwrap();
    let mut item = json!({"trigger_item": 0, "index": 0, "time": time, "id": id, "key": id});
    match kind {
        "event" => {
            let customer = fields["c"].parse::<i64>().ok();
            let terminal = Some(fields["m"]).filter(|key| *key != "-");
            item["event"] = json!({"event_id": id, "customer": customer, "terminal": terminal});
        }
        "label" => item["label"] = json!({"value": number("v"), "event_time": 0}),
        _ => {
            item["prediction"] = json!({"score": number("s"), "decision": number("s") >= 0.5, "model": "m@1",
                "model_digest": "ab", "feature_set": "cd", "threshold": 0.5, "schema_id": 3, "route": "champion",
                "profile": "p"});
            if let Some(class) = fields.get("k") {
                item["prediction"]["class"] = json!(class);
                item["prediction"]["threshold"] = Value::Null;
                item["prediction"]["decision"] = Value::Null;
            }
        }
    }
    item
}

fn decode(schema: &str, record: &OutRecord) -> Value {
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(SCHEMA_ID, schema).unwrap();
    let framed = split(record.value.as_deref(), []).unwrap();
    let decoded = decoder.decode(&[framed]);
    assert_eq!(decoded.rejected, []);
    json_row(&decoded.batch)
}

fn json_row(batch: &RecordBatch) -> Value {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}

/// Arrow writes times as RFC 3339; all of ours are within a day of the epoch.
fn seconds(time: &Value) -> i64 {
    let text = time.as_str().unwrap();
    let clock = text.split('T').nth(1).unwrap().trim_end_matches('Z');
    clock.split(':').fold(0, |sum, part| sum * 60 + part.split('.').next().unwrap().parse::<i64>().unwrap())
}

/// A header of a public record about an event.
fn header<'a>(record: &'a OutRecord, row: &Value) -> impl Fn(&str) -> String + use<'a> {
    let header = |name: &str| {
        let (_, value) = record.headers.iter().find(|(header, _)| &**header == name).unwrap();
        String::from_utf8(value.clone().unwrap().to_vec()).unwrap()
    };
    assert_eq!(row["event_id"], String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap());
    assert_eq!(row["event_id"], header("ce_id"));
    header
}

fn refusal(record: &OutRecord, row: &Value) -> String {
    let header = header(record, row);
    let class = |name: &str| row[name].as_str().map(|class| format!(" ({class})")).unwrap_or_default();
    format!(
        "refused {} known={} label={}{} {} standing={}{} {} {}",
        row["event_id"].as_str().unwrap(),
        seconds(&row["known_time"]),
        row["label"],
        class("label_class"),
        row["reason"].as_str().unwrap(),
        row["standing"],
        class("standing_class"),
        header("tidemill.origin"),
        header("tidemill.emission").split('@').nth(1).unwrap(),
    )
}

fn outcome(record: &OutRecord, row: &Value) -> String {
    let header = header(record, row);
    let prediction = match &row["prediction"] {
        Value::Null => "unscored".to_owned(),
        scored => format!("{} {} {}", scored["score"], scored["decision"], scored["model"].as_str().unwrap()),
    };
    let revision = row["revision"].as_i64().unwrap();
    assert_eq!(row["repeated"], revision > 0);
    let revision = if revision > 0 { format!(" revision {revision}") } else { String::new() };
    let class = row["label_class"].as_str().map(|class| format!(" ({class})")).unwrap_or_default();
    let named = row["prediction"]["class"].as_str().map(|class| format!(" {class}")).unwrap_or_default();
    format!(
        "outcome {} t={} known={} key={} label={}{class}{revision} {prediction}{named} {} {}",
        row["event_id"].as_str().unwrap(),
        seconds(&row["event_time"]),
        seconds(&row["known_time"]),
        row["key"].as_str().unwrap(),
        row["label"],
        header("tidemill.origin"),
        header("tidemill.emission").split('@').nth(1).unwrap(),
    )
}

fn labelled(partition: u16, number: &mut i64, item: &Value, record: &Value) -> String {
    let source = item["origin_source"].as_u64().unwrap() as usize;
    let line = format!(
        "terminal/{partition} #{number} {} t={} key={} label={} event={} {}/{}@{} {}.{}.{}",
        item["id"].as_str().unwrap(),
        seconds(&item["time"]),
        item["key"].as_str().unwrap(),
        item["label"]["value"],
        seconds(&item["label"]["event_time"]),
        record["sources"][source].as_str().unwrap(),
        item["origin_partition"],
        item["origin_offset"],
        item["trigger_offset"],
        item["trigger_item"],
        item["index"],
    );
    *number += 1;
    line
}
