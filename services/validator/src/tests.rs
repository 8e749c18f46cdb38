//! Tests of the service on a real embedded log with real registries.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use flow::config;
use flow::names::Place;
use flow::plan;
use flow::reader::Reader;
use flow::wire::{LogReader, Raw};
use registry::decisions::Decisions;
use registry::schemas::FileRegistry;
use registry::store::Store;
use runtime::context::{self, Context};
use runtime::embedded::Embedded;
use runtime::log::{Publish, Session, SessionOptions, TopicPartition};
use schemas::compatibility::Compatibility;
use schemas::framing;
use schemas::json::JsonWriter;
use schemas::registry::{RegisterError, SchemaRegistry, Unavailable, value_subject};
use serde_json::json;

use crate::quiet::Quiet;
use crate::{Error, Options, ProgressWriter, Published};

const DEADLINE: Duration = Duration::from_secs(60);
/// Silence that is soon over.
const SOON: Duration = Duration::from_millis(300);
/// Silence that no test sees the end of.
const NEVER: Duration = Duration::from_secs(3_600);
const TEN_MS: i64 = 1_767_261_600_000;

pub const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"t","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":["null","string"],"default":null}]}"#;
const LABEL: &str = r#"{"type":"record","name":"Mark","namespace":"t","fields":[
    {"name":"id","type":"string"},{"name":"bad","type":"boolean"},
    {"name":"known","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const PIPELINE: &str = "
pipeline: t
ordering: event_time
lateness: 60s
partitions: 2
sources:
  events: { topic: t.pay.events.v1, schema: Event, id: id, event_time: at, max_future: 36500d }
  marks: { topic: t.marks.events.v1, schema: Mark, labels: events, target: bad, known_time: known, horizon: 90d }
features:
  version: 1
  entities:
    customer: { key: customer, windows: [1d], aggregates: { count: count() } }
";

pub fn context(dir: &Path) -> Context {
    let resolve = |path: &str| Ok(if path == "Event" { EVENT } else { LABEL }.to_owned());
    let pipeline = config::parse(PIPELINE, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let plan = plan::plan(&pipeline);
    let store = Store::local(&dir.join("registry")).unwrap();
    let log = Arc::new(Embedded::open(dir.join("log")).unwrap());
    let context = Context::new(log, Arc::new(FileRegistry::new(store)), pipeline, plan);
    runtime::apply::apply(&context).unwrap();
    context
}

/// Runs the service over the registry in a folder.
fn run(dir: &Path, context: &Context, idle_timeout: Duration) -> Result<(), Error> {
    let decisions = Decisions::new(Store::local(&dir.join("registry")).unwrap());
    crate::run(context.clone(), decisions, Options { idle_timeout, ..Options::new(&context.pipeline) })
}

/// Publishes objects to a source topic's partitions, in order.
pub fn publish(context: &Context, topic: &str, schema: &str, objects: &[(i32, serde_json::Value)]) {
    let (id, _) = context.schemas.latest(&value_subject(topic)).unwrap().unwrap();
    let writer = JsonWriter::new(schema).unwrap();
    // What is public is to be seen at once.
    let options = SessionOptions { durable: true, ..SessionOptions::publisher("test") };
    let mut session = context.log.session(options).unwrap();
    for (partition, object) in objects {
        let value = writer.framed(id, object).unwrap();
        session.publish(Publish::batch(TopicPartition::new(topic, *partition), value.into())).unwrap();
    }
    session.flush().unwrap();
}

pub fn event(partition: i32, n: i64) -> (i32, serde_json::Value) {
    (partition, json!({"id": format!("e{partition}-{n}"), "at": TEN_MS + n * 1_000, "customer": format!("c{}", n % 5)}))
}

/// A reader of one internal log that checks emission numbers as stages do.
struct Log1 {
    session: Box<dyn Session>,
    reader: LogReader,
    numbers: BTreeMap<i32, Reader>,
    ids: Vec<String>,
    marks: BTreeMap<(i32, Place), i64>,
}

impl Log1 {
    fn open(context: &Context, name: &str) -> Self {
        let topic = context.plan.topic(name).unwrap();
        let starts = (0..topic.partitions as i32).map(|partition| (TopicPartition::new(name, partition), 0));
        let session = context.log.session(SessionOptions::assigned("test", starts.collect())).unwrap();
        let schema = topic.schema.as_ref().unwrap().to_string();
        let mut reader = LogReader::new(&schema, Arc::new(context.plan.numbered())).unwrap();
        let (id, _) = context.schemas.latest(&value_subject(name)).unwrap().unwrap();
        reader.add_writer(id, &schema).unwrap();
        Log1 { session, reader, numbers: BTreeMap::new(), ids: Vec::new(), marks: BTreeMap::new() }
    }

    /// Reads until the condition holds.
    #[track_caller]
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < DEADLINE, "{what}: {:?} {:?}", self.ids, self.marks);
            let poll = self.session.poll(Duration::from_millis(50)).unwrap();
            for (tp, record) in
                poll.records.iter().flat_map(|(tp, records)| records.iter().map(move |record| (tp, record)))
            {
                let framed = framing::split(record.value.as_deref(), []).unwrap();
                let raw = Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed };
                let batch = self.reader.decode(&[raw]).unwrap();
                let head = &batch.records[0];
                let mut next: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
                for row in head.items.clone() {
                    let parent = batch.items.envelope().parent[row] as usize;
                    let (place, number) = (head.parents[parent].place, next[parent]);
                    next[parent] += 1;
                    let trigger = batch.items.envelope().trigger(row);
                    let numbers = self.numbers.entry(tp.partition).or_default();
                    if numbers.take(place, number, trigger).unwrap() {
                        self.ids.push(batch.items.ids().value(row).to_owned());
                    }
                }
                for (place, mark_us) in &head.marks {
                    let mark = self.marks.entry((tp.partition, *place)).or_insert(i64::MIN);
                    *mark = (*mark).max(*mark_us);
                }
            }
        }
    }

    fn marks_reach(&self, count: usize, mark_us: i64) -> bool {
        self.marks.len() == count && self.marks.values().all(|mark| *mark == mark_us)
    }
}

