//! Tests of published models: complete or invisible, numbered once, found by number and digest.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use super::{Error, MANIFEST_FILE, Models, Version};
use crate::canonical::sha256_hex;
use crate::store::Store;

fn files(mark: &str) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        (MANIFEST_FILE.to_owned(), format!("{{\"mark\":\"{mark}\"}}").into_bytes()),
        ("weights.safetensors".to_owned(), mark.repeat(100).into_bytes()),
    ])
}

#[test]
fn versions_are_numbered_listed_and_opened() {
    let models = Models::new(Store::memory());
    assert!(models.names().unwrap().is_empty());
    for (mark, version) in [("a", 1), ("b", 2)] {
        let published = models.publish("fraud", &files(mark)).unwrap();
        assert_eq!(published.version, version);
        assert_eq!(published.digest, sha256_hex(&files(mark)[MANIFEST_FILE]));
    }
    assert_eq!(models.names().unwrap(), ["fraud"]);
    assert_eq!(models.list("fraud").unwrap().len(), 2);
    assert_eq!(models.open("fraud", Version::Latest).unwrap().files, files("b"));
    let first = models.open("fraud", Version::Number(1)).unwrap();
    assert_eq!(first.files, files("a"));
    assert_eq!(models.open_digest("fraud", &first.published.digest).unwrap(), first);
}

#[test]
fn the_same_files_keep_their_version() {
    let models = Models::new(Store::memory());
    let first = models.publish("m", &files("a")).unwrap();
    models.publish("m", &files("b")).unwrap();
    assert_eq!(models.publish("m", &files("a")).unwrap(), first);
}

#[test]
fn a_half_written_version_is_invisible_and_its_publisher_can_finish_it() {
    let store = Store::memory();
    let models = Models::new(store.clone());
    models.publish("m", &files("a")).unwrap();
    let digest = sha256_hex(&files("b")[MANIFEST_FILE]);
    store.put_create("claims/models/m/2", digest.as_bytes()).unwrap();
    store.put_create("models/m/2/weights.safetensors", &files("b")["weights.safetensors"]).unwrap();

    assert_eq!(models.open("m", Version::Latest).unwrap().published.version, 1);
    assert!(matches!(models.open("m", Version::Number(2)), Err(Error::NotFound { .. })));
    assert_eq!(models.publish("m", &files("c")).unwrap().version, 3);
    assert_eq!(models.publish("m", &files("b")).unwrap().version, 2);
    assert_eq!(models.open("m", Version::Number(2)).unwrap().files, files("b"));
}

#[test]
fn racing_publishers_get_different_versions() {
    const RACERS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let gate = Barrier::new(RACERS);
    let versions: BTreeSet<u64> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (dir, gate) = (dir.path(), &gate);
                scope.spawn(move || {
                    let models = Models::new(Store::local(dir).unwrap());
                    gate.wait();
                    models.publish("m", &files(&racer.to_string())).unwrap().version
                })
            })
            .collect();
        racers.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert_eq!(versions.len(), RACERS);
    let models = Models::new(Store::local(dir.path()).unwrap());
    for version in versions {
        let opened = models.open("m", Version::Number(version)).unwrap();
        let known = (0..RACERS).any(|racer| opened.files == files(&racer.to_string()));
        assert!(known, "version {version} mixes files");
    }
}

#[test]
fn what_is_missing_is_named_with_what_there_is() {
    let models = Models::new(Store::memory());
    let text = models.open("m", Version::Latest).unwrap_err().to_string();
    assert!(text.contains("`m`") && text.contains("train a model first"), "{text}");
    models.publish("m", &files("a")).unwrap();
    let text = models.open("m", Version::Number(7)).unwrap_err().to_string();
    assert!(text.contains("version 7") && text.contains("only version is 1"), "{text}");
    let text = models.publish("m", &BTreeMap::new()).unwrap_err().to_string();
    assert!(text.contains(MANIFEST_FILE), "{text}");
}

#[test]
fn versions_are_read_from_text() {
    assert_eq!("latest".parse(), Ok(Version::Latest));
    assert_eq!("12".parse(), Ok(Version::Number(12)));
    for text in ["0", "-1", "v3", ""] {
        let refused = text.parse::<Version>().unwrap_err().to_string();
        assert!(refused.contains(&format!("`{text}`")), "{refused}");
    }
}

#[test]
fn names_of_any_kind_stay_apart() {
    let models = Models::new(Store::memory());
    for name in ["a/b", "a", "..", "größe"] {
        models.publish(name, &files(name)).unwrap();
        assert_eq!(models.open(name, Version::Latest).unwrap().files, files(name));
    }
    assert_eq!(models.names().unwrap().len(), 4);
}
