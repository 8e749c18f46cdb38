//! Snapshots of a table of texts: what is written comes back, files are merged, damage is found, old ones go.
#![allow(clippy::unwrap_used)]

mod memory;
mod needed;

use super::{Cut, Done, Error, Owner, Vault, Writer};
use flow::snapshot::{Changes, Entry, Error as StateError, Notes, State, entry_hash};
use flow::state::Pointer;
use registry::store::Store;
use std::collections::BTreeMap;

#[derive(Default)]
struct Table {
    texts: BTreeMap<String, String>,
    notes: Notes,
}

impl Table {
    fn set(&mut self, key: &str, value: Option<&str>) {
        let before = self.texts.get(key).map_or(0, |text| entry_hash(1, key.as_bytes(), text.as_bytes()));
        self.notes.note(&Entry { part: 1, key: key.as_bytes(), value: value.map(str::as_bytes) }, before);
        match value {
            Some(value) => self.texts.insert(key.to_owned(), value.to_owned()),
            None => self.texts.remove(key),
        };
    }
}

impl State for Table {
    fn layout(&self) -> String {
        "table".to_owned()
    }

    fn track(&mut self) {
        self.notes.track();
    }

    fn noted_bytes(&self) -> usize {
        self.notes.bytes()
    }

    fn cut(&mut self) -> String {
        self.notes.cut();
        self.texts.len().to_string()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        Some(self.notes.take())
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), StateError> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.texts.insert(text(entry.key), text(entry.value.unwrap()));
        self.notes.loaded(entry_hash(1, entry.key, entry.value.unwrap()));
        Ok(())
    }

    fn resume(&mut self, blob: &str) -> Result<i64, StateError> {
        blob.parse().map_err(|_| StateError::Blob(blob.to_owned()))
    }

    fn hash(&self) -> u128 {
        let hashes = self.texts.iter().map(|(key, text)| entry_hash(1, key.as_bytes(), text.as_bytes()));
        hashes.map(u128::from).sum()
    }
}

fn owner() -> Owner {
    Owner { group: "a.group".to_owned(), log: "a.log.f1.g1".to_owned(), partition: 3 }
}

/// Cuts the table, and waits until the snapshot is written.
fn take(writer: &Writer, table: &mut dyn State, position: i64) -> Pointer {
    let blob = table.cut();
    let changes = table.collect(usize::MAX).unwrap();
    writer.write(Cut { owner: owner(), position, layout: table.layout(), blob, changes });
    let started = std::time::Instant::now();
    loop {
        if let Some(Done { pointer, .. }) = writer.done().next() {
            return pointer.unwrap();
        }
        assert!(started.elapsed().as_secs() < 60, "the snapshot is written");
        std::thread::yield_now();
    }
}

fn restore(vault: &Vault, pointer: &Pointer) -> Result<Table, Error> {
    let mut table = Table::default();
    let loaded = vault.load(&owner(), &pointer.into())?;
    loaded.restore(&mut table)?;
    Ok(table)
}

/// How many runs a snapshot has.
fn runs(vault: &Vault, pointer: &Pointer) -> usize {
    vault.manifest(&owner(), &pointer.into()).unwrap().runs().len()
}

/// Changes some entries, and removes some.
fn change(table: &mut Table, round: i64) {
    for key in 0..30 {
        if (key + round) % 4 == 0 || round == 0 {
            table.set(&format!("key-{key}"), (key % 7 != round % 7).then_some(&*format!("value-{round}")));
        }
    }
}

#[test]
fn every_snapshot_is_the_table_at_its_cut() {
    let vault = Vault::new(Store::memory());
    let writer = Writer::in_turn(vault.clone());
    let (mut table, mut taken) = (Table::default(), Vec::new());
    for round in 0..60 {
        change(&mut table, round);
        taken.push((take(&writer, &mut table, round), table.texts.clone()));
    }
    assert_eq!(vault.owners().unwrap(), [owner()]);
    let names = vault.list(&owner()).unwrap();
    assert_eq!(names.len(), 60);
    assert_eq!((names[0].position, names[59].position), (59, 0));
    for (pointer, texts) in &taken {
        assert_eq!(restore(&vault, pointer).unwrap().texts, *texts);
        let entries = vault.load(&owner(), &pointer.into()).unwrap().verify().unwrap().entries;
        assert_eq!(entries, texts.len() as u64);
    }
    assert!(taken.iter().all(|(pointer, _)| runs(&vault, pointer) < 10), "runs are merged");
    assert!(taken.iter().any(|(pointer, _)| runs(&vault, pointer) > 1), "a delta costs what changed");
}

