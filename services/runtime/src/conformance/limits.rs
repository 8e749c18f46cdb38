//! Limits and mistakes: each has its own error, and loses nothing.

use std::sync::Arc;

use bytes::Bytes;

use super::{poll_until, read, reader, topic, tp, value};
use crate::log::{Commit, Error, Log, METADATA_BYTES_MAX, Publish, RECORD_BYTES_MAX, SessionOptions, TopicPartition};

pub(super) fn an_oversize_record_is_refused(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    let record = |bytes: usize| {
        // Noise, so that compression cannot help.
        let noise = (0..bytes as u64).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
        Publish::batch(tp(&topic, 0), Bytes::from_iter(noise))
    };
    let refused = session.publish(record(10 * RECORD_BYTES_MAX));
    let text = refused.as_ref().expect_err("refused").to_string();
    assert!(matches!(refused, Err(Error::RecordTooLarge { .. })), "{refused:?}");
    assert!(text.contains("10485760") && text.contains("1048576"), "{text}");
    let refused = session.publish(record(RECORD_BYTES_MAX + 1));
    assert!(matches!(refused, Err(Error::RecordTooLarge { .. })), "{refused:?}");
    session.publish(record(RECORD_BYTES_MAX)).expect("just fits");
    session.publish(Publish::batch(tp(&topic, 0), value(1))).expect("the next one is not harmed");
    session.close().expect("closed");
    let records = read(reader(log, vec![(tp(&topic, 0), 0)]).as_mut(), 2);
    assert_eq!(records[0].value.as_ref().map(Bytes::len), Some(RECORD_BYTES_MAX));
}

pub(super) fn oversize_metadata_is_refused(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let group = format!("{prefix}.group");
    let mut session = log.session(SessionOptions::group("member", &group, [topic.to_string()])).expect("joined");
    poll_until(session.as_mut(), "an assignment", |seen| !seen.assigned.is_empty());
    let metadata = "x".repeat(METADATA_BYTES_MAX + 1);
    let refused = session.commit(&[Commit { tp: tp(&topic, 0), offset: 0, metadata }]);
    assert!(matches!(refused, Err(Error::MetadataTooLarge { .. })), "{refused:?}");
    assert_eq!(log.committed(&group, &[tp(&topic, 0)]).expect("an answer"), [None]);
}

pub(super) fn missing_topics_are_named(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let nowhere: Arc<str> = format!("{prefix}.nowhere").into();
    let missing = |result: Result<(), Error>| {
        let text = result.as_ref().expect_err("refused").to_string();
        assert!(matches!(result, Err(Error::MissingTopic { .. })) && text.contains(&*nowhere), "{result:?}");
    };
    let open = |options: SessionOptions| log.session(options).map(drop);
    missing(open(SessionOptions::group("member", format!("{prefix}.group"), [nowhere.to_string()])));
    missing(open(SessionOptions::assigned("reader", vec![(TopicPartition::new(nowhere.clone(), 0), 0)])));
    missing(log.watermarks(&TopicPartition::new(nowhere.clone(), 0)).map(drop));
    missing(log.offset_at(&TopicPartition::new(nowhere.clone(), 0), 0).map(drop));
    let mut session = log.session(SessionOptions::publisher("publisher")).expect("opened");
    missing(session.publish(Publish::keyed(nowhere.clone(), Bytes::from("key"), value(1))));
    let beyond = session.publish(Publish::batch(tp(&topic, 2), value(1)));
    assert!(matches!(beyond, Err(Error::MissingPartition { partitions: 2, .. })), "{beyond:?}");
    let beyond = log.watermarks(&tp(&topic, 2));
    assert!(matches!(beyond, Err(Error::MissingPartition { partitions: 2, .. })), "{beyond:?}");
    let beyond = open(SessionOptions::assigned("reader", vec![(tp(&topic, 0), 1)]));
    assert!(matches!(beyond, Err(Error::OutOfRange { offset: 1, end: 0, .. })), "{beyond:?}");
}

pub(super) fn a_session_without_group_cannot_commit(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let tp = tp(&topic, 0);
    for options in [SessionOptions::publisher("publisher"), SessionOptions::assigned("reader", vec![(tp.clone(), 0)])] {
        let mut session = log.session(options).expect("opened");
        let refused = session.commit(&[Commit { tp: tp.clone(), offset: 0, metadata: String::new() }]);
        assert!(matches!(refused, Err(Error::NoGroup { .. })), "{refused:?}");
    }
}
