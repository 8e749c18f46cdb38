//! From where on a log must be there for a task, and what is left of one that is removed.

use super::*;
use flow::snapshot::{Blob, Header};

/// A snapshot whose task would read its log from `from` on.
fn put(vault: &Vault, position: i64, held: Option<i64>, layout: &str) {
    let header = Header { position, held: held.map(|from| (from, Vec::new())), ..Header::default() };
    let blob = Blob { header, own: vec!["anything"] }.text();
    let writer = Writer::in_turn(vault.clone());
    let mut table = Table::default();
    table.set("key", Some("value"));
    let changes = table.collect(usize::MAX).unwrap();
    writer.write(Cut { owner: owner(), position, layout: layout.to_owned(), blob, changes });
    assert!(writer.done().next().unwrap().pointer.is_some());
}

#[test]
fn the_oldest_snapshot_that_a_task_may_begin_with_says_what_it_needs() {
    let vault = Vault::new(Store::memory());
    let needed = |committed: i64| vault.needed(&owner(), committed, "table").unwrap();
    assert_eq!(needed(1_000), None, "it would read the log from the start");
    put(&vault, 500, None, "table");
    assert_eq!((needed(499), needed(500)), (None, Some(500)), "one above the commit is of no use");
    put(&vault, 600, Some(450), "table");
    assert_eq!((needed(599), needed(600)), (Some(500), Some(450)), "held items are read again");
    put(&vault, 300, None, "another table");
    assert_eq!(needed(600), Some(450), "one of another layout is passed over");
    assert_eq!(vault.needed(&owner(), 600, "a third").unwrap(), None);
}

#[test]
fn a_damaged_snapshot_is_none() {
    let store = Store::memory();
    let vault = Vault::new(store.clone());
    put(&vault, 500, None, "table");
    let key = store.list("snapshots").unwrap().into_iter().find(|key| key.ends_with(".json")).unwrap();
    store.put(&key, b"{}").unwrap();
    assert_eq!(vault.needed(&owner(), 600, "table").unwrap(), None);
}

#[test]
fn nothing_is_left_of_a_task_that_is_removed() {
    let vault = Vault::new(Store::memory());
    let other = Owner { partition: 4, ..owner() };
    vault.begin(&owner()).unwrap();
    vault.begin(&other).unwrap();
    put(&vault, 500, None, "table");
    assert_eq!((vault.owners().unwrap(), vault.workers().unwrap()), (vec![owner()], vec![owner(), other.clone()]));
    vault.remove(&owner()).unwrap();
    assert_eq!((vault.owners().unwrap(), vault.workers().unwrap()), (vec![], vec![other]));
    assert!(!vault.begun(&owner()).unwrap(), "a task of this name begins with nothing, and has lost nothing");
    vault.remove(&owner()).unwrap();
}