/// Runs the service, as so many members of its group, while `work` does.
fn serving<T>(dir: &Path, context: &Context, members: usize, idle: Duration, work: impl FnOnce() -> T) -> T {
    context.stop.store(false, Ordering::Relaxed);
    thread::scope(|scope| {
        let services: Vec<_> = (0..members).map(|_| scope.spawn(|| run(dir, context, idle))).collect();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        context.stop.store(true, Ordering::Relaxed);
        services.into_iter().for_each(|service| service.join().unwrap().unwrap());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn events_and_labels_come_through_and_quiet_partitions_let_everything_out() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let names = &context.plan.names;
    let (mut first, mut journal) = (Log1::open(&context, names.first_log()), Log1::open(&context, &names.journal_log));
    let some: Vec<_> = (0..50).map(|n| event((n % 2) as i32, n)).collect();
    publish(&context, &names.events, EVENT, &some);
    let label = json!({"id": "e0-0", "bad": true, "known": TEN_MS + 90_000});
    publish(
        &context,
        names.labels.as_ref().unwrap(),
        LABEL,
        &[(1, label), (0, json!({"id": "", "bad": true, "known": TEN_MS}))],
    );
    serving(dir.path(), &context, 1, SOON, || {
        // Two event partitions mark the first log's two partitions; label partitions mark the journal's, too.
        let end_us = (TEN_MS + 90_000) * 1_000 + 1;
        first.until("events", |log| log.ids.len() == 50 && log.marks_reach(4, end_us));
        journal.until("labels", |log| log.ids.len() == 51 && log.marks_reach(8, end_us));
    });
    let letters = format!("{}.validator.dlq", names.labels.as_ref().unwrap());
    assert_eq!(context.log.watermarks(&TopicPartition::new(letters, 0)).unwrap(), (0, 1));
    // Another process goes on where this one stopped: same numbers, nothing twice, marks taken up.
    let more: Vec<_> = (200..230).map(|n| event((n % 2) as i32, n)).collect();
    publish(&context, &names.events, EVENT, &more);
    serving(dir.path(), &context, 1, SOON, || {
        let end_us = (TEN_MS + 229_000) * 1_000 + 1;
        first.until("more events", |log| log.ids.len() == 80 && log.marks_reach(4, end_us));
    });
    assert!(context.log.watermarks(&TopicPartition::new(names.progress.as_str(), 0)).unwrap().1 >= 4);
}

#[test]
fn members_of_the_group_learn_from_each_other_when_all_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let names = &context.plan.names;
    let mut journal = Log1::open(&context, &names.journal_log);
    serving(dir.path(), &context, 3, SOON, || {
        for round in 0..4 {
            let some: Vec<_> = (0..20).map(|n| event((n % 2) as i32, round * 20 + n)).collect();
            publish(&context, &names.events, EVENT, &some);
            let count = (round as usize + 1) * 20;
            let end_us = (TEN_MS + (round * 20 + 19) * 1_000) * 1_000 + 1;
            journal.until("a round", |log| log.ids.len() == count && log.marks_reach(8, end_us));
        }
    });
}

/// Says for every source partition what a publisher did to it: where each ended before, and how many records it wrote.
fn say(context: &Context, before: &BTreeMap<TopicPartition, i64>, wrote: impl Fn(&TopicPartition) -> i64) {
    let mut writer = ProgressWriter::open(context).unwrap();
    let mut session = context.log.session(SessionOptions::publisher("test")).unwrap();
    for (tp, to) in ends(context) {
        let word = Published { from: before[&tp], to, records: wrote(&tp) };
        session.publish(writer.done(&tp, word).unwrap()).unwrap();
    }
    session.flush().unwrap();
}

fn ends(context: &Context) -> BTreeMap<TopicPartition, i64> {
    let partitions = |topic: &String| (0..2).map(|partition| TopicPartition::new(topic.as_str(), partition)).collect();
    let all = context.plan.names.sources().flat_map(|topic| -> Vec<TopicPartition> { partitions(topic) });
    all.map(|tp| (tp.clone(), context.log.watermarks(&tp).unwrap().1)).collect()
}

#[test]
fn publishers_that_are_done_need_no_silence() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let names = &context.plan.names;
    let (mut first, mut journal) = (Log1::open(&context, names.first_log()), Log1::open(&context, &names.journal_log));
    let publish = |seconds: std::ops::Range<i64>| {
        let some: Vec<_> = seconds.map(|n| event((n % 2) as i32, n)).collect();
        publish(&context, &names.events, EVENT, &some);
    };
    let events = |count: i64| move |tp: &TopicPartition| if tp.topic.contains("pay") { count } else { 0 };
    let begin = ends(&context);
    publish(0..50);
    serving(dir.path(), &context, 2, NEVER, || {
        say(&context, &begin, events(25));
        let all_out = |log: &Log1, count, second: i64| {
            log.ids.len() == count && log.marks.values().all(|mark| *mark == (TEN_MS + second * 1_000) * 1_000 + 1)
        };
        first.until("events", |log| all_out(log, 50, 49) && log.marks.len() == 4);
        journal.until("events", |log| all_out(log, 50, 49) && log.marks.len() == 8);
        // Two at once: the first one is done, and what the other one still has is older.
        let (begin, lateness_us) = (ends(&context), 60_000_000);
        publish(100..120);
        let other = ends(&context);
        publish(70..80);
        say(&context, &begin, events(10));
        first.until("what both wrote", |log| log.ids.len() == 80);
        publish(80..90);
        first.until("what the other one wrote", |log| log.ids.len() == 90);
        let last_us = (TEN_MS + 119_000) * 1_000;
        assert!(first.marks.values().all(|mark| *mark <= last_us - lateness_us), "{:?}", first.marks);
        say(&context, &other, events(10));
        first.until("all", |log| all_out(log, 90, 119));
        journal.until("all", |log| all_out(log, 90, 119));
    });
}

