//! One list of expectations for every kind of store, and what only a directory can get wrong.

#![allow(clippy::unwrap_used)]

use std::sync::Barrier;

use super::{Error, Store, escape, unescape};

/// Runs a check on each kind of store, twice over one directory where it is one.
#[track_caller]
fn check(expectation: impl Fn(&Store, &Store)) {
    let memory = Store::memory();
    expectation(&memory, &memory.clone());
    let dir = tempfile::tempdir().unwrap();
    let one = Store::local(dir.path()).unwrap();
    let other = Store::local(dir.path()).unwrap();
    expectation(&one, &other);
}

#[test]
fn what_is_created_is_read_by_others_and_stays() {
    check(|one, other| {
        one.put_create("a/b/c", b"first").unwrap();
        let refused = other.put_create("a/b/c", b"second").unwrap_err();
        assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");
        assert_eq!(&other.get("a/b/c").unwrap()[..], b"first");
        assert_eq!(other.size("a/b/c").unwrap(), 5);
        assert_eq!(&other.get_range("a/b/c", 1..3).unwrap()[..], b"ir");
        other.settle("a/b/c").unwrap();
    });
}

#[test]
fn put_replaces_and_delete_removes() {
    check(|one, other| {
        one.put("k", b"1").unwrap();
        one.put("k", b"22").unwrap();
        assert_eq!(&other.get("k").unwrap()[..], b"22");
        other.delete("k").unwrap();
        other.delete("k").unwrap();
        assert!(one.find("k").unwrap().is_none());
        assert!(matches!(one.get("k"), Err(Error::NotFound { .. })));
        assert!(matches!(one.size("k"), Err(Error::NotFound { .. })));
        one.put_create("k", b"3").unwrap();
    });
}

#[test]
fn listings_are_sorted_and_go_by_whole_segments() {
    check(|one, other| {
        for key in ["t/b/2", "t/a", "t/b/10", "tt/x", "z"] {
            one.put_create(key, b"").unwrap();
        }
        assert_eq!(other.list("t").unwrap(), ["t/a", "t/b/10", "t/b/2"]);
        assert_eq!(other.list("").unwrap().len(), 5);
        assert_eq!(other.list("none").unwrap(), [""; 0]);
        assert_eq!(other.children("t").unwrap(), ["a", "b"]);
        assert_eq!(other.children("").unwrap(), ["t", "tt", "z"]);
    });
}

#[test]
fn keys_from_outside_are_refused_or_escaped() {
    check(|one, _| {
        for key in ["", "/a", "a/", "a//b", "../x", "a/..", "a b", "a\\b", ".hidden", "ü"] {
            let refused = one.put(key, b"").unwrap_err();
            assert!(matches!(refused, Error::BadKey { .. }), "{key}: {refused}");
        }
        let long = "x".repeat(super::SEGMENT_BYTES_MAX + 1);
        assert!(matches!(one.find(&long), Err(Error::BadKey { .. })));
        for text in ["a b/c", "..", ".x", "ü%41", "topic=t", "A.b-c_d"] {
            let segment = escape(text);
            one.put_create(&segment, text.as_bytes()).unwrap();
            assert_eq!(unescape(&segment).as_deref(), Some(text));
            assert_eq!(&one.get(&segment).unwrap()[..], text.as_bytes());
            assert!(one.list("").unwrap().contains(&segment));
        }
    });
}

#[test]
fn of_racing_creators_one_wins_and_no_reader_sees_a_part() {
    const RACERS: usize = 8;
    const ROUNDS: usize = 20;
    check(|one, other| {
        let gate = Barrier::new(RACERS);
        let wins: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let (store, gate) = (if racer % 2 == 0 { one } else { other }, &gate);
                    scope.spawn(move || {
                        let mine = vec![u8::try_from(racer).unwrap(); 10_000];
                        let mut wins = 0;
                        for round in 0..ROUNDS {
                            gate.wait();
                            let key = format!("race/{round}");
                            match store.put_create(&key, &mine) {
                                Ok(()) => wins += 1,
                                Err(Error::AlreadyExists { .. }) => {}
                                Err(e) => panic!("{e}"),
                            }
                            let seen = store.get(&key).unwrap();
                            assert!(seen.len() == 10_000 && seen.iter().all(|b| *b == seen[0]));
                        }
                        wins
                    })
                })
                .collect();
            racers.into_iter().map(|r| r.join().unwrap()).sum()
        });
        assert_eq!(wins, ROUNDS);
    });
}

#[test]
fn unfinished_and_foreign_files_are_invisible() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::local(dir.path()).unwrap();
    store.put_create("a", b"1").unwrap();
    std::fs::write(dir.path().join(".partial/left-by-a-crash"), b"half").unwrap();
    std::fs::write(dir.path().join("with space"), b"not ours").unwrap();
    assert_eq!(store.list("").unwrap(), ["a"]);
    assert_eq!(std::fs::read_dir(dir.path().join(".partial")).unwrap().count(), 1);
}

#[test]
fn a_place_that_is_no_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let refused = Store::local(&file).unwrap_err().to_string();
    assert!(refused.contains("file") && refused.contains("directory"), "{refused}");
}

#[test]
fn a_key_below_an_object_is_an_error_in_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::local(dir.path()).unwrap();
    store.put_create("a", b"1").unwrap();
    assert!(matches!(store.put_create("a/b", b"2"), Err(Error::Unavailable { .. })));
    assert!(store.find("a/b").unwrap().is_none());
}
