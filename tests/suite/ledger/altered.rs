//! One record is changed in a copy of all topics: the edge it went over says so, its bucket and the record.

use super::{World, records};
use arrow::array::UInt32Array;
use arrow::compute::take;
use flow::items::LogBatch;
use flow::wire::{Draft, Raw, Rows};
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::ledger::{differences, recount};
use runtime::log::{Input, Log, Publish, Record, SessionOptions, TopicPartition};
use std::sync::Arc;

/// What is left of a partition's records.
type Change<'a> = &'a dyn Fn(Vec<Record>) -> Vec<Record>;
/// Which rows of a record there are afterwards, in which order.
type Order<'a> = &'a dyn Fn(Vec<u32>) -> Vec<u32>;
/// Source topic, partition and offset.
type Origin = (String, u16, i64);

/// A copy of all topics, with one partition changed.
fn copy(world: &World, changed: &TopicPartition, change: Change<'_>) -> (Context, tempfile::TempDir) {
    let (context, dir) = (world.context(), tempfile::tempdir().unwrap());
    let log: Arc<dyn Log> = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
    let copied = Context { log, ..context.clone() };
    copied.log.create_topics(&context.topic_specs()).unwrap();
    let options = SessionOptions { durable: true, ..SessionOptions::new("test.copy", Input::None) };
    let mut session = copied.log.session(options).unwrap();
    for topic in &context.plan.topics {
        for (tp, _, _) in context.bounds(&topic.name).unwrap() {
            let all = records(context, &tp);
            let all = if tp == *changed { change(all) } else { all };
            for Record { key, value, headers, .. } in all {
                let (topic, partition) = (tp.topic.clone(), Some(tp.partition));
                session.publish(Publish { topic, partition, key, value, headers }).unwrap();
            }
        }
    }
    session.flush().unwrap();
    (copied, dir)
}

/// What the ledger says of a changed partition: all differences are about this record, if about any.
#[track_caller]
fn check(world: &World, tp: &TopicPartition, change: Change<'_>, (differs, odd): (Option<&Origin>, bool), what: &str) {
    let what = format!("{tp}: {what}");
    let (copied, _dir) = copy(world, tp, change);
    let counted = recount(&copied, &world.verified.sample).unwrap();
    let (found, oddities) = differences(&counted, &world.verified);
    assert_eq!(found.is_empty(), differs.is_none(), "{what}: {found:?}");
    for difference in &found {
        let (topic, partition, bucket) = &difference.bucket;
        let origin = difference.record.map(|offset| (topic.clone(), *partition, offset));
        assert_eq!((&*difference.to, *bucket, origin.as_ref()), (&*tp.topic, 0, differs), "{what}: {difference:?}");
    }
    assert_eq!(oddities.is_empty(), !odd, "{what}: readers stop, or they do not: {oddities:?}");
    let log = tp.to_string();
    assert!(oddities.iter().all(|oddity| oddity.log == log), "{what}: {oddities:?}");
}

/// From stage to stage, from validator to stage, from scorer to journal, and to what others read.
pub fn every_edge_is_watched(world: &World) {
    let names = &world.context().plan.names;
    let parents = [&names.events, &names.entity_logs[0], names.entity_logs.last().unwrap(), &names.features_log];
    let logs = [&names.entity_logs[0], &names.entity_logs[1], &names.features_log, &names.journal_log];
    for (parent, log) in parents.into_iter().zip(logs) {
        items(world, parent, log);
    }
    for topic in [&names.predictions, &names.outcomes] {
        results(world, topic);
    }
    dead_letters(world, &flow::plan::Names::dead_letters(&names.events));
}

