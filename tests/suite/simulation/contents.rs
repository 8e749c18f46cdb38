//! What a simulated cluster holds once repeats are dropped as every reader drops them, and what its logs say it must.

use super::cluster::Cluster;
use super::pipeline::PARTITIONS;
use super::process::{Kind, Role};
use super::snapshots::Saved;
use arrow::array::{Array, ArrayRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flow::items::{Items, LogBatch};
use flow::names::Place;
use flow::processor::{InRecord, OutRecord, Task};
use flow::public::EMISSION_HEADER;
use flow::reader::{Reader, Trigger};
use flow::wire::{LogReader, Raw};
use runtime::context::Context;
use runtime::log::{Header, Record, TopicPartition};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

/// One item or public record: what released it, its event, and all that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub trigger: Trigger,
    pub id: String,
    pub text: String,
}

/// Outputs by partition and the partition whose task wrote them, in the order of their numbers.
pub type Contents = BTreeMap<(TopicPartition, String), Vec<Output>>;

/// Readers of internal logs by topic. Making one takes longer than reading with it.
#[derive(Default)]
pub struct Readers(BTreeMap<std::sync::Arc<str>, LogReader>);

/// Everything that tasks wrote to internal logs and to public topics of results.
pub fn written(cluster: &Cluster, readers: &mut Readers) -> Result<Contents, String> {
    let context = &cluster.context;
    let names = &context.plan.names;
    let logs = names.entity_logs.iter().chain([&names.features_log, &names.journal_log]);
    let mut contents = Contents::new();
    let public = [&names.outcomes, &names.refusals, &names.predictions, &names.alerts];
    for tp in logs.chain(public).flat_map(|topic| partitions(topic)) {
        collect(context, &tp, &records(cluster, &tp)?, readers, &mut contents)?;
    }
    Ok(contents)
}

/// What each task must have written, computed anew from the log it reads. On the way its state is compared with that of
/// every snapshot.
pub fn recomputed(cluster: &Cluster, readers: &mut Readers) -> Result<Contents, String> {
    let (context, mut contents) = (&cluster.context, Contents::new());
    for kind in cluster.kinds.iter().filter(|kind| kind.role != Role::Validator) {
        let mut to: BTreeMap<TopicPartition, Vec<Record>> = BTreeMap::new();
        for tp in kind.topics.iter().flat_map(|log| partitions(log)) {
            for record in outputs(cluster, kind, &tp)? {
                let partition = record.partition.map_or_else(|| public(&record), i32::from);
                let into = to.entry(TopicPartition { topic: record.topic.clone(), partition }).or_default();
                let headers = record.headers.into_iter().map(|(name, value)| Header { name, value }).collect();
                let (offset, append_time_ms) = (into.len() as i64, 0);
                into.push(Record { offset, append_time_ms, key: record.key, value: record.value, headers });
            }
        }
        for (tp, records) in to {
            collect(context, &tp, &records, readers, &mut contents)?;
        }
    }
    Ok(contents)
}

/// All records of a partition.
pub fn records(cluster: &Cluster, tp: &TopicPartition) -> Result<Vec<Record>, String> {
    cluster.log.read(tp, 0).map_err(|error| error.to_string())
}

/// The partitions of a topic.
pub fn partitions(topic: &str) -> impl Iterator<Item = TopicPartition> + use<> {
    let topic: std::sync::Arc<str> = topic.into();
    (0..count(&topic)).map(move |partition| TopicPartition::new(topic.clone(), partition))
}

fn count(topic: &str) -> i32 {
    if topic.contains(".alerts.") { 1 } else { PARTITIONS }
}

fn public(record: &OutRecord) -> i32 {
    runtime::log::partition_of_key(record.key.as_deref().unwrap_or_default(), count(&record.topic))
}

fn outputs(cluster: &Cluster, kind: &Kind, tp: &TopicPartition) -> Result<Vec<OutRecord>, String> {
    let opened = kind.open(&cluster.context, &cluster.shared, tp, true).map_err(|stop| stop.to_string())?;
    let mut task = opened.task;
    let records: Vec<InRecord> = records(cluster, tp)?
        .into_iter()
        .map(|Record { offset, append_time_ms, key, value, headers }| {
            let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
            InRecord { offset, append_time_ms, key, value, headers }
        })
        .collect();
    let (mut out, mut rest) = (Vec::new(), &records[..]);
    let mut give = |task: &mut dyn Task, records: &[InRecord]| {
        let given = if records.is_empty() { Ok(()) } else { task.handle(records, false, &mut out) };
        given.map_err(|stop| stop.to_string())
    };
    for saved in Saved::of(cluster, kind, tp)? {
        let (before, after) = rest.split_at(rest.partition_point(|record| record.offset < saved.position));
        give(task.as_mut(), before)?;
        saved.verify(task.as_mut())?;
        rest = after;
    }
    give(task.as_mut(), rest)?;
    Ok(out)
}

