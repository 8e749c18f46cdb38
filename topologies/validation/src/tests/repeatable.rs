//! The same records give the same items, however they are cut into batches and wherever a task starts again.

use flow::processor::{InRecord, Task};
use flow::wire::Splicer;
use schemas::key::log_partition;
use serde_json::json;

use super::fixture::*;
use crate::Validator;

/// Offset of the first record: the run crosses the edge of a bucket.
const FIRST: i64 = 65_536 - 150;

const OLDER: &str = r#"{"type":"record","name":"Event","namespace":"t","fields":[
    {"name":"terminal","type":"int"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"id","type":["null","string"],"default":null}]}"#;

/// A mix: good events of several customers, null keys, late ones, every third kind of bad one, an older schema.
fn mixed() -> Vec<InRecord> {
    let one = |n: i64| {
        let offset = FIRST + n;
        let id = format!("e{n}");
        let customer = (n % 11 != 0).then(|| format!("c{}", n * 7 % 23));
        let mut object = event(&id, customer.as_deref(), n * 3);
        match n % 17 {
            3 => object["at"] = json!(TEN_MS + n * 3_000 - 64_000),
            5 => object["at"] = json!(TEN_MS + n * 3_000 - 63_000),
            6 => object["terminal"] = json!(0),
            8 => object["kind"] = json!("gold"),
            9 => return record(offset, vec![9, 9]),
            11 => return record(offset, framed(OLDER, 70, &json!({"id": id, "at": object["at"], "terminal": 4}))),
            13 => return record(offset, framed(OLDER, 71, &json!({"id": id, "at": object["at"], "terminal": 4}))),
            _ => {}
        }
        InRecord { append_time_ms: TEN_MS + n * 3_000, ..event_record(offset, &object) }
    };
    (0..300).map(one).collect()
}

fn world() -> World {
    let world = World::new();
    world.schemas.add(70, OLDER);
    world
}

#[test]
fn batch_boundaries_never_change_what_is_written() {
    let mut world = world();
    let records = mixed();
    let whole_of = |world: &World, batch: usize| {
        let mut task = world.events(0);
        let written = run(world, &mut task, &records, batch);
        (written.items.clone(), written.beside(), task.metadata())
    };
    let whole = |batch: usize| whole_of(&world, batch);
    let one = whole(1);
    assert_eq!(one.0.values().map(Vec::len).sum::<usize>() / 2 + one.1.len(), 300);
    assert!(one.1.iter().any(|(topic, ..)| topic.ends_with(".late")));
    for (log, items) in &one.0 {
        assert!(items.iter().map(|item| item.number).eq(1..=items.len() as i64), "{log:?}");
        assert!(items.windows(2).all(|pair| pair[0].trigger < pair[1].trigger), "{log:?}");
    }
    assert_eq!(one, whole(7));
    assert_eq!(one, whole(4_096));
    world.splices = false;
    assert_eq!(one, whole_of(&world, 7), "copied and encoded events decode alike");
}

#[test]
fn copied_events_are_written_to_the_byte_as_encoded_ones() {
    let mut world = World::new();
    let records: Vec<InRecord> = (0..40).map(|n| event_record(n, &event(&format!("e{n}"), None, n))).collect();
    let bytes = |world: &World| {
        let mut out = Vec::new();
        world.events(1).handle(&records, false, &mut out).unwrap();
        out.into_iter().map(|record| (record.topic, record.partition, record.value)).collect::<Vec<_>>()
    };
    let copied = bytes(&world);
    world.splices = false;
    assert_eq!(copied, bytes(&world));
}

#[test]
fn a_log_of_another_layout_is_written_in_the_general_way() {
    let world = World::new();
    let planned = world.plan.topic(world.plan.names.first_log()).unwrap().schema.clone().unwrap();
    let event = &world.pipeline.events.schema.json;
    assert!(Splicer::new(&planned, event).is_some());
    assert!(Splicer::new(&planned, &json!("string")).is_none());
    assert!(Splicer::new(&json!({"fields": []}), event).is_none());
    let mut more = planned;
    more["fields"][2]["type"]["items"]["fields"][3]["name"] = json!("other");
    assert!(Splicer::new(&more, event).is_none());
}

#[test]
fn keys_place_items_and_a_null_key_goes_by_the_event_id() {
    let world = world();
    let written = run(&world, &mut world.events(0), &mixed(), 100);
    for ((log, partition), items) in &written.items {
        for item in items {
            let journal = log.contains("journal");
            let text = if journal || item.key.is_empty() { &item.id } else { &item.key };
            assert_eq!(u32::from(*partition), log_partition(text, 2), "{log} {item:?}");
            assert!(!journal || item.key == item.id);
        }
    }
    let keyless = written.items.iter().filter(|((log, _), _)| log.contains("customer"));
    assert!(keyless.flat_map(|(_, items)| items).any(|item| item.key.is_empty()));
}

#[test]
fn a_restart_anywhere_goes_on_with_the_same_numbers() {
    let world = world();
    let records = mixed();
    let mut task = world.events(0);
    let mut saved = Vec::new();
    let mut out = Vec::new();
    for record in &records {
        saved.push(task.metadata());
        task.handle(std::slice::from_ref(record), false, &mut out).unwrap();
    }
    let written = world.read(&out);
    for (at, metadata) in saved.iter().enumerate() {
        let mut again = world.events(0);
        again.restore(metadata).unwrap();
        assert_eq!(&again.metadata(), metadata);
        let rest = run(&world, &mut again, &records[at..], 64);
        let from = FIRST + at as i64;
        let mut expected = written.items.clone();
        expected.values_mut().for_each(|items| items.retain(|item| item.trigger.0 >= from));
        expected.retain(|_, items| !items.is_empty());
        assert_eq!(rest.items, expected, "restart at {at}");
        let beside: Vec<_> = written.beside().into_iter().filter(|(_, offset, _)| *offset >= from).collect();
        assert_eq!(rest.beside(), beside, "restart at {at}");
        assert_eq!(again.metadata(), task.metadata(), "restart at {at}");
    }
}

#[test]
fn suppressed_records_move_the_same_state_and_write_nothing() {
    let world = world();
    let (mut loud, mut silent) = (world.events(0), world.events(0));
    run(&world, &mut loud, &mixed(), 50);
    let mut out = Vec::new();
    silent.handle(&mixed(), true, &mut out).unwrap();
    assert!(out.is_empty());
    assert_eq!(silent.metadata(), loud.metadata());
}

#[test]
fn large_events_are_spread_over_records_that_fit() {
    let world = World::new();
    let mut task = world.events(0);
    let records: Vec<InRecord> = (0..12)
        .map(|n| {
            let mut object = event(&format!("e{n}"), Some("7"), n);
            object["note"] = json!("n".repeat(150_000));
            event_record(n, &object)
        })
        .collect();
    let mut out = Vec::new();
    task.handle(&records, false, &mut out).unwrap();
    assert!(out.iter().all(|record| record.value.as_ref().unwrap().len() < 800_000));
    assert_eq!(world.read(&out).items.values().map(Vec::len).sum::<usize>(), 24);
}

#[test]
fn foreign_metadata_is_refused() {
    let world = World::new();
    let refused = |task: &mut Validator, text: &str| task.restore(text).unwrap_err().to_string();
    assert!(refused(&mut world.events(0), "").contains("not a task state"));
    assert!(refused(&mut world.events(0), &world.labels(0).metadata()).contains("digest"));
}
