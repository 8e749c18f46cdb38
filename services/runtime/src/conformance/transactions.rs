//! Transactional topics: their records and the offsets they came from become visible together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{fill, numbered, poll, poll_until, read, reader, topic, tp, value, values};
use crate::log::{Commit, Committed, Error, Log, Publish, RECORD_BYTES_MAX, Session, SessionOptions, TopicSpec};

/// How often a reader looks whether something came that should not.
const LOOKS: usize = 3;

fn results(log: &dyn Log, prefix: &str) -> Arc<str> {
    let name = format!("{prefix}.results");
    log.create_topics(&[TopicSpec::new(&name, 2).public()]).expect("a topic can be created");
    name.into()
}

/// A member of the group that reads `topic` and writes `results` in transactions, with its partitions.
fn member(log: &dyn Log, prefix: &str, topic: &Arc<str>, results: &Arc<str>) -> Box<dyn Session> {
    let options = SessionOptions::group("member", format!("{prefix}.group"), [topic.to_string()]);
    let options = SessionOptions { transactional: vec![results.to_string()], ..options };
    let mut session = log.session(options).expect("a group can be joined");
    poll_until(session.as_mut(), "an assignment", |seen| seen.assigned.len() == 2);
    session
}

fn commit(topic: &Arc<str>, partition: i32, offset: i64, metadata: &str) -> Commit {
    Commit { tp: tp(topic, partition), offset, metadata: metadata.to_owned() }
}

fn publish(session: &mut dyn Session, topic: &Arc<str>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        session.publish(Publish::batch(tp(topic, 0), value(number))).expect("published");
    }
}

/// That a reader of everything in the partition gets just these, now and a moment later.
fn holds(log: &dyn Log, topic: &Arc<str>, numbers: std::ops::Range<usize>) {
    let mut reader = reader(log, vec![(tp(topic, 0), 0)]);
    let records = if numbers.is_empty() { Vec::new() } else { read(reader.as_mut(), numbers.len()) };
    assert_eq!(values(&records), numbered(numbers));
    for _ in 0..LOOKS {
        assert!(poll(reader.as_mut()).is_empty(), "a reader sees what was not committed");
    }
    let (start, end) = log.watermarks(&tp(topic, 0)).expect("an answer");
    assert_eq!((start, end), (0, records.last().map_or(0, |record| record.offset + 1)));
}

pub(super) fn nothing_is_seen_before_its_commit(log: &dyn Log, prefix: &str) {
    let (topic, results) = (topic(log, prefix, 2), results(log, prefix));
    let mut session = member(log, prefix, &topic, &results);
    publish(session.as_mut(), &results, 0..20);
    publish(session.as_mut(), &topic, 0..5);
    session.flush().expect("flushed");
    assert!(poll(session.as_mut()).revoked.is_empty());
    // The other topic's records are there, though.
    assert_eq!(log.watermarks(&tp(&topic, 0)).expect("an answer").1, 5);
    holds(log, &results, 0..0);
    session.commit(&[commit(&topic, 0, 0, "first")]).expect("committed");
    holds(log, &results, 0..20);
    publish(session.as_mut(), &results, 20..25);
    holds(log, &results, 0..20);
    session.commit(&[commit(&topic, 0, 0, "second"), commit(&topic, 1, 0, "")]).expect("committed");
    holds(log, &results, 0..25);
    let found = log.committed(&format!("{prefix}.group"), &[tp(&topic, 0)]).expect("an answer");
    assert_eq!(found, [Some(Committed { offset: 0, metadata: "second".into() })]);
}

