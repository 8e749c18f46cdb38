//! Deletion and retention: what goes, what gives its room back, and what is there after a death at any moment.

use std::fs;

use super::*;
use crate::log::{Commit, Log, Retained};

/// Bytes of all segments.
fn bytes(dir: &TempDir) -> u64 {
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
    files
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "wal"))
        .map(|e| e.metadata().unwrap().len())
        .sum()
}

fn long(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(long_of).collect()
}

fn long_of(number: usize) -> String {
    format!("{number:03}-{}", "x".repeat(96))
}

fn fill(log: &Embedded, topic: &str, numbers: std::ops::Range<usize>) {
    append(log, topic, &long(numbers).iter().map(String::as_str).collect::<Vec<_>>());
}

/// What is left of partition 0, from its start.
fn left(log: &Embedded, topic: &str) -> (i64, Vec<String>) {
    let (start, end) = log.watermarks(&tp(topic, 0)).unwrap();
    let mut session = log.session(SessionOptions::assigned("left", vec![(tp(topic, 0), start)])).unwrap();
    let mut values = Vec::new();
    while (values.len() as i64) < end - start {
        let records = session.poll(Duration::ZERO).unwrap().records.into_iter().flat_map(|(_, records)| records);
        values.extend(records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
    }
    (start, values)
}

/// A log of which some is to stay for ever: a topic that is written rarely, commits, a topic in the middle.
fn written(dir: &TempDir) -> Embedded {
    let log = open(dir, tiny());
    let specs = [TopicSpec::new("rare", 1).public(), TopicSpec::new("t", 2)];
    log.create_topics(&specs).unwrap();
    for round in 0..10 {
        append(&log, "rare", &[&format!("rare {round}")]);
        fill(&log, "t", round * 10..round * 10 + 10);
        if round == 5 {
            log.create_topics(&[TopicSpec::new("late", 1)]).unwrap();
            append(&log, "late", &["late"]);
        }
    }
    let commits = [Commit { tp: tp("t", 0), offset: 97, metadata: "state".into() }];
    log.set_committed("g", &commits).unwrap();
    fill(&log, "t", 100..103);
    log
}

/// Everything that must be there once `t` begins at `start`.
#[track_caller]
fn check(log: &Embedded, start: usize, end: usize) {
    assert_eq!(left(log, "t"), (start as i64, long(start..end)));
    let rare: Vec<String> = (0..10).map(|round| format!("rare {round}")).collect();
    assert_eq!(left(log, "rare"), (0, rare));
    assert_eq!(left(log, "late"), (0, vec!["late".to_owned()]));
    assert_eq!(log.watermarks(&tp("t", 1)).unwrap(), (0, 0));
    assert_eq!(log.topics().unwrap(), ["late", "rare", "t"]);
    let committed = Committed { offset: 97, metadata: "state".into() };
    assert_eq!(log.committed("g", &[tp("t", 0)]).unwrap(), [Some(committed)]);
}

#[test]
fn deleted_records_give_their_room_back_and_all_else_stays() {
    let dir = TempDir::new().unwrap();
    let log = written(&dir);
    let full = bytes(&dir);
    log.delete_records(&tp("t", 0), 20).unwrap();
    check(&log, 20, 103);
    // A reader in the middle of a file that is written anew.
    let reading =
        log.session(SessionOptions { poll_records_max: 1, ..SessionOptions::assigned("r", vec![(tp("rare", 0), 0)]) });
    let mut reading = reading.unwrap();
    let next = |reading: &mut dyn Session| reading.poll(Duration::ZERO).unwrap().records[0].1[0].offset;
    assert_eq!(next(reading.as_mut()), 0);
    log.delete_records(&tp("t", 0), 90).unwrap();
    assert_eq!((1..10).map(|_| next(reading.as_mut())).collect::<Vec<_>>(), (1..10).collect::<Vec<i64>>());
    drop(reading);
    check(&log, 90, 103);
    let kept = bytes(&dir);
    assert!(kept * 3 < full, "{kept} of {full} bytes are left");
    assert_eq!(log.offset_at(&tp("t", 0), 0).unwrap(), Some(90));

    // The same after a restart, and it goes on.
    drop(log);
    let log = open(&dir, tiny());
    check(&log, 90, 103);
    assert_eq!(bytes(&dir), kept);
    fill(&log, "t", 103..130);
    check(&log, 90, 130);
    log.delete_records(&tp("t", 0), 130).unwrap();
    check(&log, 130, 130);
    drop(log);
    check(&open(&dir, tiny()), 130, 130);
}

#[test]
fn a_death_at_any_moment_of_deletion_leaves_the_log_whole() {
    let dir = TempDir::new().unwrap();
    drop(written(&dir));
    let before: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let before: Vec<_> = before.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let log = open(&dir, tiny());
    log.delete_records(&tp("t", 0), 90).unwrap();
    drop(log);
    let base = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let base = base.filter(|path| path.extension().is_some_and(|e| e == "wal")).min().unwrap();

    // It died after the new file got its name, with any of the old ones still there.
    let old: Vec<_> = before.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "wal")).collect();
    let old: Vec<_> = old.into_iter().filter(|(path, _)| *path < base).collect();
    assert!(old.len() > 3, "{} files", old.len());
    for first in 0..old.len() {
        old[first..].iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        check(&open(&dir, tiny()), 90, 103);
        assert!(old.iter().all(|(path, _)| !path.exists()), "the next start deletes them");
    }

    // It died while the new file was written: that is nobody's. What was deleted stays so, and takes its room for now.
    let unfinished = base.with_extension("new");
    let whole = fs::read(&base).unwrap();
    for (path, bytes) in before.iter().filter(|(path, _)| *path <= base) {
        fs::write(path, bytes).unwrap();
    }
    fs::write(&unfinished, &whole[..whole.len() / 2]).unwrap();
    check(&open(&dir, tiny()), 90, 103);
    assert!(!unfinished.exists());
}

