//! What internal logs hold once repeats are dropped as every reader drops them.

use arrow::row::{RowConverter, SortField};
use flow::reader::Reader;
use flow::wire::{LogReader, Raw};
use runtime::context::Context;
use runtime::log::{Input, Record, SessionOptions, TopicPartition};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Columns that depend on the record an item came in, or on what released it.
const BY_RECORD: [&str; 5] = ["parent", "origin_source", "trigger_offset", "trigger_item", "index"];
/// Ids that are shown of a difference.
const SHOWN: usize = 10;

/// The items of a log: a hash of all that each says, with its event's id, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Items {
    items: Vec<(u64, String)>,
    /// Repeats that were dropped.
    pub repeats: usize,
}

impl Items {
    /// How many there are without repeats.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Those of two logs together.
    pub fn and(mut self, other: Items) -> Self {
        self.items.extend(other.items);
        self.items.sort_unstable();
        Items { repeats: self.repeats + other.repeats, ..self }
    }
}

/// By topic.
pub type Contents = BTreeMap<String, Items>;

/// All internal logs of a pipeline that carry its events.
pub fn written(context: &Context) -> Contents {
    let names = &context.plan.names;
    let logs = names.entity_logs.iter().chain([&names.features_log, &names.journal_log]);
    logs.map(|log| (log.clone(), items(context, log))).collect()
}

/// Says what differs.
#[track_caller]
pub fn same(found: &Contents, expected: &Contents) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (log, Items { items: expected, .. }) in expected {
        let found = &found[log].items;
        if found != expected {
            let [left, right] = [found, expected].map(|items| items.iter().collect::<HashSet<_>>());
            let ids = |one: &HashSet<&(u64, String)>, other: &HashSet<&(u64, String)>| {
                one.difference(other).map(|(_, id)| id.clone()).take(SHOWN).collect::<Vec<_>>()
            };
            let (more, fewer) = (ids(&left, &right), ids(&right, &left));
            let (found, expected) = (found.len(), expected.len());
            panic!(
                "{log} has {found} items and not {expected}; too many or other ones of {more:?}, missing of {fewer:?}"
            );
        }
    }
}

/// All records of a partition.
pub fn records(context: &Context, tp: &TopicPartition) -> Vec<Record> {
    let (start, end) = context.log.watermarks(tp).unwrap();
    let input = Input::Assigned(vec![(tp.clone(), start)]);
    let mut session = context.log.session(SessionOptions::new("test.contents", input)).unwrap();
    let (mut records, mut next) = (Vec::new(), start);
    while next < end {
        for record in
            session.poll(Duration::from_millis(200)).unwrap().records.into_iter().flat_map(|(_, records)| records)
        {
            next = record.offset + 1;
            records.push(record);
        }
    }
    records
}

/// The items of a log.
pub fn items(context: &Context, log: &str) -> Items {
    let mut found = Items::default();
    for tp in super::partitions(context, log) {
        let mut reader = context.reader(log).unwrap();
        let mut numbers = Reader::default();
        for part in records(context, &tp).chunks(256) {
            take(context, &tp, &mut reader, &mut numbers, part, &mut found);
        }
    }
    found.items.sort_unstable();
    found
}

fn take(
    context: &Context,
    tp: &TopicPartition,
    reader: &mut LogReader,
    numbers: &mut Reader,
    records: &[Record],
    into: &mut Items,
) {
    let mut raw = Vec::with_capacity(records.len());
    for record in records {
        let framed = schemas::framing::split(record.value.as_deref(), []).unwrap();
        if !reader.knows(framed.id) {
            reader.add_writer(framed.id, &context.schema_source().schema(framed.id).unwrap()).unwrap();
        }
        raw.push(Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed });
    }
    let batch = reader.decode(&raw).unwrap_or_else(|error| panic!("{tp}: {error}"));
    let hashes = hashes(&batch.items);
    let envelope = batch.items.envelope();
    for head in &batch.records {
        let mut next: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
        for row in head.items.clone() {
            let parent = envelope.parent[row] as usize;
            let (place, number) = (head.parents[parent].place, next[parent]);
            next[parent] += 1;
            let taken = numbers.take(place, number, envelope.trigger(row));
            let taken = taken.unwrap_or_else(|refusal| {
                panic!("{tp}@{}: number {number} of {}: {refusal:?}", head.offset, context.names.show(place))
            });
            if taken {
                into.items.push((hashes[row], batch.items.ids().value(row).to_owned()));
            } else {
                into.repeats += 1;
            }
        }
    }
}

/// A hash of all columns of each item but those of its record.
fn hashes(items: &flow::items::Items) -> Vec<u64> {
    let columns = items.columns();
    let all = columns.fields().iter().zip(columns.columns());
    let kept = all.filter(|(field, _)| !BY_RECORD.contains(&field.name().as_str()));
    let (fields, columns): (Vec<_>, Vec<_>) =
        kept.map(|(field, column)| (SortField::new(field.data_type().clone()), column.clone())).unzip();
    let rows = RowConverter::new(fields).unwrap().convert_columns(&columns).unwrap();
    let hash = |(row, bytes): (usize, arrow::row::Row<'_>)| {
        let mut hasher = DefaultHasher::new();
        (items.origin_topic(row), bytes.as_ref()).hash(&mut hasher);
        hasher.finish()
    };
    rows.iter().enumerate().map(hash).collect()
}
