//! Records: what goes in comes out, in order.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{PATIENCE_MS, fill, numbered, poll, poll_until, read, reader, topic, tp, value, values};
use crate::log::{Commit, Error, Header, Log, Publish, SessionOptions, TopicSpec, partition_of_key};

pub(super) fn topics_are_created_once(log: &dyn Log, prefix: &str) {
    let name = format!("{prefix}.events");
    assert_eq!(log.partitions(&name).expect("an answer"), None);
    let spec = TopicSpec::new(&name, 3).retention_ms(3_600_000);
    let twin = TopicSpec::new(format!("{prefix}.models"), 1).compacted().public();
    log.create_topics(&[spec.clone(), twin.clone()]).expect("created");
    log.create_topics(&[twin, spec.clone()]).expect("nothing to do");
    assert_eq!(log.partitions(&name).expect("an answer"), Some(3));
    let mine: Vec<String> =
        log.topics().expect("an answer").into_iter().filter(|name| name.starts_with(&format!("{prefix}."))).collect();
    assert_eq!(mine, [format!("{prefix}.events"), format!("{prefix}.models")]);
    let other = log.create_topics(&[TopicSpec { partitions: 4, ..spec }]);
    assert!(matches!(other, Err(Error::PartitionCount { wanted: 4, found: 3, .. })), "{other:?}");
    let bad = log.create_topics(&[TopicSpec::new(format!("{prefix} with spaces"), 1)]);
    assert!(matches!(bad, Err(Error::InvalidTopic { .. })), "{bad:?}");
}

pub(super) fn a_topic_gains_partitions(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    fill(log, &tp(&topic, 1), 0..3);
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    session.publish(Publish::batch(tp(&topic, 0), value(0))).expect("published");
    session.flush().expect("flushed");
    log.add_partitions(&topic, 5).expect("added");
    log.add_partitions(&topic, 4).expect("it has more already");
    assert_eq!(log.partitions(&topic).expect("an answer"), Some(5));
    assert_eq!(log.watermarks(&tp(&topic, 4)).expect("an answer"), (0, 0));
    session.publish(Publish::batch(tp(&topic, 4), value(7))).expect("a session that knew of two finds the others");
    session.close().expect("closed");
    assert_eq!(values(&read(reader(log, vec![(tp(&topic, 4), 0)]).as_mut(), 1)), numbered(7..8));
    assert_eq!(values(&read(reader(log, vec![(tp(&topic, 1), 0)]).as_mut(), 3)), numbered(0..3));
    let options = SessionOptions::group("member", format!("{prefix}.group"), [topic.to_string()]);
    let mut member = log.session(options).expect("joined");
    poll_until(member.as_mut(), "all partitions", |seen| seen.assigned.len() == 5);
    let missing = log.add_partitions(&format!("{prefix}.nowhere"), 2);
    assert!(matches!(missing, Err(Error::MissingTopic { .. })), "{missing:?}");
}

pub(super) fn a_deleted_topic_is_gone(log: &dyn Log, prefix: &str) {
    let (group, kept) = (format!("{prefix}.group"), format!("{prefix}.kept"));
    let topic = topic(log, prefix, 2);
    log.create_topics(&[TopicSpec::new(&kept, 1)]).expect("created");
    fill(log, &tp(&topic, 1), 0..3);
    fill(log, &tp(&kept.as_str().into(), 0), 0..2);
    let commit = Commit { tp: tp(&topic, 1), offset: 2, metadata: "m".into() };
    log.set_committed(&group, &[commit]).expect("set");
    log.delete_topics(&[&topic, &format!("{prefix}.nowhere")]).expect("deleted");
    assert_eq!(log.partitions(&topic).expect("an answer"), None);
    let listed = log.topics().expect("an answer");
    assert!(listed.contains(&kept) && !listed.iter().any(|name| **name == *topic), "{listed:?}");
    let refused = log.session(SessionOptions::assigned("reader", vec![(tp(&topic, 0), 0)])).map(drop);
    assert!(matches!(refused, Err(Error::MissingTopic { .. })), "{refused:?}");
    // One of the same name begins with nothing.
    log.create_topics(&[TopicSpec::new(&*topic, 3)]).expect("created");
    assert_eq!(log.watermarks(&tp(&topic, 1)).expect("an answer"), (0, 0));
    // Kafka's coordinator hears of it a little later.
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    while log.committed(&group, &[tp(&topic, 1)]).expect("an answer") != [None] {
        assert!(Instant::now() < deadline, "a commit outlives its topic");
    }
    fill(log, &tp(&topic, 1), 5..6);
    assert_eq!(values(&read(reader(log, vec![(tp(&topic, 1), 0)]).as_mut(), 1)), numbered(5..6));
    assert_eq!(values(&read(reader(log, vec![(tp(&kept.as_str().into(), 0), 0)]).as_mut(), 2)), numbered(0..2));
}

