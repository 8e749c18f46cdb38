#![allow(clippy::unwrap_used)]

use super::{Spill, Table};
use flow::cold::Cold;
use std::fs;

fn get(table: &Table, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    table.get(key, &mut value).unwrap().then_some(value)
}

fn scanned(table: &Table, after: &[u8], most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut each = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        found.len() < most
    };
    table.scan(after, &mut each).unwrap();
    found
}

#[test]
fn entries_come_back_and_tasks_do_not_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let spill = Spill::new(&dir.path().join("cold"), 1_000);
    let (one, other) = (spill.table(), spill.table());
    assert_eq!((get(&one, b"a"), scanned(&one, b"", 9)), (None, vec![]));
    assert!(!dir.path().join("cold").exists(), "nothing is made before it is needed");
    one.put(b"a", b"1").unwrap();
    one.put(b"b", b"2").unwrap();
    one.put(b"c", b"").unwrap();
    one.put(b"b", b"3").unwrap();
    other.put(b"a", b"9").unwrap();
    one.remove(b"c").unwrap();
    one.remove(b"z").unwrap();
    assert_eq!((get(&one, b"a"), get(&one, b"b")), (Some(b"1".to_vec()), Some(b"3".to_vec())));
    assert_eq!((get(&one, b"c"), get(&other, b"b")), (None, None));
    assert_eq!(scanned(&one, b"", 9), [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"3".to_vec())]);
    assert_eq!(scanned(&one, b"a", 9).len(), 1);
    assert_eq!(scanned(&one, b"", 1).len(), 1);
}

#[test]
fn tasks_share_the_limit_in_equal_parts() {
    let dir = tempfile::tempdir().unwrap();
    let spill = Spill::new(dir.path(), 1_000);
    let one = spill.table();
    assert_eq!(one.memory().bytes_max, 1_000);
    let other = spill.table();
    assert_eq!((one.memory().bytes_max, other.memory().bytes_max), (500, 500));
    drop(other);
    assert_eq!(one.memory().bytes_max, 1_000);
}

#[test]
fn what_a_process_left_is_thrown_away_and_what_one_has_is_let_be() {
    let dir = tempfile::tempdir().unwrap();
    let cold = dir.path().join("cold");
    fs::create_dir_all(cold.join("0")).unwrap();
    fs::write(cold.join("0.lock"), "").unwrap();
    fs::write(cold.join("0/left"), "by a process that was killed").unwrap();
    let spill = Spill::new(&cold, 0);
    assert!(!cold.join("0").exists(), "removed before anything is put there");
    let table = spill.table();
    table.put(b"a", b"1").unwrap();
    let second = Spill::new(&cold, 0);
    let other = second.table();
    other.put(b"a", b"2").unwrap();
    assert_eq!((get(&table, b"a"), get(&other, b"a")), (Some(b"1".to_vec()), Some(b"2".to_vec())));
    assert!(cold.join("0").exists() && cold.join("1").exists());
    drop((table, spill));
    assert!(!cold.join("0").exists(), "removed at the end");
    assert_eq!(get(&other, b"a"), Some(b"2".to_vec()));
}

#[test]
fn a_folder_that_cannot_be_made_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let table = Spill::new(&file, 0).table();
    let fault = table.put(b"a", b"1").unwrap_err().to_string();
    assert!(fault.contains(&*file.display().to_string()), "{fault}");
}

#[test]
fn many_entries_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let spill = Spill::new(dir.path(), 0);
    let table = spill.table();
    let value = [7_u8; 100];
    // Several times what is kept before it is written as a file.
    for number in 0..300_000_u32 {
        table.put(&(number % 250_000).to_be_bytes(), &[&number.to_le_bytes()[..], &value].concat()).unwrap();
    }
    for number in (0..250_000_u32).step_by(97) {
        let last = if number < 50_000 { number + 250_000 } else { number };
        assert_eq!(get(&table, &number.to_be_bytes()).unwrap()[..4], last.to_le_bytes());
    }
    let mut next = 0_u32;
    table
        .scan(&[], &mut |key, _| {
            assert_eq!(key, next.to_be_bytes());
            next += 1;
            true
        })
        .unwrap();
    assert_eq!(next, 250_000);
}
