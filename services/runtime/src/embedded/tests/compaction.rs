//! Compaction by key: what stays, what goes, and what is there after a death at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::super::compaction::TOMBSTONES_KEPT_MS;
use super::*;
use crate::log::Log;

fn specs() -> [TopicSpec; 2] {
    [TopicSpec::new("states", 1).compacted(), TopicSpec::new("other", 1)]
}

/// Publishes a record of a key in an append of its own; no value says that the key is gone.
fn say(log: &Embedded, key: Option<&str>, value: Option<String>) {
    let mut session = log.session(SessionOptions::publisher("say")).unwrap();
    let key = key.map(|key| Bytes::from(key.to_owned()));
    let record = Publish::batch(tp("states", 0), Bytes::new());
    session.publish(Publish { key, value: value.map(Bytes::from), ..record }).unwrap();
    session.flush().unwrap();
}

/// Forty rounds of three keys, with something else beside them.
fn fill(log: &Embedded) {
    for round in 0..40 {
        for key in ["a", "b", "c"] {
            say(log, Some(key), Some(format!("{key}{round} {}", "x".repeat(60))));
        }
        append(log, "other", &["between"]);
    }
}

/// Offsets with keys and values from an offset on.
fn read(log: &Embedded, from: i64) -> Vec<(i64, Option<Bytes>, Option<Bytes>)> {
    let (_, end) = log.watermarks(&tp("states", 0)).unwrap();
    let mut session = log.session(SessionOptions::assigned("read", vec![(tp("states", 0), from)])).unwrap();
    let (mut read, mut next) = (Vec::new(), from);
    while next < end {
        let records: Vec<Record> =
            session.poll(Duration::ZERO).unwrap().records.into_iter().flat_map(|(_, records)| records).collect();
        next = records.last().expect("there is more before the end").offset + 1;
        read.extend(records.into_iter().map(|record| (record.offset, record.key, record.value)));
    }
    read
}

/// The last value of each key, as a reader from the start sees it.
fn table(log: &Embedded) -> BTreeMap<Bytes, Bytes> {
    let mut table = BTreeMap::new();
    for (_, key, value) in read(log, 0) {
        match (key, value) {
            (Some(key), Some(value)) => drop(table.insert(key, value)),
            (Some(key), None) => drop(table.remove(&key)),
            (None, _) => {}
        }
    }
    table
}

fn segments(dir: &TempDir) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "wal"));
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn bytes(dir: &TempDir) -> usize {
    segments(dir).values().map(Vec::len).sum()
}

#[test]
fn the_newest_record_of_each_key_stays_where_it_is() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&specs()).unwrap();
    say(&log, None, Some("without a key".to_owned()));
    fill(&log);
    let (whole, all, full) = (table(&log), read(&log, 0), bytes(&dir));
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    let left = read(&log, 0);
    assert!(left.len() < 40 && bytes(&dir) * 2 < full, "{} records, {} of {full} bytes", left.len(), bytes(&dir));
    assert_eq!(table(&log), whole);
    assert_eq!(left[0].0, 0, "one without a key is superseded by none");
    assert!(left.iter().all(|record| all[record.0 as usize] == *record), "records keep offset, key and value");
    assert!(left.windows(2).all(|two| two[0].0 < two[1].0));
    assert_eq!(log.watermarks(&tp("states", 0)).unwrap(), (0, 121));
    assert_eq!(values(&log, "other").len(), 40, "what is not compacted is whole");
    let check = |log: &Embedded| {
        for from in 0..121 {
            let behind: Vec<_> = left.iter().filter(|record| record.0 >= from).cloned().collect();
            assert_eq!(read(log, from), behind, "from {from}");
        }
    };
    check(&log);

    // The same after a restart, and it goes on: written, deleted, compacted and opened again.
    drop(log);
    let log = open(&dir, tiny());
    check(&log);
    fill(&log);
    let whole = table(&log);
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    log.delete_records(&tp("other", 0), 80).unwrap();
    assert_eq!((table(&log), log.watermarks(&tp("states", 0)).unwrap()), (whole.clone(), (0, 241)));
    drop(log);
    let log = open(&dir, tiny());
    assert_eq!((table(&log), log.watermarks(&tp("states", 0)).unwrap()), (whole, (0, 241)));
    assert_eq!(log.watermarks(&tp("other", 0)).unwrap(), (80, 80));
    say(&log, Some("d"), Some("new".to_owned()));
    assert_eq!(read(&log, 241)[0].0, 241, "offsets go on");
}