pub(super) fn records_keep_their_order_per_partition(log: &dyn Log, prefix: &str) {
    const ROUNDS: usize = 200;
    let topic = topic(log, prefix, 3);
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    for round in 0..ROUNDS {
        for partition in 0..3 {
            session.publish(Publish::batch(tp(&topic, partition), value(round))).expect("published");
        }
        if round == ROUNDS / 2 {
            session.flush().expect("flushed");
        }
    }
    session.close().expect("closed");
    for partition in 0..3 {
        let mut reader = reader(log, vec![(tp(&topic, partition), 0)]);
        let records = read(reader.as_mut(), ROUNDS);
        assert_eq!(values(&records), numbered(0..ROUNDS));
        assert!(records.iter().enumerate().all(|(index, record)| record.offset == index as i64));
    }
    let mut reader = reader(log, vec![(tp(&topic, 0), 5), (tp(&topic, 2), 190)]);
    read(reader.as_mut(), ROUNDS - 5 + ROUNDS - 190);
}

pub(super) fn headers_nulls_and_tombstones_come_back(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let headers = vec![
        Header::new("origin", "a.topic/0@17"),
        Header::new("again", Bytes::from_static(&[0, 255, 7])),
        Header::new("again", ""),
        Header { name: "null".into(), value: None },
    ];
    let published = [
        (None, Some(Bytes::from("value")), headers),
        (Some(Bytes::from("key")), None, vec![]),
        (Some(Bytes::from_static(&[0, 159])), Some(Bytes::new()), vec![]),
        (None, None, vec![Header::new("only", "headers")]),
    ];
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    for (key, value, headers) in published.clone() {
        session.publish(Publish { topic: topic.clone(), partition: Some(0), key, value, headers }).expect("published");
    }
    session.close().expect("closed");
    let records = read(reader(log, vec![(tp(&topic, 0), 0)]).as_mut(), published.len());
    for (record, (key, value, headers)) in records.iter().zip(&published) {
        assert_eq!((&record.key, &record.value, &record.headers), (key, value, headers));
    }
    assert_eq!(records[0].header("origin").and_then(Header::text), Some("a.topic/0@17"));
}

pub(super) fn keys_go_where_java_clients_put_them(log: &dyn Log, prefix: &str) {
    const KEYS: usize = 50;
    let topic = topic(log, prefix, 4);
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    for number in 0..KEYS {
        let key = Bytes::from(format!("customer-{number}"));
        session.publish(Publish::keyed(topic.clone(), key, value(number))).expect("published");
    }
    session.close().expect("closed");
    let mut seen = 0;
    for partition in 0..4 {
        let (_, end) = log.watermarks(&tp(&topic, partition)).expect("an answer");
        let records = read(reader(log, vec![(tp(&topic, partition), 0)]).as_mut(), end as usize);
        seen += records.len();
        let keys = records.iter().map(|record| record.key.as_deref().expect("a key"));
        keys.for_each(|key| assert_eq!(partition_of_key(key, 4), partition));
    }
    assert_eq!(seen, KEYS);
}

pub(super) fn watermarks_follow_the_records(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    assert_eq!(log.watermarks(&tp(&topic, 0)).expect("an answer"), (0, 0));
    fill(log, &tp(&topic, 0), 0..7);
    assert_eq!(log.watermarks(&tp(&topic, 0)).expect("an answer"), (0, 7));
    assert_eq!(log.watermarks(&tp(&topic, 1)).expect("an answer"), (0, 0));
    let mut session = reader(log, vec![(tp(&topic, 0), 7)]);
    assert_eq!(session.watermarks(&tp(&topic, 0)).expect("an answer"), (0, 7));
}

pub(super) fn append_time_does_not_fall(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    fill(log, &tp(&topic, 0), 0..10);
    fill(log, &tp(&topic, 0), 10..20);
    let records = read(reader(log, vec![(tp(&topic, 0), 0)]).as_mut(), 20);
    assert!(records[0].append_time_ms > 0, "the log stamps its records");
    assert!(records.windows(2).all(|pair| pair[0].append_time_ms <= pair[1].append_time_ms));
}

pub(super) fn a_publish_goes_out_without_a_flush(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let tp0 = tp(&topic, 0);
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    session.publish(Publish::batch(tp0.clone(), value(0))).expect("published");
    let mut reader = reader(log, vec![(tp0, 0)]);
    poll_until(reader.as_mut(), "the record", |seen| {
        assert!(poll(session.as_mut()).is_empty());
        seen.records.len() == 1
    });
}