fn collect(
    context: &Context,
    tp: &TopicPartition,
    records: &[Record],
    Readers(readers): &mut Readers,
    into: &mut Contents,
) -> Result<(), String> {
    let names = &context.plan.names;
    let public = [&names.outcomes, &names.refusals, &names.predictions, &names.alerts];
    if public.iter().any(|topic| **topic == *tp.topic) {
        return public_entries(tp, records, into);
    }
    let reader = match readers.entry(tp.topic.clone()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(context.reader(&tp.topic).map_err(|error| error.to_string())?),
    };
    let mut raws = Vec::with_capacity(records.len());
    for record in records {
        let framed = ::schemas::framing::split(record.value.as_deref(), []).map_err(|reject| reject.to_string())?;
        if !reader.knows(framed.id) {
            let schema = context.schema_source().schema(framed.id).unwrap();
            reader.add_writer(framed.id, &schema).unwrap();
        }
        raws.push(Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed });
    }
    let batch = reader.decode(&raws).map_err(|error| format!("{tp}: {error}"))?;
    items(context, tp, &batch, into)
}

/// The items of a partition, as far as they are not repeats.
fn items(context: &Context, tp: &TopicPartition, batch: &LogBatch, into: &mut Contents) -> Result<(), String> {
    let (envelope, texts, mut numbers) = (batch.items.envelope(), Texts::of(&batch.items), Reader::default());
    for head in &batch.records {
        let mut next: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
        for row in head.items.clone() {
            let parent = envelope.parent[row] as usize;
            let (place, number, trigger) = (head.parents[parent].place, next[parent], envelope.trigger(row));
            next[parent] += 1;
            let taken = numbers.take(place, number, trigger);
            let refused =
                |refusal| format!("{tp}@{}: number {number} of {}: {refusal:?}", head.offset, show(context, place));
            if taken.map_err(refused)? {
                let id = batch.items.ids().value(row).to_owned();
                let entry = Output { trigger, id, text: texts.text(row) };
                into.entry((tp.clone(), show(context, place))).or_default().push(entry);
            }
        }
    }
    Ok(())
}

fn show(context: &Context, place: Place) -> String {
    context.names.show(place)
}

/// Items as text: all of them but what depends on the record that they came in.
struct Texts<'a> {
    items: &'a Items,
    columns: Vec<(&'a str, &'a ArrayRef, ArrayFormatter<'a>)>,
}

impl<'a> Texts<'a> {
    fn of(items: &'a Items) -> Self {
        const BY_RECORD: [&str; 6] = ["parent", "source", "origin_source", "trigger_offset", "trigger_item", "index"];
        let options = FormatOptions::default();
        let columns = items.columns().fields().iter().zip(items.columns().columns());
        let columns = columns.filter(|(field, _)| !BY_RECORD.contains(&field.name().as_str()));
        let shown = |column| ArrayFormatter::try_new(column, &options).unwrap();
        let columns = columns.map(|(field, column)| (field.name().as_str(), column, shown(column)));
        Texts { items, columns: columns.collect() }
    }

    fn text(&self, row: usize) -> String {
        let mut text = format!("source={}", self.items.origin_topic(row));
        for (name, _, shown) in self.columns.iter().filter(|(_, column, _)| column.is_valid(row)) {
            let _ = write!(text, " {name}={}", shown.value(row));
        }
        text
    }
}

/// Which task emitted a public record, and what released it.
pub fn trigger_of(record: &Record) -> Result<(String, Trigger), String> {
    let emission = record.header(EMISSION_HEADER).and_then(|header| header.text()).ok_or("no emission")?;
    let (parent, trigger) = emission.split_once('@').ok_or("no trigger")?;
    let parts: Vec<i64> = trigger.split('.').filter_map(|part| part.parse().ok()).collect();
    let &[offset, item, index] = &parts[..] else { return Err(format!("no trigger: {emission}")) };
    Ok((parent.to_owned(), Trigger { offset, item: item as i32, index: index as i32 }))
}

/// Public records, without those that a reader of ours has seen already.
fn public_entries(tp: &TopicPartition, records: &[Record], into: &mut Contents) -> Result<(), String> {
    let mut seen: BTreeMap<String, Trigger> = BTreeMap::new();
    for record in records {
        let (parent, trigger) = trigger_of(record)?;
        if seen.get(&parent).is_none_or(|last| trigger > *last) {
            seen.insert(parent.clone(), trigger);
            let id = record.header("ce_id").and_then(|id| id.text()).ok_or("no id")?.to_owned();
            let text = format!("{:?} {:?}", record.key, record.value);
            into.entry((tp.clone(), parent)).or_default().push(Output { trigger, id, text });
        }
    }
    Ok(())
}