/// A log that keeps all its records, and the items of one in another order.
pub fn items(world: &World, parent: &str, log: &str) {
    let context = world.context();
    let whole = |order: Vec<u32>| order;
    let several = context.bounds(log).unwrap().into_iter().find_map(|(tp, _, _)| {
        let with_items = records(context, &tp).into_iter().map(|record| {
            let (_, batch) = altered(context, log, &record, &whole);
            (record, batch)
        });
        let of_parent = |batch: &LogBatch| {
            let parents = &batch.records[0].parents;
            parents.iter().any(|one| **context.names.topic(one.place.topic) == *parent)
        };
        let found = with_items.into_iter().find(|(_, batch)| batch.items.len() > 3 && of_parent(batch));
        found.map(|(record, batch)| (tp, record, batch))
    });
    let (tp, record, batch) = several.unwrap_or_else(|| panic!("{log} has a record of several items of {parent}"));
    let origin = batch.items.origin(1);
    let place = origin.place;
    let origin = (context.names.topic(place.topic).to_string(), place.partition, origin.offset);
    let deleted = |order: Vec<u32>| order.into_iter().filter(|row| *row != 1).collect();
    let doubled = |order: Vec<u32>| order.into_iter().flat_map(|row| vec![row; if row == 1 { 2 } else { 1 }]).collect();
    let swapped = |mut order: Vec<u32>| {
        order.swap(1, 2);
        order
    };
    // As many, from the same records: only the numbers tell that items were swapped.
    let changes: [(&str, Order<'_>, Option<&Origin>); 3] = [
        ("an item deleted", &deleted, Some(&origin)),
        ("an item doubled", &doubled, Some(&origin)),
        ("two items swapped", &swapped, None),
    ];
    for (what, order, differs) in changes {
        let value = altered(context, log, &record, order).0.value;
        let change = |mut all: Vec<Record>| {
            let changed = all.iter_mut().filter(|one| one.offset == record.offset);
            changed.for_each(|one| one.value.clone_from(&value));
            all
        };
        check(world, &tp, &change, (differs, true), what);
    }
}

/// A record with its items in another order, some left out, or some twice.
fn altered(context: &Context, topic: &str, record: &Record, order: Order<'_>) -> (Publish, LogBatch) {
    let framed = schemas::framing::split(record.value.as_deref(), []).unwrap();
    let (mut reader, mut writer) = (context.reader(topic).unwrap(), context.writer(topic).unwrap());
    reader.add_writer(framed.id, &context.schema_source().schema(framed.id).unwrap()).unwrap();
    let raw = Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed };
    let batch = reader.decode(&[raw]).unwrap();
    let (head, items) = (&batch.records[0], &batch.items);
    let order = order((0..head.items.len() as u32).collect());
    let mut rows = Rows::default();
    for row in order.iter().map(|row| *row as usize) {
        let envelope = items.envelope();
        let (id, key) = (items.ids().value(row), items.keys().value(row));
        rows.push(envelope.parent[row], envelope.trigger(row), items.origin(row), envelope.time_us[row], id, key);
    }
    let order = UInt32Array::from(order);
    for part in ["event", "features", "label", "prediction"] {
        if let Some(column) = items.columns().column_by_name(part) {
            rows.parts.push((part, take(column.as_ref(), &order, None).unwrap()));
        }
    }
    let (parents, marks, fence) = (head.parents.clone(), head.marks.clone(), head.fence.clone());
    let draft = Draft { parents, rows, marks, fence, ..Draft::default() };
    let tp = TopicPartition::new(topic, 0);
    (Publish::batch(tp, writer.encode(draft).unwrap()), batch)
}

fn header(record: &Record, name: &str) -> String {
    record.header(name).and_then(|header| header.text()).unwrap_or_else(|| panic!("{name}")).to_owned()
}

/// `topic/partition` and an offset after this sign.
fn origin_of(text: &str, sign: char) -> Origin {
    let (place, offset) = text.rsplit_once(sign).unwrap();
    let (topic, partition) = place.rsplit_once('/').unwrap();
    (topic.to_owned(), partition.parse().unwrap(), offset.parse().unwrap())
}

/// A public topic. A reader drops what is not above the highest trigger of its task's partition.
fn results(world: &World, topic: &str) {
    let context = world.context();
    let parent = |record: &Record| header(record, "tidemill.emission").split_once('@').unwrap().0.to_owned();
    let pair = context.bounds(topic).unwrap().into_iter().find_map(|(tp, _, _)| {
        let all = records(context, &tp);
        let at = all.windows(2).position(|two| parent(&two[0]) == parent(&two[1]))?;
        let [first, second] = [0, 1].map(|next| origin_of(&header(&all[at + next], "tidemill.origin"), '@'));
        Some((tp, at, first, second))
    });
    let (tp, at, first, second) = pair.expect("two results of one task");
    let without = move |mut all: Vec<Record>| {
        all.remove(at);
        all
    };
    let twice = move |mut all: Vec<Record>| {
        all.insert(at + 1, all[at].clone());
        all
    };
    let swapped = move |mut all: Vec<Record>| {
        all.swap(at, at + 1);
        all
    };
    let exchanged = move |mut all: Vec<Record>| {
        all[at + 1] = all[at].clone();
        all
    };
    check(world, &tp, &without, (Some(&first), false), "a result deleted");
    check(world, &tp, &twice, (None, false), "a result again, which readers drop");
    check(world, &tp, &swapped, (Some(&first), false), "two results swapped, of which readers drop one");
    check(world, &tp, &exchanged, (Some(&second), false), "a result exchanged for another");
}

/// Dead letters stand in any order and any number of times, and say which record they are.
fn dead_letters(world: &World, topic: &str) {
    let context = world.context();
    let several = |tp: &TopicPartition| records(context, tp).len() > 1;
    let tp = context.bounds(topic).unwrap().into_iter().map(|(tp, _, _)| tp).find(several).expect("two letters");
    let origins: Vec<Origin> = records(context, &tp)
        .iter()
        .map(|letter| origin_of(header(letter, "tidemill.dlq.identity").strip_suffix("/validator").unwrap(), '/'))
        .collect();
    let without = |mut all: Vec<Record>| {
        all.remove(0);
        all
    };
    let again = |mut all: Vec<Record>| {
        all.rotate_left(1);
        all.push(all[0].clone());
        all
    };
    let exchanged = |mut all: Vec<Record>| {
        all[1] = all[0].clone();
        all
    };
    check(world, &tp, &without, (Some(&origins[0]), false), "a dead letter deleted");
    check(world, &tp, &again, (None, false), "dead letters in another order, one of them twice");
    check(world, &tp, &exchanged, (Some(&origins[1]), false), "a dead letter exchanged for another");
}