#[test]
fn what_is_needed_stays_though_it_is_superseded() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&specs()).unwrap();
    fill(&log);
    let all = read(&log, 0);
    log.retain(&specs(), &|_| Ok(Some(100))).unwrap();
    let left = read(&log, 0);
    assert!(left.len() < all.len());
    assert_eq!(left[left.len() - 20..], all[100..], "nothing from there on is gone");
    assert!(
        log.retain(&specs(), &|tp| Err(Error::MissingTopic { topic: tp.topic.to_string() })).is_ok(),
        "once a segment"
    );
    fill(&log);
    let before = read(&log, 0);
    assert!(log.retain(&specs(), &|tp| Err(Error::MissingTopic { topic: tp.topic.to_string() })).is_err());
    assert_eq!(read(&log, 0), before, "what is needed was not known");
}

#[test]
fn a_key_that_is_gone_is_told_for_a_day() {
    let dir = TempDir::new().unwrap();
    let time_ms = Arc::new(AtomicI64::new(1_000));
    let log = Embedded::open_with(dir.path(), tiny(), clock(&time_ms)).unwrap();
    log.create_topics(&specs()).unwrap();
    fill(&log);
    say(&log, Some("a"), None);
    let words = |log: &Embedded| read(log, 0).iter().filter(|(_, _, value)| value.is_none()).count();
    time_ms.fetch_add(TOMBSTONES_KEPT_MS - 1, Ordering::SeqCst);
    append(&log, "other", &["x".repeat(1_000).as_str()]);
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    assert_eq!((words(&log), read(&log, 0).last().unwrap().0), (1, 120));
    assert!(!table(&log).contains_key(&Bytes::from("a")));

    // The last record of a partition says where it ends.
    time_ms.fetch_add(1, Ordering::SeqCst);
    append(&log, "other", &["x".repeat(1_000).as_str()]);
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    assert_eq!((words(&log), log.watermarks(&tp("states", 0)).unwrap()), (1, (0, 121)));
    fill(&log);
    fill(&log);
    say(&log, Some("b"), None);
    let expected = table(&log);
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    assert_eq!((words(&log), table(&log)), (1, expected), "that of now");
    let of_b = |log: &Embedded| read(log, 0).iter().filter(|(_, key, _)| key.as_deref() == Some(b"b")).count();
    assert_eq!(of_b(&log), 1);
    for round in 0..100 {
        say(&log, Some("a"), Some(format!("later {round} {}", "x".repeat(60))));
    }
    time_ms.fetch_add(TOMBSTONES_KEPT_MS, Ordering::SeqCst);
    append(&log, "other", &["x".repeat(1_000).as_str()]);
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    assert_eq!((words(&log), of_b(&log)), (0, 0), "nothing of the key is left");
}

#[test]
fn a_death_at_any_moment_of_compaction_leaves_the_log_whole() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&specs()).unwrap();
    fill(&log);
    let (all, whole) = (read(&log, 0), table(&log));
    drop(log);
    let before = segments(&dir);
    let log = open(&dir, tiny());
    log.retain(&specs(), &|_| Ok(None)).unwrap();
    let left = read(&log, 0);
    drop(log);
    let after = segments(&dir);
    let base = after.keys().next().unwrap();
    let old: Vec<_> = before.iter().filter(|(path, _)| *path < base).collect();
    assert!(old.len() > 3, "{} files", old.len());

    // It died after the new file got its name, with any of the old ones still there.
    for first in 0..old.len() {
        old[first..].iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        assert_eq!(read(&open(&dir, tiny()), 0), left);
        assert!(old.iter().all(|(path, _)| !path.exists()), "the next start deletes them");
    }

    // It died while the new file was written, however much of it.
    let (unfinished, new) = (base.with_extension("new"), &after[base]);
    for length in [0, new.len() / 2, new.len()] {
        before.iter().filter(|(path, _)| *path <= base).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        fs::write(&unfinished, &new[..length]).unwrap();
        let log = open(&dir, tiny());
        assert_eq!((read(&log, 0), table(&log)), (all.clone(), whole.clone()));
        assert!(!unfinished.exists());
    }
}
