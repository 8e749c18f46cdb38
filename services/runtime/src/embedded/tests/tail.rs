//! A torn tail: whatever byte the last write stopped at, the log is the prefix before it.

use std::fs;
use std::panic::catch_unwind;

use flow::flaw::{Flaw, make};

use super::*;

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(format!("{:020}.wal", 0));
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    append(&log, "t", &["kept"]);
    let kept = fs::metadata(&path).unwrap().len();
    commit(&log, "g", "t", 1, "state", "the last entry");
    drop(log);
    let whole = fs::read(&path).unwrap();
    for len in kept..whole.len() as u64 {
        fs::write(&path, &whole[..len as usize]).unwrap();
        let log = open(&dir, Options::standard());
        assert_eq!(values(&log, "t"), ["kept"], "torn at byte {len}");
        assert_eq!(log.committed("g", &[tp("t", 0)]).unwrap(), [None], "torn at byte {len}");
        assert_eq!(fs::metadata(&path).unwrap().len(), kept, "torn at byte {len}");
        append(&log, "t", &["more"]);
        drop(log);
        assert_eq!(values(&open(&dir, Options::standard()), "t"), ["kept", "more"], "torn at byte {len}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(values(&open(&dir, Options::standard()), "t"), ["kept", "the last entry"]);
}

#[test]
fn a_last_entry_with_any_flipped_byte_is_cut() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(format!("{:020}.wal", 0));
    let log = open(&dir, Options::standard());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    append(&log, "t", &["kept"]);
    let kept = fs::metadata(&path).unwrap().len() as usize;
    commit(&log, "g", "t", 1, "state", "the last entry");
    drop(log);
    let whole = fs::read(&path).unwrap();
    for at in kept..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, flipped).unwrap();
        let log = open(&dir, Options::standard());
        assert_eq!(values(&log, "t"), ["kept"], "flipped at byte {at}");
    }
}

#[test]
fn a_checksum_that_is_ignored_is_noticed() {
    let _made = make(&[Flaw::ChecksumIgnored]);
    assert!(catch_unwind(a_last_entry_with_any_flipped_byte_is_cut).is_err());
}

#[test]
fn an_empty_last_segment_is_a_good_one() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir, tiny());
    log.create_topics(&[TopicSpec::new("t", 1)]).unwrap();
    append(&log, "t", &["kept"]);
    drop(log);
    fs::write(dir.path().join(format!("{:020}.wal", 1)), b"").unwrap();
    let log = open(&dir, tiny());
    append(&log, "t", &["more"]);
    drop(log);
    assert_eq!(values(&open(&dir, tiny()), "t"), ["kept", "more"]);
}
