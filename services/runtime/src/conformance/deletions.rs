//! Deleted records: the log's start moves, and nobody passes over in silence what is gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{PATIENCE_MS, POLL_MS, fill, numbered, poll_until, read, reader, topic, tp, value, values};
use crate::log::{Commit, Error, Log, Publish, Session, SessionOptions, TopicPartition, TopicSpec};

/// Polls until the session says what is wrong.
fn poll_error(session: &mut dyn Session) -> Error {
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    loop {
        match session.poll(Duration::from_millis(POLL_MS)) {
            Err(error) => return error,
            Ok(poll) => {
                assert!(poll.records.is_empty(), "records behind the deleted ones came as if nothing were missing")
            }
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE_MS} ms for an error");
    }
}

pub(super) fn deleted_records_are_out_of_range(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let tp0 = tp(&topic, 0);
    fill(log, &tp0, 0..20);
    fill(log, &tp(&topic, 1), 0..3);
    log.delete_records(&tp0, 8).expect("the start moves");
    assert_eq!(log.watermarks(&tp0).expect("bounds"), (8, 20));
    assert_eq!(log.watermarks(&tp(&topic, 1)).expect("bounds"), (0, 3), "its neighbour keeps everything");
    let mut session = reader(log, vec![(tp0.clone(), 8)]);
    assert_eq!(values(&read(session.as_mut(), 12)), numbered(8..20));
    for offset in [0, 7] {
        let gone = session.seek(&tp0, offset);
        assert!(matches!(gone, Err(Error::OutOfRange { start: 8, end: 20, .. })), "{gone:?}");
        let refused = log.session(SessionOptions::assigned("reader", vec![(tp0.clone(), offset)])).err();
        assert!(matches!(refused, Some(Error::OutOfRange { start: 8, end: 20, .. })), "{refused:?}");
    }
    let said = session.seek(&tp0, 0).expect_err("gone").to_string();
    assert!(said.contains("offset 0") && said.contains("8 to 20") && said.contains("retention"), "{said}");

    log.delete_records(&tp0, 5).expect("what is gone stays gone");
    assert_eq!(log.watermarks(&tp0).expect("bounds"), (8, 20));
    let beyond = log.delete_records(&tp0, 21);
    assert!(matches!(beyond, Err(Error::OutOfRange { offset: 21, end: 20, .. })), "{beyond:?}");

    // An emptied partition goes on counting.
    log.delete_records(&tp0, 20).expect("everything goes");
    assert_eq!(log.watermarks(&tp0).expect("bounds"), (20, 20));
    assert_eq!(log.offset_at(&tp0, 0).expect("an answer"), None);
    fill(log, &tp0, 20..23);
    assert_eq!(log.offset_at(&tp0, 0).expect("an answer"), Some(20));
    session.seek(&tp0, 20).expect("the start");
    let records = read(session.as_mut(), 3);
    assert_eq!((records[0].offset, values(&records)), (20, numbered(20..23)));
}

pub(super) fn a_commit_below_the_start_is_told(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let (tp0, group) = (tp(&topic, 0), format!("{prefix}.group"));
    fill(log, &tp0, 0..10);
    let join = |name: &str| log.session(SessionOptions::group("member", name, [&*topic])).expect("opened");
    let mut session = join(&group);
    poll_until(session.as_mut(), "the partition", |seen| !seen.assigned.is_empty());
    session.commit(&[Commit { tp: tp0.clone(), offset: 4, metadata: String::new() }]).expect("committed");
    session.close().expect("closed");
    log.delete_records(&tp0, 6).expect("the start moves");
    let error = poll_error(join(&group).as_mut());
    assert!(matches!(error, Error::OutOfRange { offset: 4, start: 6, end: 10, .. }), "{error:?}");

    // A group that never committed begins at the start, wherever that is.
    let mut fresh = join(&format!("{prefix}.fresh"));
    let seen = poll_until(fresh.as_mut(), "what is left", |seen| seen.records.len() == 4);
    assert_eq!((seen.assigned[0].start, seen.records[0].1.offset), (6, 6));
}

pub(super) fn a_reader_that_is_overtaken_is_told(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let tp0 = tp(&topic, 0);
    let mut session = reader(log, vec![(tp0.clone(), 0)]);
    fill(log, &tp0, 0..3);
    assert_eq!(values(&read(session.as_mut(), 3)), numbered(0..3));
    session.pause(std::slice::from_ref(&tp0)).expect("paused");
    fill(log, &tp0, 3..9);
    log.delete_records(&tp0, 7).expect("the start moves");
    session.resume(std::slice::from_ref(&tp0)).expect("resumed");
    let error = poll_error(session.as_mut());
    assert!(matches!(error, Error::OutOfRange { start: 7, end: 9, .. }), "{error:?}");
}

pub(super) fn a_compacted_topic_keeps_each_keys_last_value(log: &dyn Log, prefix: &str) {
    let spec = TopicSpec::new(format!("{prefix}.states"), 1).compacted();
    log.create_topics(std::slice::from_ref(&spec)).expect("created");
    let tp0 = TopicPartition::new(spec.name.as_str(), 0);
    let (mut said, mut end) = (Vec::new(), 0);
    for round in 0..3 {
        let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
        for number in 0..50 {
            let key = Bytes::from(format!("key-{}", number % 7));
            // The last word of each round is that a key is gone.
            let value = (number < 49).then(|| value(round * 100 + number));
            let record = Publish::batch(tp0.clone(), Bytes::new());
            session.publish(Publish { key: Some(key.clone()), value: value.clone(), ..record }).expect("published");
            session.flush().expect("acknowledged");
            said.push((key, value));
        }
        session.close().expect("closed");
        log.retain(std::slice::from_ref(&spec), &|_| Ok(None)).expect("retained");
        end += 50;
        assert_eq!(log.watermarks(&tp0).expect("bounds").1, end, "offsets go on as if nothing were gone");
        let mut reader = reader(log, vec![(tp0.clone(), 0)]);
        let seen = poll_until(reader.as_mut(), "the end", |seen| {
            seen.records.last().is_some_and(|(_, last)| last.offset + 1 == end)
        });
        let records = seen.records.iter().map(|(_, record)| record);
        let read: Vec<_> = records.map(|record| (record.offset, record.key.clone(), record.value.clone())).collect();
        assert!(read.windows(2).all(|two| two[0].0 < two[1].0), "in the order of offsets");
        for (offset, key, value) in &read {
            let (said_key, said_value) = &said[*offset as usize];
            assert_eq!((key.as_ref(), value), (Some(said_key), said_value), "a record keeps its offset");
        }
        let last = |of: &[(Bytes, Option<Bytes>)]| of.iter().cloned().collect::<BTreeMap<_, _>>();
        let read: Vec<_> = read.into_iter().filter_map(|(_, key, value)| Some((key?, value))).collect();
        assert_eq!(last(&read), last(&said), "what is last of each key");
    }
}
