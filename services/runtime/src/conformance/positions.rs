//! Positions: seeking, pausing, limits and waiting.

use std::time::{Duration, Instant};

use super::{fill, numbered, poll, poll_until, read, reader, topic, tp, values};
use crate::log::{Error, Log, SessionOptions};

pub(super) fn seek_goes_to_an_offset(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let tp0 = tp(&topic, 0);
    fill(log, &tp0, 0..20);
    let mut session = reader(log, vec![(tp0.clone(), 10)]);
    assert_eq!(values(&read(session.as_mut(), 10)), numbered(10..20));
    session.seek(&tp0, 3).expect("back");
    assert_eq!(values(&read(session.as_mut(), 17)), numbered(3..20));
    session.seek(&tp0, 0).expect("to the start");
    session.seek(&tp0, 20).expect("to the end");
    fill(log, &tp0, 20..22);
    assert_eq!(values(&read(session.as_mut(), 2)), numbered(20..22));
    for offset in [-1, 23] {
        let beyond = session.seek(&tp0, offset);
        assert!(matches!(beyond, Err(Error::OutOfRange { start: 0, end: 22, .. })), "{beyond:?}");
    }
    let foreign = session.seek(&tp(&topic, 1), 0);
    assert!(matches!(foreign, Err(Error::NotAssigned { .. })), "{foreign:?}");
}

pub(super) fn time_leads_to_an_offset(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let tp0 = tp(&topic, 0);
    assert_eq!(log.offset_at(&tp0, 0).expect("an answer"), None);
    fill(log, &tp0, 0..5);
    fill(log, &tp0, 5..10);
    let records = read(reader(log, vec![(tp0.clone(), 0)]).as_mut(), 10);
    assert_eq!(log.offset_at(&tp0, 0).expect("an answer"), Some(0));
    for record in &records {
        let first =
            records.iter().find(|other| other.append_time_ms >= record.append_time_ms).map(|first| first.offset);
        assert_eq!(log.offset_at(&tp0, record.append_time_ms).expect("an answer"), first);
    }
    let after = records[9].append_time_ms + 1;
    assert_eq!(log.offset_at(&tp0, after).expect("an answer"), None);
}

pub(super) fn pause_holds_records_back(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let (tp0, tp1) = (tp(&topic, 0), tp(&topic, 1));
    fill(log, &tp0, 0..5);
    fill(log, &tp1, 0..5);
    let mut session = reader(log, vec![(tp0.clone(), 0), (tp1.clone(), 0)]);
    session.pause(std::slice::from_ref(&tp0)).expect("paused");
    let seen = poll_until(session.as_mut(), "the other partition", |seen| seen.records.len() >= 5);
    assert!(seen.records.iter().all(|(tp, _)| *tp == tp1), "only the other one's records came");
    assert!(poll(session.as_mut()).is_empty(), "and nothing else");
    session.resume(std::slice::from_ref(&tp0)).expect("resumed");
    assert_eq!(values(&read(session.as_mut(), 5)), numbered(0..5));
    session.pause(&[tp0.clone(), tp1]).expect("paused");
    fill(log, &tp0, 5..8);
    assert!(poll(session.as_mut()).is_empty());
    session.seek(&tp0, 4).expect("moved while it is paused");
    session.resume(&[tp0]).expect("resumed");
    assert_eq!(values(&read(session.as_mut(), 4)), numbered(4..8));
}

pub(super) fn a_poll_keeps_its_limits(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    fill(log, &tp(&topic, 0), 0..50);
    fill(log, &tp(&topic, 1), 0..50);
    let options = SessionOptions::assigned("reader", vec![(tp(&topic, 0), 0), (tp(&topic, 1), 0)]);
    let mut session = log.session(SessionOptions { poll_records_max: 7, ..options.clone() }).expect("opened");
    let mut count = 0;
    while count < 100 {
        let records: usize = poll(session.as_mut()).records.iter().map(|(_, records)| records.len()).sum();
        assert!(records <= 7, "{records} records in one poll");
        count += records;
    }
    assert_eq!(count, 100);
    let mut session = log.session(SessionOptions { poll_bytes_max: 1, ..options }).expect("opened");
    poll_until(session.as_mut(), "progress under the smallest limit", |seen| seen.records.len() == 100);
}

pub(super) fn an_empty_poll_waits(log: &dyn Log, prefix: &str) {
    const WAIT_MS: u64 = 300;
    let topic = topic(log, prefix, 1);
    for options in
        [SessionOptions::assigned("reader", vec![(tp(&topic, 0), 0)]), SessionOptions::publisher("publisher")]
    {
        let mut session = log.session(options).expect("opened");
        let begin = Instant::now();
        assert!(session.poll(Duration::from_millis(WAIT_MS)).expect("polled").is_empty());
        assert!(begin.elapsed() >= Duration::from_millis(WAIT_MS), "an empty poll returned early");
    }
}

pub(super) fn a_waiting_poll_sees_new_records(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let tp0 = tp(&topic, 0);
    let mut session = reader(log, vec![(tp0.clone(), 0)]);
    assert!(poll(session.as_mut()).is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| fill(log, &tp0, 0..3));
        assert_eq!(values(&read(session.as_mut(), 3)), numbered(0..3));
    });
}