#[test]
fn what_is_missing_is_still_told_from_what_was_deleted() {
    let dir = TempDir::new().unwrap();
    let log = written(&dir);
    log.delete_records(&tp("t", 0), 90).unwrap();
    drop(log);
    let base = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let base = base.filter(|path| path.extension().is_some_and(|e| e == "wal")).min().unwrap();
    let bytes = fs::read(&base).unwrap();
    fs::remove_file(&base).unwrap();
    let error = Embedded::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("before it is missing"), "{error}");
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    fs::write(&base, damaged).unwrap();
    assert!(Embedded::open(dir.path()).is_err(), "a base whose first frame is damaged begins nothing");
}

#[test]
fn age_and_size_delete_what_nobody_needs() {
    let dir = TempDir::new().unwrap();
    let time_ms = Arc::new(AtomicI64::new(0));
    let log = Embedded::open_with(dir.path(), tiny(), clock(&time_ms)).unwrap();
    let specs = [
        TopicSpec::new("aged", 1).retention_ms(1_000),
        TopicSpec::new("sized", 1).retention_bytes(2_000),
        TopicSpec::new("kept", 1),
        TopicSpec::new("states", 1).compacted().retention_ms(1_000),
    ];
    log.create_topics(&specs).unwrap();
    for now in 0..50 {
        time_ms.store(now * 100, Ordering::SeqCst);
        let number = now as usize;
        specs.iter().for_each(|spec| fill(&log, &spec.name, number..number + 1));
    }
    time_ms.store(5_000, Ordering::SeqCst);
    let start = |topic: &str| log.watermarks(&tp(topic, 0)).unwrap().0;

    // Somebody still needs record 10 of each.
    let records = |found: Vec<Retained>| found.iter().map(Retained::records).sum::<u64>();
    let held = log.retain(&specs, &|_| Ok(Some(10))).unwrap();
    assert!(held.iter().all(|held| held.begins < held.wanted), "more is beyond the limits, and needed: {held:?}");
    // A run of one record of 100 bytes takes some more.
    assert!(held.iter().all(|held| (1_000..1_200).contains(&held.bytes)), "{held:?}");
    assert_eq!(records(held), 20);
    assert_eq!(["aged", "sized", "kept", "states"].map(start), [10, 10, 0, 0]);
    log.retain(&specs, &|_| Ok(None)).unwrap();
    assert_eq!(start("aged"), 40, "those of the last second stay");
    let sized = left(&log, "sized").1.len() * 100;
    assert!((1_700..3_500).contains(&sized), "{sized} bytes: as many as it may have, to within a segment");
    assert_eq!((start("kept"), start("states")), (0, 0), "a compacted topic keeps its records");
    assert_eq!(log.retain(&specs, &|_| Ok(None)).unwrap(), []);
    assert!(
        log.retain(&specs, &|tp| Err(Error::MissingTopic { topic: tp.topic.to_string() })).is_ok(),
        "nothing is to go"
    );

    // Old as everything may be: the partition is empty, and goes on counting.
    time_ms.store(60_000, Ordering::SeqCst);
    assert!(log.retain(&specs, &|tp| Err(Error::MissingTopic { topic: tp.topic.to_string() })).is_err());
    assert_eq!(start("aged"), 40, "what is needed was not known");
    log.retain(&specs, &|_| Ok(None)).unwrap();
    assert_eq!(log.watermarks(&tp("aged", 0)).unwrap(), (50, 50));
    drop(log);
    let log = open(&dir, tiny());
    assert_eq!(log.watermarks(&tp("aged", 0)).unwrap(), (50, 50));
    assert_eq!(left(&log, "kept"), (0, long(0..50)));
}