#[test]
fn topics_without_the_pipelines_schema_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(dir.path());
    let other = Store::local(&dir.path().join("other")).unwrap();
    context.schemas = Arc::new(FileRegistry::new(other));
    let error = run(dir.path(), &context, SOON).unwrap_err().to_string();
    assert_eq!(error, "topic t.customer.log.f1.g1 has no schema in the registry; run `tidemill apply`");
    // The newest one under that name is somebody else's.
    let subject = value_subject(context.plan.names.first_log());
    context.schemas.register(&subject, EVENT).unwrap();
    let error = run(dir.path(), &context, SOON).unwrap_err().to_string();
    assert!(error.contains("t.customer.log.f1.g1 is registered, but is not this pipeline's"), "{error}");
}

struct Down;

impl SchemaRegistry for Down {
    fn by_id(&self, _: u32) -> Result<Option<Arc<str>>, Unavailable> {
        Err(Unavailable { message: "down".into() })
    }
    fn latest(&self, _: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable> {
        Err(Unavailable { message: "down".into() })
    }
    fn register(&self, _: &str, _: &str) -> Result<u32, RegisterError> {
        Err(Unavailable { message: "down".into() }.into())
    }
    fn history(&self, _: &str) -> Result<Vec<Arc<str>>, Unavailable> {
        Err(Unavailable { message: "down".into() })
    }
    fn rule(&self, _: &str) -> Result<Option<Compatibility>, Unavailable> {
        Err(Unavailable { message: "down".into() })
    }
    fn set_rule(&self, _: &str, _: Compatibility) -> Result<(), Unavailable> {
        Err(Unavailable { message: "down".into() })
    }
}

#[test]
fn a_registry_that_is_down_stalls_the_service_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let context = Context { schemas: Arc::new(Down), ..context(dir.path()) };
    context.stop.store(true, Ordering::Relaxed);
    let stopped = run(dir.path(), &context, SOON);
    assert!(matches!(stopped, Err(Error::Context(context::Error::Stopped))), "{stopped:?}");
}

