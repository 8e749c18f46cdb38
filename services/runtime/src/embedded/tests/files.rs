//! Files: reopening, segments, locking, damage, and what is shown when.

use std::fs;

use super::*;

#[test]
fn everything_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&[TopicSpec::new("t", 1), TopicSpec::new("u", 3).public()]).unwrap();
    let long: Vec<String> = (0..50).map(|number| format!("{number}-{}", "x".repeat(number * 10))).collect();
    append(&log, "t", &long.iter().map(String::as_str).collect::<Vec<_>>());
    commit(&log, "g", "t", 7, "state", "with the commit");
    drop(log);
    let segments = fs::read_dir(dir.path()).unwrap().count();
    assert!(segments > 5, "{segments} files: the log was written to several segments");
    let log = open(&dir, tiny());
    assert_eq!(log.topics().unwrap(), ["t", "u"]);
    assert_eq!(log.partitions("u").unwrap(), Some(3));
    let mut expected = long;
    expected.push("with the commit".into());
    assert_eq!(values(&log, "t"), expected);
    let committed = log.committed("g", &[tp("t", 0)]).unwrap();
    assert_eq!(committed, [Some(Committed { offset: 7, metadata: "state".into() })]);
    append(&log, "t", &["after"]);
    assert_eq!(values(&log, "t").last().unwrap(), "after");
}

#[test]
fn a_second_opener_learns_who_has_the_log() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    let refused = Embedded::open(dir.path()).err().unwrap();
    let pid = std::process::id();
    assert!(matches!(refused, Error::Locked { pid: Some(holder), .. } if holder == pid), "{refused:?}");
    assert!(refused.to_string().contains(&format!("(pid {pid})")), "{refused}");
    let session = log.session(SessionOptions::publisher("still open")).unwrap();
    drop(log);
    assert!(Embedded::open(dir.path()).is_err(), "a session keeps the log open");
    drop(session);
    Embedded::open(dir.path()).unwrap();
}

#[test]
fn public_records_are_shown_once_they_are_on_disk() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("internal", 1), TopicSpec::new("public", 1).public()]).unwrap();
    let mut session = log.session(SessionOptions { durable: true, ..SessionOptions::publisher("p") }).unwrap();
    let mut reader = log.session(SessionOptions::assigned("r", vec![(tp("public", 0), 0)])).unwrap();
    for number in 0..20 {
        session.publish(Publish::batch(tp("public", 0), Bytes::from(number.to_string()))).unwrap();
        session.publish(Publish::batch(tp("internal", 0), Bytes::from(number.to_string()))).unwrap();
        session.flush().unwrap();
        assert_eq!(log.watermarks(&tp("public", 0)).unwrap(), (0, number + 1), "a durable flush waits for the disk");
        assert_eq!(log.watermarks(&tp("internal", 0)).unwrap(), (0, number + 1));
        let poll = reader.poll(Duration::ZERO).unwrap();
        assert_eq!(poll.records[0].1.len(), 1);
    }
    append(&log, "public", &["not waited for"]);
    let poll = reader.poll(Duration::from_secs(60)).unwrap();
    assert_eq!(poll.records[0].1[0].value.as_deref(), Some(&b"not waited for"[..]));
}

#[test]
fn a_deleted_topic_stays_deleted_when_the_log_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&[TopicSpec::new("t", 1), TopicSpec::new("u", 1)]).unwrap();
    append(&log, "t", &[&"x".repeat(900), "old"]);
    append(&log, "u", &["kept"]);
    log.delete_topics(&["t"]).unwrap();
    // What was in memory of it is forgotten like everything else.
    append(&log, "u", &[&"y".repeat(900)]);
    drop(log);
    let log = open(&dir, tiny());
    assert_eq!(log.topics().unwrap(), ["u"]);
    log.create_topics(&[TopicSpec::new("t", 2)]).unwrap();
    append(&log, "t", &["new"]);
    drop(log);
    let log = open(&dir, tiny());
    assert_eq!((log.partitions("t").unwrap(), values(&log, "t")), (Some(2), vec!["new".to_owned()]));
    assert_eq!(values(&log, "u")[0], "kept");
}

#[test]
fn damage_in_the_middle_is_named_and_not_cut() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    append(&log, "t", &["first record", "second record", "third record"]);
    drop(log);
    let path = dir.path().join(format!("{:020}.wal", 0));
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(6).position(|window| window == b"second").unwrap();
    let mut damaged = whole.clone();
    damaged[at] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let error = Embedded::open(dir.path()).err().unwrap();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), damaged, "the file was left alone");
    fs::write(&path, whole).unwrap();
    assert_eq!(values(&open(&dir, Options::standard()), "t").len(), 3);
}

#[test]
fn a_damaged_body_in_an_older_segment_is_found_when_it_is_read() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    append(&log, "t", &["first record", &"x".repeat(900), &"y".repeat(900)]);
    drop(log);
    let path = dir.path().join(format!("{:020}.wal", 0));
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|window| window == b"first").unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let log = open(&dir, tiny());
    let mut session = log.session(SessionOptions::assigned("r", vec![(tp("t", 0), 0)])).unwrap();
    let error = session.poll(Duration::ZERO).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_missing_segment_is_named() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    append(&log, "t", &[&"x".repeat(900), &"y".repeat(900), &"z".repeat(900)]);
    drop(log);
    fs::remove_file(dir.path().join(format!("{:020}.wal", 1))).unwrap();
    let error = Embedded::open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("segment 1 before it is missing"), "{error}");
}

#[test]
fn old_segments_are_read_though_their_index_is_forgotten() {
    const RECORDS: i64 = 60;
    let dir = TempDir::new().unwrap();
    let time_ms = Arc::new(AtomicI64::new(0));
    let log = Embedded::open_with(dir.path(), tiny(), clock(&time_ms)).unwrap();
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    for number in 0..RECORDS {
        time_ms.store(number * 10, Ordering::SeqCst);
        append(&log, "t", &[&format!("{number} {}", "x".repeat(150))]);
    }
    let check = |log: &Embedded| {
        let indexed = |chapter: &Chapter| chapter.runs.is_some();
        let state = log.inner.shared.state();
        let chapters = &state.partition((0, 0)).chapters;
        assert!(chapters.len() > 10, "{} chapters", chapters.len());
        assert_eq!(chapters.iter().filter(|chapter| indexed(chapter)).count(), INDEXED_SEGMENTS);
        assert!(chapters.iter().rev().take(INDEXED_SEGMENTS).all(indexed), "the newest ones are indexed");
        drop(state);
        assert_eq!(
            records(log, "t").iter().map(|record| record.offset).collect::<Vec<_>>(),
            Vec::from_iter(0..RECORDS)
        );
        for number in 0..RECORDS {
            assert_eq!(log.offset_at(&tp("t", 0), number * 10).unwrap(), Some(number));
            assert_eq!(log.offset_at(&tp("t", 0), number * 10 - 9).unwrap(), Some(number));
        }
        assert_eq!(log.offset_at(&tp("t", 0), RECORDS * 10).unwrap(), None);
    };
    check(&log);
    drop(log);
    check(&open(&dir, tiny()));
}
