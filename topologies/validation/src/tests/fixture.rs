//! A small pipeline, its schemas and decisions in memory, and items read back from the bytes the validator wrote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use flow::config::{self, Pipeline};
use flow::ledger::Side;
use flow::names::{Names, Place};
use flow::plan::{self, Plan};
use flow::processor::{InRecord, OutRecord, Stop, Task};
use flow::task::SchemaSource;
use flow::wire::{LogReader, LogWriter, Raw};
use schemas::framing;
use schemas::json::JsonWriter;
use serde_json::{Value, json};

use crate::breaker::Breaker;
use crate::retry::letter::Letter;
use crate::{Retried, Retrier, RuleSet, Rulebook, Source, Target, Validator, Verdict, Verdicts, Wiring};

/// 2026-01-01T10:00:00Z.
pub const TEN_MS: i64 = 1_767_261_600_000;
/// The schema id that the events are written with.
pub const EVENT_ID: u32 = 7;
/// The schema id that the labels are written with.
pub const LABEL_ID: u32 = 8;
const LOG_ID: u32 = 99;

pub const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"t","fields":[
    {"name":"id","type":["null","string"],"default":null},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":["null","string"],"default":null},
    {"name":"terminal","type":"long"},
    {"name":"amount","type":["null","double"],"default":null},
    {"name":"kind","type":"string","default":"card"},
    {"name":"note","type":["null","string"],"default":null}]}"#;