pub(super) fn a_session_that_dies_leaves_nothing(log: &dyn Log, prefix: &str) {
    let (topic, results) = (topic(log, prefix, 2), results(log, prefix));
    fill(log, &tp(&topic, 0), 0..10);
    let mut session = member(log, prefix, &topic, &results);
    publish(session.as_mut(), &results, 0..3);
    session.commit(&[commit(&topic, 0, 3, "three")]).expect("committed");
    publish(session.as_mut(), &results, 3..10);
    publish(session.as_mut(), &topic, 0..1);
    session.flush().expect("flushed");
    drop(session);
    // Its heir goes on at the commit, and does the rest again.
    let options = SessionOptions::group("member", format!("{prefix}.group"), [topic.to_string()]);
    let options = SessionOptions { transactional: vec![results.to_string()], ..options };
    let mut heir = log.session(options).expect("joined");
    let seen = poll_until(heir.as_mut(), "the rest", |seen| seen.records.len() >= 8);
    let zero = seen.assigned.iter().find(|assigned| assigned.tp == tp(&topic, 0)).expect("partition 0");
    assert_eq!(zero.committed, Some(Committed { offset: 3, metadata: "three".into() }));
    holds(log, &results, 0..3);
    publish(heir.as_mut(), &results, 3..10);
    heir.commit(&[commit(&topic, 0, 10, "ten")]).expect("committed");
    holds(log, &results, 0..10);
}

pub(super) fn a_revoke_takes_outputs_along(log: &dyn Log, prefix: &str) {
    const SILENCE_MAX_MS: u64 = 1_500;
    let (topic, results) = (topic(log, prefix, 1), results(log, prefix));
    let options = SessionOptions::group("member", format!("{prefix}.group"), [topic.to_string()]);
    let transactional = vec![results.to_string()];
    let options = SessionOptions { poll_interval_max_ms: SILENCE_MAX_MS, transactional, ..options };
    let mut zombie = log.session(options.clone()).expect("joined");
    poll_until(zombie.as_mut(), "an assignment", |seen| !seen.assigned.is_empty());
    publish(zombie.as_mut(), &results, 7..9);
    let mut heir = log.session(options).expect("joined");
    poll_until(heir.as_mut(), "an assignment", |seen| !seen.assigned.is_empty());
    publish(heir.as_mut(), &results, 0..2);
    heir.commit(&[commit(&topic, 0, 0, "heir")]).expect("committed");
    let refused = zombie.commit(&[commit(&topic, 0, 0, "zombie")]);
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    holds(log, &results, 0..2);
    let found = log.committed(&format!("{prefix}.group"), &[tp(&topic, 0)]).expect("an answer");
    assert_eq!(found, [Some(Committed { offset: 0, metadata: "heir".into() })]);
    let seen = poll_until(zombie.as_mut(), "the bad news", |seen| !seen.revoked.is_empty());
    assert!(seen.revoked.iter().all(|revoked| revoked.lost), "{seen:?}");
}

pub(super) fn a_publisher_shows_all_at_its_flush(log: &dyn Log, prefix: &str) {
    let results = results(log, prefix);
    let options = SessionOptions::publisher(format!("{prefix}.publisher"));
    let options = SessionOptions { transactional: vec![results.to_string()], ..options };
    let mut session = log.session(options).expect("opened");
    publish(session.as_mut(), &results, 0..4);
    assert!(session.poll(Duration::from_millis(5)).expect("polled").is_empty());
    holds(log, &results, 0..0);
    session.flush().expect("flushed");
    holds(log, &results, 0..4);
    publish(session.as_mut(), &results, 4..6);
    session.close().expect("closed");
    holds(log, &results, 0..6);
}

pub(super) fn an_oversize_record_harms_no_transaction(log: &dyn Log, prefix: &str) {
    let (topic, results) = (topic(log, prefix, 2), results(log, prefix));
    let mut session = member(log, prefix, &topic, &results);
    publish(session.as_mut(), &results, 0..2);
    let record = Publish::batch(tp(&results, 0), Bytes::from(vec![7; RECORD_BYTES_MAX + 1]));
    let refused = session.publish(record);
    assert!(matches!(refused, Err(Error::RecordTooLarge { .. })), "{refused:?}");
    session.commit(&[commit(&topic, 0, 0, "state")]).expect("committed");
    holds(log, &results, 0..2);
}
