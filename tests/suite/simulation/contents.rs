//! What a simulated cluster holds once repeats are dropped as every reader drops them, and what its logs say it must.

use super::pipeline::PARTITIONS;
use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use featurizer::{Featurizer, Role};
use flow::names::Place;
use flow::processor::{InRecord, OutRecord};
use flow::public::EMISSION_HEADER;
use flow::reader::{Reader, Trigger};
use flow::wire::{LogReader, Raw};
use runtime::context::Context;
use runtime::log::{Record, SessionOptions, TopicPartition};
use runtime::shell::Service;
use std::collections::BTreeMap;
use std::time::Duration;

/// One item or public record: what released it, and all that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub trigger: String,
    pub text: String,
}

/// Entries by partition and the partition whose task wrote them, in the order of their numbers.
pub type Contents = BTreeMap<(TopicPartition, String), Vec<Entry>>;

/// All records of a partition.
pub fn records(context: &Context, tp: &TopicPartition) -> Vec<Record> {
    let (_, end) = context.log.watermarks(tp).unwrap();
    let mut session = context.log.session(SessionOptions::assigned("contents", vec![(tp.clone(), 0)])).unwrap();
    let mut found: Vec<Record> = Vec::new();
    while (found.len() as i64) < end {
        found.extend(session.poll(Duration::ZERO).unwrap().records.into_iter().flat_map(|(_, records)| records));
    }
    found
}

/// Everything that tasks wrote to internal logs and to the public topic of outcomes.
pub fn written(context: &Context) -> Result<Contents, String> {
    let names = &context.plan.names;
    let logs = names.entity_logs.iter().chain([&names.features_log, &names.journal_log]);
    let mut contents = Contents::new();
    for tp in logs.chain([&names.outcomes]).flat_map(|topic| partitions(topic)) {
        collect(context, &tp, &records(context, &tp), &mut contents)?;
    }
    Ok(contents)
}

/// What each task of the featurizer must have written, computed anew from the log it reads.
pub fn recomputed(context: &Context) -> Result<Contents, String> {
    let mut contents = Contents::new();
    for (role, log) in Featurizer::roles(context) {
        let mut to: BTreeMap<TopicPartition, Vec<Record>> = BTreeMap::new();
        for tp in partitions(&log) {
            let out = outputs(context, role, &tp)?;
            for record in out {
                let partition = record.partition.map_or_else(|| public(record.key.as_ref()), i32::from);
                let into = to.entry(TopicPartition { topic: record.topic.clone(), partition }).or_default();
                let headers = record.headers.into_iter();
                let headers = headers.map(|(name, value)| runtime::log::Header { name, value }).collect();
                let (offset, append_time_ms) = (into.len() as i64, 0);
                into.push(Record { offset, append_time_ms, key: record.key, value: record.value, headers });
            }
        }
        for (tp, records) in to {
            collect(context, &tp, &records, &mut contents)?;
        }
    }
    Ok(contents)
}

fn public(key: Option<&bytes::Bytes>) -> i32 {
    runtime::log::partition_of_key(key.map_or(&[], |key| key), PARTITIONS)
}

fn outputs(context: &Context, role: Role, tp: &TopicPartition) -> Result<Vec<OutRecord>, String> {
    let mut task = Featurizer::new(context.clone(), role).open(tp, None).map_err(|stop| stop.to_string())?.task;
    let records: Vec<InRecord> = records(context, tp)
        .into_iter()
        .map(|Record { offset, append_time_ms, key, value, headers }| {
            let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
            InRecord { offset, append_time_ms, key, value, headers }
        })
        .collect();
    let mut out = Vec::new();
    task.handle(&records, false, &mut out).map_err(|stop| stop.to_string())?;
    Ok(out)
}

fn partitions(topic: &str) -> impl Iterator<Item = TopicPartition> + use<> {
    let topic: std::sync::Arc<str> = topic.into();
    (0..PARTITIONS).map(move |partition| TopicPartition::new(topic.clone(), partition))
}

fn collect(context: &Context, tp: &TopicPartition, records: &[Record], into: &mut Contents) -> Result<(), String> {
    if *tp.topic == *context.plan.names.outcomes {
        return public_entries(tp, records, into);
    }
    let mut reader = context.reader(&tp.topic).map_err(|error| error.to_string())?;
    let mut numbers = Reader::default();
    for record in records {
        items(context, tp, &mut reader, &mut numbers, record, into)?;
    }
    Ok(())
}

/// The items of a record, as far as they are not repeats.
fn items(
    context: &Context,
    tp: &TopicPartition,
    reader: &mut LogReader,
    numbers: &mut Reader,
    record: &Record,
    into: &mut Contents,
) -> Result<(), String> {
    let framed = ::schemas::framing::split(record.value.as_deref(), []).map_err(|reject| reject.to_string())?;
    if !reader.knows(framed.id) {
        let schema = context.schema_source().schema(framed.id).unwrap();
        reader.add_writer(framed.id, &schema).unwrap();
    }
    let raw = Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed };
    let batch = reader.decode(&[raw]).map_err(|error| format!("{tp}: {error}"))?;
    let head = &batch.records[0];
    let mut next: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
    let envelope = batch.items.envelope();
    for row in head.items.clone() {
        let parent = envelope.parent[row] as usize;
        let (place, number, trigger) = (head.parents[parent].place, next[parent], envelope.trigger(row));
        next[parent] += 1;
        let taken = numbers.take(place, number, trigger);
        let refused =
            |refusal| format!("{tp}@{}: number {number} of {}: {refusal:?}", record.offset, show(context, place));
        if taken.map_err(refused)? {
            let Trigger { offset, item, index } = trigger;
            let entry = Entry { trigger: format!("{offset}.{item}.{index}"), text: text(&batch.items, row) };
            into.entry((tp.clone(), show(context, place))).or_default().push(entry);
        }
    }
    Ok(())
}

fn show(context: &Context, place: Place) -> String {
    context.names.show(place)
}

/// All of an item but what depends on the record it came in.
fn text(items: &flow::items::Items, row: usize) -> String {
    const BY_RECORD: [&str; 5] = ["parent", "source", "trigger_offset", "trigger_item", "index"];
    let columns = items.columns();
    let mut text = format!("source={}", items.origin_topic(row));
    for (field, column) in columns.fields().iter().zip(columns.columns()) {
        if !BY_RECORD.contains(&field.name().as_str()) && column.is_valid(row) {
            let shown = ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap();
            text.push_str(&format!(" {}={}", field.name(), shown.value(row)));
        }
    }
    text
}

/// Public records, without those that a reader of ours has seen already.
fn public_entries(tp: &TopicPartition, records: &[Record], into: &mut Contents) -> Result<(), String> {
    let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in records {
        let emission = record.header(EMISSION_HEADER).and_then(|header| header.text()).ok_or("no emission")?;
        let (parent, trigger) = emission.split_once('@').ok_or("no trigger")?;
        let position: Vec<i64> = trigger.split('.').map(|part| part.parse().unwrap()).collect();
        let last = seen.entry(parent.to_owned()).or_default();
        if position > *last {
            *last = position;
            let text = format!("{:?} {:?} {:?}", record.key, record.value, record.header("ce_id"));
            let entry = Entry { trigger: trigger.to_owned(), text };
            into.entry((tp.clone(), parent.to_owned())).or_default().push(entry);
        }
    }
    Ok(())
}
