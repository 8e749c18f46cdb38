//! The pipeline that is simulated, and what is published to it.

use bytes::Bytes;
use flow::config::{self, Ordering, Pipeline};
use runtime::context::Context;
use runtime::log::{Publish, TopicPartition};
use runtime::simulated::Random;
use schemas::json::JsonWriter;
use schemas::registry::{SchemaRegistry, value_subject};
use serde_json::json;

const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"t","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":["null","string"],"default":null},
    {"name":"terminal","type":"string"},
    {"name":"amount","type":"double"}]}"#;
/// The same with a field more, which no service reads.
const LATER_EVENT: &str = r#"{"type":"record","name":"Event","namespace":"t","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":["null","string"],"default":null},
    {"name":"terminal","type":"string"},
    {"name":"amount","type":"double"},
    {"name":"note","type":["null","string"],"default":null}]}"#;
const LABEL: &str = r#"{"type":"record","name":"Mark","namespace":"t","fields":[
    {"name":"id","type":"string"},{"name":"bad","type":"boolean"},
    {"name":"known","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const PIPELINE: &str = "
pipeline: t
ordering: ORDERING
delivery: DELIVERY
lateness: 10m
partitions: 2
sources:
  events:
    topic: t.pay.events.v1
    schema: Event
    id: id
    event_time: at
    dedupe_horizon: 1d
    max_future: 36500d
    rules: { paid: { check: amount >= LEAST, on_fail: reject } }
  marks: { topic: t.marks.events.v1, schema: Mark, labels: events, target: bad, known_time: known, horizon: 90d, policy: POLICY }
features:
  version: 1
  entities:
    customer: { key: customer, windows: [10m, 1h], aggregates: { n: count(), mean: avg(amount) } }
    terminal: { key: terminal, windows: [10m, 1h], delay: 20m, aggregates: { n: count(), risk: 'coalesce(avg(bad), 0)' } }
models:
  fraud: { target: bad, inputs: [amount], network: { mlp: [4] } }
";

/// Partitions of every topic but that of alerts.
pub const PARTITIONS: i32 = 2;
/// What stands for `event_time` with limits that push customers out.
pub const LIMITED: &str = "limited";
/// Customers; two of those under limits have one key group, which may have one key.
const CUSTOMERS: [[&str; 4]; 2] = [["c0", "c1", "c2", "c3"], ["17", "22", "c2", "c3"]];
/// Time of the first event: 2026-01-01, in milliseconds since the epoch.
const BEGIN_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;
const EVENTS: i64 = 60;
/// How far events arrive out of order; less than the lateness.
const SHUFFLE_MS: i64 = 4 * MINUTE_MS;
/// Between an event and its label.
const LABEL_MS: i64 = 25 * MINUTE_MS;
/// Of a hundred labels so many are contradicted by a second one, known up to so long before or after.
const DISPUTED: u32 = 25;
const DISPUTE_MS: i64 = 3 * MINUTE_MS;
/// The least amount that is accepted, by the first rule and by the one that comes later.
const LEAST: [&str; 2] = ["0", "500"];
/// An amount that any rule accepts.
const AMPLE: f64 = 600.0;
/// What ids of events begin with that are written with the later schema.
pub const LATER: char = 'x';

/// The pipeline in one of its orderings, with the first rule or the one that comes later.
pub fn pipeline(ordering: &str, exactly_once: bool, is_later: bool) -> Pipeline {
    let resolve = |path: &str| Ok(if path == "Event" { EVENT } else { LABEL }.to_owned());
    // Which of two labels counts is decided by what they say, in both policies.
    let (ordering, limits, policy) = match ordering {
        LIMITED => ("event_time", "limits: { keys: 256 }, windows", "first"),
        ordering => (ordering, "windows", "last"),
    };
    let text = PIPELINE
        .replacen("windows", limits, 1)
        .replace("POLICY", policy)
        .replace("ORDERING", ordering)
        .replace("LEAST", LEAST[usize::from(is_later)]);
    let text = text.replace("DELIVERY", if exactly_once { "exactly_once" } else { "low_latency" });
    config::parse(&text, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The id of the schema that comes later.
pub fn later_schema(registry: &dyn SchemaRegistry) -> u32 {
    registry.register("later", LATER_EVENT).unwrap()
}

/// Everything that is published, in its order: most events once, some twice, some with a fault, most with a label, some
/// with two that contradict each other, some with the later schema. The latter change nothing for the others, whether
/// they are accepted or not. Where things count in the order of their arrival no labels contradict each other: which
/// outcomes and refusals there are would be another matter in each history.
pub fn records(context: &Context, seed: u64) -> Vec<Publish> {
    let names = &context.plan.names;
    let (events, labels) = (&names.events, names.labels.as_ref().unwrap());
    let (event, label) = (JsonWriter::new(EVENT).unwrap(), JsonWriter::new(LABEL).unwrap());
    let (later, later_id) = (JsonWriter::new(LATER_EVENT).unwrap(), later_schema(&*context.schemas));
    let id = |topic: &str| context.schemas.latest(&value_subject(topic)).unwrap().unwrap().0;
    let (event_id, label_id) = (id(events), id(labels));
    let customers = CUSTOMERS[usize::from(context.pipeline.features.entities[0].is_limited())];
    let is_ordered = context.pipeline.ordering == Ordering::EventTime;
    let (mut random, mut disputes) = (Random::new(seed), Random::new(!seed));
    let mut arrivals: Vec<(i64, Publish)> = Vec::new();
    for number in 0..EVENTS {
        let at = BEGIN_MS + number * MINUTE_MS + random.below(3) as i64 * MINUTE_MS;
        let customer = (!random.percent(5)).then(|| customers[random.below(4)]);
        let amount = if random.percent(5) { -1.0 } else { random.below(10_000) as f64 / 7.0 };
        let name = format!("e{number}");
        let row = json!({"id": name, "at": at, "customer": customer, "terminal": format!("t{}", random.below(3)), "amount": amount});
        let value: Bytes = event.framed(event_id, &row).unwrap().into();
        for _ in 0..=usize::from(random.percent(15)) {
            // One in twenty is too late to be taken.
            let late_ms = if random.percent(5) { 20 * MINUTE_MS } else { 0 };
            let partition = random.below(PARTITIONS as usize) as i32;
            let arrival = at + random.below(SHUFFLE_MS as usize) as i64 + late_ms;
            arrivals.push((arrival, Publish::batch(TopicPartition::new(events.as_str(), partition), value.clone())));
            if amount >= AMPLE && random.percent(20) {
                let name = format!("{LATER}{}", arrivals.len());
                let row =
                    json!({"id": name, "at": at, "customer": "x", "terminal": "x", "amount": amount, "note": "x"});
                let value: Bytes = later.framed(later_id, &row).unwrap().into();
                arrivals.push((arrival, Publish::batch(TopicPartition::new(events.as_str(), partition), value)));
            }
        }
        if random.percent(80) {
            // Clocks differ: some labels are known before their events happen.
            let known = at + if random.percent(15) { -2 * MINUTE_MS } else { LABEL_MS };
            let bad = random.percent(40);
            let mut tell = |random: &mut Random, bad: bool, known: i64| {
                let row = json!({"id": name, "bad": bad, "known": known});
                let value: Bytes = label.framed(label_id, &row).unwrap().into();
                let partition = random.below(PARTITIONS as usize) as i32;
                let arrival = known + random.below(SHUFFLE_MS as usize) as i64;
                arrivals.push((arrival, Publish::batch(TopicPartition::new(labels.as_str(), partition), value)));
            };
            tell(&mut random, bad, known);
            if is_ordered && disputes.percent(DISPUTED) {
                let apart = [-DISPUTE_MS, 0, DISPUTE_MS][disputes.below(3)];
                tell(&mut disputes, !bad, known + apart);
            }
        }
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    arrivals.into_iter().map(|(_, record)| record).collect()
}