#[test]
fn snapshots_go_on_while_files_are_merged() {
    let vault = Vault::new(Store::memory());
    let writer = Writer::start(vault.clone()).unwrap();
    let (mut table, mut most, mut round) = (Table::default(), 0, 0);
    loop {
        change(&mut table, round);
        let pointer = take(&writer, &mut table, round);
        assert_eq!(restore(&vault, &pointer).unwrap().texts, table.texts);
        let now = runs(&vault, &pointer);
        if now < most {
            break;
        }
        (most, round) = (now, round + 1);
        assert!(round < 10_000, "files are merged");
    }
}

#[test]
fn many_small_changes_are_merged_without_what_was_there_before() {
    let vault = Vault::new(Store::memory());
    let writer = Writer::in_turn(vault.clone());
    let mut table = Table::default();
    (0..2_000).for_each(|key| table.set(&format!("key-{key}"), Some("value")));
    let first = vault.manifest(&owner(), &(&take(&writer, &mut table, 0)).into()).unwrap();
    for round in 1..=100 {
        table.set(&format!("key-{round}"), (round % 3 > 0).then_some("other"));
        let pointer = take(&writer, &mut table, round);
        let manifest = vault.manifest(&owner(), &(&pointer).into()).unwrap();
        assert_eq!(manifest.runs()[0], first.runs()[0], "what is merged is what is small");
        assert!(manifest.runs().len() <= 18, "{} runs", manifest.runs().len());
        if round % 9 == 0 {
            assert_eq!(restore(&vault, &pointer).unwrap().texts, table.texts);
        }
    }
}

#[test]
fn a_writer_goes_on_from_a_restored_snapshot() {
    let vault = Vault::new(Store::memory());
    let mut table = Table::default();
    table.set("a", Some("1"));
    table.set("b", Some("2"));
    let first = take(&Writer::start(vault.clone()).unwrap(), &mut table, 1);
    let mut again = restore(&vault, &first).unwrap();
    let writer = Writer::start(vault.clone()).unwrap();
    writer.open(owner(), Some(&vault.manifest(&owner(), &(&first).into()).unwrap()));
    again.set("b", None);
    let second = take(&writer, &mut again, 2);
    assert_eq!(restore(&vault, &second).unwrap().texts, BTreeMap::from([("a".to_owned(), "1".to_owned())]));
}

#[test]
fn old_snapshots_go_once_newer_ones_are_committed() {
    let store = Store::memory();
    let vault = Vault::new(store.clone());
    // In turn, as how many files there are depends on when a merging beside the writing ends.
    let writer = Writer::in_turn(vault.clone());
    let mut table = Table::default();
    let mut pointers = Vec::new();
    for round in 0..12 {
        table.set("only", Some(&format!("value-{round}")));
        pointers.push(take(&writer, &mut table, round));
    }
    writer.committed(owner(), pointers[10].clone());
    drop(writer);
    let positions: Vec<i64> = vault.list(&owner()).unwrap().iter().map(|name| name.position).collect();
    assert_eq!(positions, [11, 10, 9, 8]);
    for pointer in &pointers[8..] {
        restore(&vault, pointer).unwrap();
    }
    let files = store.list("snapshots").unwrap().into_iter().filter(|key| key.contains("/files/")).count();
    assert!(files <= 8, "{files} files for 4 snapshots of one entry");
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let store = Store::memory();
    let vault = Vault::new(store.clone());
    let writer = Writer::start(vault.clone()).unwrap();
    let mut table = Table::default();
    (0..20).for_each(|key| table.set(&format!("key-{key}"), Some("value")));
    let pointer = take(&writer, &mut table, 5);
    for key in store.list("snapshots").unwrap() {
        let whole = store.get(&key).unwrap().to_vec();
        for bit in (0..whole.len() * 8).step_by(3) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            store.put(&key, &damaged).unwrap();
            let refused = restore(&vault, &pointer).err().unwrap();
            assert!(matches!(refused, Error::Digest { .. }), "{key} bit {bit}: {refused}");
        }
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            store.put(&key, &whole[..length]).unwrap();
            assert!(restore(&vault, &pointer).is_err(), "{key} cut at {length}");
        }
        store.delete(&key).unwrap();
        assert!(matches!(restore(&vault, &pointer).err().unwrap(), Error::Store(_)));
        store.put(&key, &whole).unwrap();
    }
    assert_eq!(restore(&vault, &pointer).unwrap().texts, table.texts);
}
