//! The README and the pages under docs/, word for word.

use std::path::{Path, PathBuf};

use super::pages;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page that tells users something, with its name from the repository's root on.
pub fn all_pages() -> Vec<(String, String)> {
    let mut names = vec!["README.md".to_owned(), "compose/README.md".to_owned(), "docs/README.md".to_owned()];
    for kind in ["tutorials", "how-to", "reference", "explanation"] {
        let entries = std::fs::read_dir(root().join("docs").join(kind)).expect("a folder");
        names.extend(entries.map(|entry| format!("docs/{kind}/{}", entry.expect("an entry").file_name().display())));
    }
    names.into_iter().map(|name| (name.clone(), read(&root().join(name)))).collect()
}

/// Every page of a kind.
fn pages_of(kind: &str) {
    let folder = root().join("docs").join(kind);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are {kind}");
    for file in files {
        pages::holds(&format!("{kind}/{}", file.file_name().expect("a name").to_string_lossy()), &read(&file));
    }
}

#[test]
fn the_tutorial_works_word_for_word() {
    let readme = read(&root().join("README.md"));
    let (_, section) = readme.split_once("## Five minutes on your own Kafka").expect("the README has a tutorial");
    pages::holds("README.md", section.split("\n## ").next().unwrap_or_default());
}

#[test]
fn tutorials_work_word_for_word() {
    pages_of("tutorials");
}

#[test]
fn how_tos_work_word_for_word() {
    pages_of("how-to");
}

#[test]
fn explanations_work_word_for_word() {
    pages_of("explanation");
}

#[test]
fn what_references_show_is_so() {
    pages_of("reference");
}