const LABEL: &str = r#"{"type":"record","name":"Mark","namespace":"t","fields":[
    {"name":"id","type":"string"},
    {"name":"bad","type":["null","boolean"],"default":null},
    {"name":"known","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null}]}"#;

const PIPELINE: &str = "
pipeline: t
ordering: event_time
lateness: 60s
partitions: 2
sources:
  events:
    topic: t.pay.events.v1
    schema: Event
    id: id
    event_time: at
    max_future: 1h
    fields:
      terminal: { min: 0, max: 1000 }
      kind: { enum: [card, cash] }
      customer: { required: false }
    rules:
      share: { check: \"100 / terminal >= 0 or amount is null\", on_fail: reject }
      amount: { check: amount is null or amount < 1000, on_fail: reject }
  marks: { topic: t.marks.events.v1, schema: Mark, labels: events, target: bad, known_time: known, horizon: 90d }
features:
  version: 1
  entities:
    customer: { key: customer, windows: [1d], aggregates: { count: count() } }
    terminal: { key: terminal, windows: [1d], aggregates: { risk: avg(bad) } }
";

pub fn pipeline() -> Pipeline {
    pipeline_of(PIPELINE)
}

/// The pipeline with a piece of its text replaced.
pub fn pipeline_with(old: &str, new: &str) -> Pipeline {
    assert!(PIPELINE.contains(old), "{old}");
    pipeline_of(&PIPELINE.replace(old, new))
}

fn pipeline_of(yaml: &str) -> Pipeline {
    parsed(yaml, LABEL)
}

/// The pipeline with labels of another schema, which are these classes and in this format.
pub fn pipeline_with_classes(label: &str, classes: &str, format: &str) -> Pipeline {
    let source = format!("target: bad, classes: {classes}, format: {format}");
    parsed(&PIPELINE.replace("target: bad", &source).replace("avg(bad)", "count()"), label)
}

fn parsed(yaml: &str, label: &str) -> Pipeline {
    let resolve = |path: &str| Ok(if path == "Event" { EVENT } else { label }.to_owned());
    config::parse(yaml, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Schemas by id.
#[derive(Default)]
pub struct Schemas(pub Mutex<BTreeMap<u32, Arc<str>>>);

impl Schemas {
    pub fn add(&self, id: u32, text: &str) {
        self.0.lock().unwrap().insert(id, text.into());
    }
}

impl SchemaSource for Schemas {
    fn schema(&self, id: u32) -> Option<Arc<str>> {
        self.0.lock().unwrap().get(&id).cloned()
    }
}

/// Decisions by create-if-absent, in memory.
#[derive(Default)]
pub struct Decisions {
    pub verdicts: Mutex<BTreeMap<(String, u16, i64), Verdict>>,
    pub rules: Mutex<BTreeMap<(String, u16, i64), String>>,
    pub sets: Mutex<BTreeMap<String, String>>,
    pub retries: Mutex<BTreeMap<(String, u16, i64, u32), Retried>>,
}

impl Verdicts for Decisions {
    fn schema(&self, topic: &str, partition: u16, offset: i64, _: u32, proposal: Verdict) -> Result<Verdict, Stop> {
        let mut verdicts = self.verdicts.lock().unwrap();
        Ok(verdicts.entry((topic.to_owned(), partition, offset)).or_insert(proposal).clone())
    }

    fn rules(&self, topic: &str, partition: u16, bucket: i64, proposal: &str) -> Result<String, Stop> {
        let mut rules = self.rules.lock().unwrap();
        Ok(rules.entry((topic.to_owned(), partition, bucket)).or_insert(proposal.to_owned()).clone())
    }

    fn retry(&self, letter: &Letter, proposal: Retried) -> Result<Retried, Stop> {
        let mut retries = self.retries.lock().unwrap();
        let of = (letter.topic.clone(), letter.partition, letter.offset, letter.attempt);
        Ok(retries.entry(of).or_insert(proposal).clone())
    }

    fn rule_set(&self, _: &str, version: &str) -> Result<Option<String>, Stop> {
        Ok(self.sets.lock().unwrap().get(version).cloned())
    }
}

/// Everything around validators.
pub struct World {
    pub pipeline: Pipeline,
    pub plan: Plan,
    pub names: Arc<Names>,
    pub schemas: Arc<Schemas>,
    pub decisions: Arc<Decisions>,
    book: Arc<Rulebook>,
    /// Whether events are copied as they were encoded.
    pub splices: bool,
}

impl World {
    pub fn new() -> Self {
        Self::of(pipeline())
    }

    pub fn of(pipeline: Pipeline) -> Self {
        let plan = plan::plan(&pipeline);
        let logs = plan.topics.iter().map(|topic| (topic.name.as_str(), i32::from(topic.name.ends_with(".g1"))));
        let names = Arc::new(Names::new(logs));
        let schemas = Schemas::default();
        // As registries give it: the same schema in another spelling.
        schemas.add(EVENT_ID, EVENT);
        schemas.add(LABEL_ID, LABEL);
        let source = Arc::new(Source::events(&pipeline).unwrap());
        let book = Arc::new(Rulebook::new(source, &RuleSet::of_events(&pipeline)).unwrap());
        World { pipeline, plan, names, schemas: Arc::new(schemas), decisions: Arc::default(), book, splices: true }
    }

    pub fn place(&self, topic: &str, partition: u16) -> Place {
        Place { topic: self.names.number(topic).unwrap(), partition }
    }

    fn target(&self, log: &str) -> Target {
        let topic = self.plan.topic(log).unwrap();
        let writer = LogWriter::new(&self.schema(log), LOG_ID, self.names.clone()).unwrap();
        let target = Target::new(self.names.number(log).unwrap(), topic.partitions as u16, writer);
        match self.splices {
            true => target.splicing(topic.schema.as_ref().unwrap(), self.book.source().json()),
            false => target,
        }
    }

    fn schema(&self, log: &str) -> String {
        self.plan.topic(log).unwrap().schema.as_ref().unwrap().to_string()
    }

    pub fn events(&self, partition: u16) -> Validator {
        self.validator(self.book.clone(), partition)
    }

    /// A validator of the same topics under another version of the pipeline file.
    pub fn events_of(&self, pipeline: &Pipeline, partition: u16) -> Validator {
        let source = Arc::new(Source::events(pipeline).unwrap());
        self.validator(Rulebook::new(source, &RuleSet::of_events(pipeline)).unwrap().into(), partition)
    }

    pub fn labels(&self, partition: u16) -> Validator {
        let source = Arc::new(Source::labels(&self.pipeline).unwrap().unwrap());
        self.validator(Rulebook::new(source, &RuleSet::of_labels(&self.pipeline)).unwrap().into(), partition)
    }

    /// The task of a partition of retries, under a version of the pipeline file.
    pub fn retries_of(&self, pipeline: &Pipeline, partition: u16) -> Retrier {
        let source = Arc::new(Source::events(pipeline).unwrap());
        let book = Rulebook::new(source, &RuleSet::of_events(pipeline)).unwrap();
        self.retrier(book.into(), partition)
    }

    pub fn label_retries(&self, partition: u16) -> Retrier {
        let source = Arc::new(Source::labels(&self.pipeline).unwrap().unwrap());
        self.retrier(Rulebook::new(source, &RuleSet::of_labels(&self.pipeline)).unwrap().into(), partition)
    }

    fn retrier(&self, book: Arc<Rulebook>, partition: u16) -> Retrier {
        let own = self.place(&plan::Names::retries(book.source().topic()), partition);
        Retrier::new(book.clone(), Wiring { own, ..self.wiring(&book, partition) }).unwrap()
    }

    fn validator(&self, book: Arc<Rulebook>, partition: u16) -> Validator {
        let wiring = self.wiring(&book, partition);
        Validator::new(book, wiring).unwrap()
    }

    fn wiring(&self, book: &Rulebook, partition: u16) -> Wiring {
        Wiring {
            own: self.place(book.source().topic(), partition),
            names: self.names.clone(),
            entity: Some(self.target(self.plan.names.first_log())),
            journal: self.target(&self.plan.names.journal_log),
            schemas: self.schemas.clone(),
            verdicts: self.decisions.clone(),
            breaker: Breaker::new(self.pipeline.events.breaker),
        }
    }

    /// Everything written, decoded.
    pub fn read(&self, out: &[OutRecord]) -> Written {
        let mut written = Written::default();
        let mut readers: BTreeMap<&str, LogReader> = BTreeMap::new();
        for record in out {
            match record.topic.contains(".log.") {
                true => {
                    let reader = readers.entry(&record.topic).or_insert_with(|| self.reader(&record.topic));
                    Self::read_log(reader, record, &mut written);
                }
                false => written.others.push(record.clone()),
            }
        }
        written
    }

    fn reader(&self, log: &str) -> LogReader {
        let mut reader = LogReader::new(&self.schema(log), self.names.clone()).unwrap();
        reader.add_writer(LOG_ID, &self.schema(log)).unwrap();
        reader
    }

    fn read_log(reader: &mut LogReader, record: &OutRecord, written: &mut Written) {
        let framed = framing::split(record.value.as_deref(), []).unwrap();
        let batch = reader.decode(&[Raw { offset: 0, append_time_ms: 0, framed }]).unwrap();
        let log = (record.topic.to_string(), record.partition.unwrap());
        let head = &batch.records[0];
        for (place, mark_us) in &head.marks {
            written.marks.entry(log.clone()).or_default().push((*place, *mark_us));
        }
        let envelope = batch.items.envelope();
        for row in head.items.clone() {
            let event: Vec<String> =
                batch.items.event().into_iter().flat_map(|event| event.columns()).map(|c| show(c, row)).collect();
            let item = Item {
                parent: head.parents[envelope.parent[row] as usize].place,
                number: head.parents[0].first + row as i64,
                trigger: (envelope.trigger_offset[row], envelope.trigger_item[row], envelope.index[row]),
                origin: (batch.items.origin_topic(row), envelope.origin_partition[row], envelope.origin_offset[row]),
                time_us: envelope.time_us[row],
                id: batch.items.ids().value(row).to_owned(),
                key: batch.items.keys().value(row).to_owned(),
                event: event.join("|"),
                label: batch.items.label().and_then(|labels| labels.get(row)),
            };
            written.items.entry(log.clone()).or_default().push(item);
        }
    }
}

fn show(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) { "-".into() } else { array_value_to_string(column, row).unwrap() }
}

/// One decoded item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub parent: Place,
    pub number: i64,
    pub trigger: (i64, i32, i32),
    pub origin: (u16, i32, i64),
    pub time_us: i64,
    pub id: String,
    pub key: String,
    pub event: String,
    pub label: Option<(f64, i64)>,
}

/// What a validator wrote, by log partition in order.
#[derive(Debug, Default)]
pub struct Written {
    pub items: BTreeMap<(String, u16), Vec<Item>>,
    pub marks: BTreeMap<(String, u16), Vec<(Place, i64)>>,
    pub others: Vec<OutRecord>,
}

impl Written {
    /// Topic, origin offset and reason (empty for late records) of what went beside the logs, in order per topic.
    pub fn beside(&self) -> Vec<(String, i64, String)> {
        let one = |record: &OutRecord| {
            let origin = header(record, "__connect.errors.offset").or(header(record, "tidemill.origin")).unwrap();
            let offset = origin.rsplit('@').next().unwrap().parse().unwrap();
            (record.topic.to_string(), offset, header(record, "tidemill.dlq.reason").unwrap_or_default())
        };
        let mut beside: Vec<_> = self.others.iter().map(one).collect();
        beside.sort_by(|a, b| a.0.cmp(&b.0));
        beside
    }
}

pub fn header(record: &OutRecord, name: &str) -> Option<String> {
    let value = record.headers.iter().find(|(known, _)| &**known == name)?.1.clone()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

/// An event as JSON, `seconds` after ten o'clock.
pub fn event(id: &str, customer: Option<&str>, seconds: i64) -> Value {
    json!({"id": id, "at": TEN_MS + seconds * 1_000, "customer": customer, "terminal": 3, "amount": 1.5})
}

pub fn framed(schema: &str, id: u32, object: &Value) -> Vec<u8> {
    JsonWriter::new(schema).unwrap().framed(id, object).unwrap()
}

/// A record with these value bytes, appended a minute after ten.
pub fn record(offset: i64, value: impl Into<Option<Vec<u8>>>) -> InRecord {
    let value: Option<Vec<u8>> = value.into();
    InRecord { offset, append_time_ms: TEN_MS + 60_000, value: value.map(Into::into), ..InRecord::default() }
}

pub fn event_record(offset: i64, object: &Value) -> InRecord {
    record(offset, framed(EVENT, EVENT_ID, object))
}

pub fn label_record(offset: i64, id: &str, bad: Option<bool>, known_s: Option<i64>) -> InRecord {
    let known = known_s.map(|seconds| (TEN_MS + seconds * 1_000) * 1_000);
    record(offset, framed(LABEL, LABEL_ID, &json!({"id": id, "bad": bad, "known": known})))
}

/// Handles records in batches of the given size and reads what was written.
pub fn run(world: &World, task: &mut impl Task, records: &[InRecord], batch: usize) -> Written {
    let mut out = Vec::new();
    records.chunks(batch).for_each(|records| task.handle(records, false, &mut out).unwrap());
    world.read(&out)
}

/// How many records a task has accepted, found late and dead-lettered, as its ledger tells it for the first time.
pub fn fates(task: &mut Validator) -> [u64; 3] {
    let rows = task.ledger();
    let read = rows.iter().filter(|row| row.side == Side::Read).map(|row| row.counts);
    read.fold([0; 3], |[good, late, dead], one| [good + one.emitted, late + one.late, dead + one.dead])
}
