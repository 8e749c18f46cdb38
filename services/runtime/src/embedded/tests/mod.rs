//! The embedded log alone; what it shares with Kafka is in the conformance suite.

#![allow(clippy::unwrap_used)]

mod compaction;
mod crash;
mod files;
mod retention;
mod tail;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::conformance::SUITE;
use crate::log::{Commit, Input, Publish, Record};

/// A clock that a test sets.
fn clock(time_ms: &Arc<AtomicI64>) -> Clock {
    let time_ms = time_ms.clone();
    Arc::new(move || time_ms.load(Ordering::SeqCst))
}

fn tiny() -> Options {
    Options { segment_bytes_max: 1_000, memory_bytes_max: 500, sync_interval_ms: 1_000 }
}

fn open(dir: &TempDir, options: Options) -> Embedded {
    Embedded::open_with(dir.path(), options, system_clock()).unwrap()
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// Publishes values to partition 0, each in an append of its own.
fn append(log: &Embedded, topic: &str, values: &[&str]) {
    let mut session = log.session(SessionOptions::publisher("append")).unwrap();
    for value in values {
        session.publish(Publish::batch(tp(topic, 0), Bytes::from((*value).to_owned()))).unwrap();
        session.flush().unwrap();
    }
}

/// All records of partition 0.
fn records(log: &Embedded, topic: &str) -> Vec<Record> {
    let (_, end) = log.watermarks(&tp(topic, 0)).unwrap();
    let mut session = log.session(SessionOptions::assigned("records", vec![(tp(topic, 0), 0)])).unwrap();
    let mut records = Vec::new();
    while (records.len() as i64) < end {
        records.extend(session.poll(Duration::ZERO).unwrap().records.into_iter().flat_map(|(_, records)| records));
    }
    records
}

fn values(log: &Embedded, topic: &str) -> Vec<String> {
    let text = |record: Record| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
    records(log, topic).into_iter().map(text).collect()
}

/// Commits an offset with metadata for partition 0 as the only member of a group, with a record in the same append.
fn commit(log: &Embedded, group: &str, topic: &str, offset: i64, metadata: &str, value: &str) {
    let mut session = log.session(SessionOptions::group("commit", group, [topic])).unwrap();
    assert_eq!(session.poll(Duration::ZERO).unwrap().assigned.len(), 1);
    session.publish(Publish::batch(tp(topic, 0), Bytes::from(value.to_owned()))).unwrap();
    session.commit(&[Commit { tp: tp(topic, 0), offset, metadata: metadata.into() }]).unwrap();
}

#[test]
fn it_conforms() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, Options::standard());
    SUITE.iter().for_each(|(name, case)| case(&log, name));
}

#[test]
fn it_conforms_when_nothing_fits_into_memory() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    SUITE.iter().for_each(|(name, case)| case(&log, name));
}

#[test]
fn append_time_comes_from_the_clock_and_never_falls() {
    let dir = TempDir::new().unwrap();
    let time_ms = Arc::new(AtomicI64::new(1_000));
    let log = Embedded::open_with(dir.path(), Options::standard(), clock(&time_ms)).unwrap();
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    for now in [1_000, 1_500, 1_200, 2_000] {
        time_ms.store(now, Ordering::SeqCst);
        append(&log, "t", &["x"]);
    }
    let times: Vec<i64> = records(&log, "t").iter().map(|record| record.append_time_ms).collect();
    assert_eq!(times, [1_000, 1_500, 1_500, 2_000]);
    let rows = [(0, Some(0)), (1_000, Some(0)), (1_001, Some(1)), (1_500, Some(1)), (1_501, Some(3)), (2_001, None)];
    for (time, offset) in rows {
        assert_eq!(log.offset_at(&tp("t", 0), time).unwrap(), offset, "{time}");
    }
}

#[test]
fn partitions_move_no_more_than_they_must() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("t", 6)]).unwrap();
    let join = || log.session(SessionOptions::group("member", "g", ["t"])).unwrap();
    let mut first = join();
    assert_eq!(first.poll(Duration::ZERO).unwrap().assigned.len(), 6);
    let mut second = join();
    assert!(second.poll(Duration::ZERO).unwrap().is_empty(), "the first member has not given anything back yet");
    assert_eq!(first.poll(Duration::ZERO).unwrap().revoked.len(), 3);
    assert!(second.poll(Duration::ZERO).unwrap().is_empty(), "the first member may still commit");
    assert!(first.poll(Duration::ZERO).unwrap().is_empty());
    assert_eq!(second.poll(Duration::ZERO).unwrap().assigned.len(), 3);
    let mut third = join();
    assert_eq!(first.poll(Duration::ZERO).unwrap().revoked.len(), 1);
    assert_eq!(second.poll(Duration::ZERO).unwrap().revoked.len(), 1);
    assert!(first.poll(Duration::ZERO).unwrap().is_empty() && second.poll(Duration::ZERO).unwrap().is_empty());
    assert_eq!(third.poll(Duration::ZERO).unwrap().assigned.len(), 2);
    drop(third);
    assert_eq!(first.poll(Duration::ZERO).unwrap().assigned.len(), 1);
    assert_eq!(second.poll(Duration::ZERO).unwrap().assigned.len(), 1);
}

#[test]
fn a_quick_restart_and_an_instance_name_change_nothing_here() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    let input = Input::Group { group: "g".into(), topics: vec!["t".into()], instance: Some("slot-0".into()) };
    for _ in 0..2 {
        let mut session = log.session(SessionOptions::new("member", input.clone())).unwrap();
        assert_eq!(session.poll(Duration::ZERO).unwrap().assigned.len(), 1);
    }
}

#[test]
fn a_large_flood_of_publishes_goes_out_by_itself() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    let mut session = log.session(SessionOptions::publisher("flood")).unwrap();
    let value = Bytes::from(vec![7; 500_000]);
    for _ in 0..3 {
        session.publish(Publish::batch(tp("t", 0), value.clone())).unwrap();
    }
    assert_eq!(log.watermarks(&tp("t", 0)).unwrap(), (0, 3));
    session.publish(Publish::batch(tp("t", 0), value)).unwrap();
    assert_eq!(log.watermarks(&tp("t", 0)).unwrap(), (0, 3), "one more fits in memory");
}