#[test]
fn a_partition_is_quiet_after_the_timeout_unless_records_wait() {
    let start = Instant::now();
    let timeout = Duration::from_secs(30);
    let mut quiet = Quiet::new(5, start);
    let mut judge_done = |next: i64, seconds: u64, end: i64, done: Option<i64>| {
        quiet.judge(next, start + Duration::from_secs(seconds), timeout, done, || Ok::<_, ()>(end)).unwrap()
    };
    let mut judge = |next: i64, seconds: u64, end: i64| judge_done(next, seconds, end, None);
    assert!(!judge(5, 29, 5));
    assert!(!judge(5, 31, 6), "a record waits to be read");
    assert!(judge(5, 32, 5));
    assert!(judge(5, 33, 5));
    assert!(!judge(6, 34, 6), "a record came");
    assert!(!judge(6, 63, 6));
    assert!(judge(6, 64, 6));
    assert!(!judge(7, 65, 9));
    assert!(!judge(7, 100, 9));
    assert!(judge(7, 185, 9), "an end that nobody can reach");
    assert!(!judge_done(8, 186, 9, Some(9)), "not read up to there");
    assert!(judge_done(9, 187, 9, Some(9)), "publishers are done");
    assert!(judge_done(9, 188, 9, Some(9)));
    assert!(!judge_done(10, 189, 10, Some(9)), "somebody else goes on");
    assert!(!judge_done(10, 190, 11, Some(10)), "more came behind it");
    assert!(judge_done(11, 191, 11, Some(11)));
}