#[test]
fn a_deleted_topic_gives_its_room_back_and_its_name() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&[TopicSpec::new("kept", 1), TopicSpec::new("gone", 2)]).unwrap();
    for round in 0..10 {
        append(&log, "kept", &[&format!("kept {round}")]);
        fill(&log, "gone", round * 10..round * 10 + 10);
    }
    log.set_committed("g", &[Commit { tp: tp("gone", 0), offset: 60, metadata: "old".into() }]).unwrap();
    let full = bytes(&dir);
    log.delete_topics(&["gone"]).unwrap();
    assert!(bytes(&dir) * 3 < full, "{} of {full} bytes are left", bytes(&dir));

    // One of the same name is another one, and stays so when the base that tells of both is read and written again.
    log.create_topics(&[TopicSpec::new("gone", 1)]).unwrap();
    fill(&log, "gone", 0..40);
    log.set_committed("g", &[Commit { tp: tp("gone", 0), offset: 7, metadata: "new".into() }]).unwrap();
    log.create_topics(&[TopicSpec::new("later", 1)]).unwrap();
    fill(&log, "later", 0..5);
    let kept: Vec<String> = (0..10).map(|round| format!("kept {round}")).collect();
    let check = |log: &Embedded, begins: usize| {
        assert_eq!(log.topics().unwrap(), ["gone", "kept", "later"]);
        assert_eq!(log.partitions("gone").unwrap(), Some(1), "the one of now");
        assert_eq!(left(log, "kept"), (0, kept.clone()));
        assert_eq!(left(log, "gone"), (begins as i64, long(begins..40)));
        assert_eq!(left(log, "later"), (0, long(0..5)));
        let committed = Committed { offset: 7, metadata: "new".into() };
        assert_eq!(log.committed("g", &[tp("gone", 0)]).unwrap(), [Some(committed)]);
    };
    check(&log, 0);
    drop(log);
    let log = open(&dir, tiny());
    check(&log, 0);
    log.delete_records(&tp("gone", 0), 35).unwrap();
    check(&log, 35);
    drop(log);
    let log = open(&dir, tiny());
    check(&log, 35);
    fill(&log, "kept", 0..1);
    assert_eq!(log.watermarks(&tp("kept", 0)).unwrap(), (0, 11), "partitions go on counting");
}

#[test]
fn readers_go_on_while_what_they_have_read_is_deleted() {
    const RECORDS: usize = 3_000;
    let dir = TempDir::new().unwrap();
    let time_ms = Arc::new(AtomicI64::new(0));
    let log = Embedded::open_with(dir.path(), tiny(), clock(&time_ms)).unwrap();
    let specs = [TopicSpec::new("t", 1).retention_ms(0)];
    log.create_topics(&specs).unwrap();
    let read_until = Arc::new(AtomicI64::new(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut session = log.session(SessionOptions::assigned("r", vec![(tp("t", 0), 0)])).unwrap();
            let mut next = 0;
            while next < RECORDS as i64 {
                for (_, records) in session.poll(Duration::from_secs(1)).unwrap().records {
                    for record in records {
                        assert_eq!((record.offset, &*record.value.unwrap()), (next, long_of(next as usize).as_bytes()));
                        next += 1;
                    }
                }
                read_until.store(next, Ordering::SeqCst);
            }
        });
        let mut deleted = 0;
        for number in (0..RECORDS).step_by(10) {
            fill(&log, "t", number..number + 10);
            time_ms.fetch_add(1, Ordering::SeqCst);
            let needed = read_until.load(Ordering::SeqCst);
            let found = log.retain(&specs, &|_| Ok(Some(needed))).unwrap();
            assert!(log.watermarks(&tp("t", 0)).unwrap().0 <= needed);
            deleted += found.iter().map(Retained::records).sum::<u64>();
        }
        reader.join().unwrap();
        let last = log.retain(&specs, &|_| Ok(None)).unwrap();
        assert_eq!(deleted + last.iter().map(Retained::records).sum::<u64>(), RECORDS as u64);
    });
    let most = 20 * tiny().segment_bytes_max;
    assert!(bytes(&dir) < most, "{} bytes are left of {RECORDS} deleted records", bytes(&dir));
}
