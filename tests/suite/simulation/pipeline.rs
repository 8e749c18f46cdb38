//! The pipeline that is simulated, and what is published to it.

use bytes::Bytes;
use flow::config::{self, Pipeline};
use runtime::context::Context;
use runtime::log::{Publish, TopicPartition};
use runtime::simulated::Random;
use schemas::json::JsonWriter;
use schemas::registry::value_subject;
use serde_json::json;

const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"t","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":["null","string"],"default":null},
    {"name":"terminal","type":"string"},
    {"name":"amount","type":"double"}]}"#;
const LABEL: &str = r#"{"type":"record","name":"Mark","namespace":"t","fields":[
    {"name":"id","type":"string"},{"name":"bad","type":"boolean"},
    {"name":"known","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const PIPELINE: &str = "
pipeline: t
ordering: ORDERING
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
    rules: { paid: { check: amount >= 0, on_fail: reject } }
  marks: { topic: t.marks.events.v1, schema: Mark, labels: events, target: bad, known_time: known, horizon: 90d }
features:
  version: 1
  entities:
    customer: { key: customer, windows: [10m, 1h], aggregates: { n: count(), mean: avg(amount) } }
    terminal: { key: terminal, windows: [10m, 1h], delay: 20m, aggregates: { n: count(), risk: 'coalesce(avg(bad), 0)' } }
";

/// Partitions of every topic.
pub const PARTITIONS: i32 = 2;
/// Time of the first event: 2026-01-01, in milliseconds since the epoch.
const BEGIN_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;
const EVENTS: i64 = 60;
/// How far events arrive out of order; less than the lateness.
const SHUFFLE_MS: i64 = 4 * MINUTE_MS;
/// Between an event and its label.
const LABEL_MS: i64 = 25 * MINUTE_MS;

/// The pipeline in one of its orderings.
pub fn pipeline(ordering: &str) -> Pipeline {
    let resolve = |path: &str| Ok(if path == "Event" { EVENT } else { LABEL }.to_owned());
    let text = PIPELINE.replace("ORDERING", ordering);
    config::parse(&text, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Everything that is published, in its order: most events once, some twice, some with a fault, most with a label.
pub fn records(context: &Context, seed: u64) -> Vec<Publish> {
    let names = &context.plan.names;
    let (events, labels) = (&names.events, names.labels.as_ref().unwrap());
    let (event, label) = (JsonWriter::new(EVENT).unwrap(), JsonWriter::new(LABEL).unwrap());
    let id = |topic: &str| context.schemas.latest(&value_subject(topic)).unwrap().unwrap().0;
    let (event_id, label_id) = (id(events), id(labels));
    let mut random = Random::new(seed);
    let mut arrivals: Vec<(i64, Publish)> = Vec::new();
    for number in 0..EVENTS {
        let at = BEGIN_MS + number * MINUTE_MS + random.below(3) as i64 * MINUTE_MS;
        let customer = (!random.percent(5)).then(|| format!("c{}", random.below(4)));
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
        }
        if random.percent(80) {
            let known = at + LABEL_MS;
            let row = json!({"id": name, "bad": random.percent(40), "known": known});
            let value: Bytes = label.framed(label_id, &row).unwrap().into();
            let partition = random.below(PARTITIONS as usize) as i32;
            let arrival = known + random.below(SHUFFLE_MS as usize) as i64;
            arrivals.push((arrival, Publish::batch(TopicPartition::new(labels.as_str(), partition), value)));
        }
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    arrivals.into_iter().map(|(_, record)| record).collect()
}
