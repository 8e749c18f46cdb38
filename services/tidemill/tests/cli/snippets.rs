//! Examples on pages that are no commands: a block of YAML says after its language how it is tried.
//!
//! - `yaml in=BASE` is a part of a pipeline file, put over that of the shipped pipeline, or of the folder in `bases/`, with
//!   this name, with `at=a.b` below these keys. The program must find it valid.
//! - `yaml test=BASE` is a file of cases; they are run on the template or the shipped pipeline of this name.
//! - `yaml file=NAME` is written by the page's own commands, see `pages`.
//! - `python` is run where the pipeline of the first pages has run.
//! - `sh` is of what a test has not: an engine for containers, or hours of measuring. Such pages are named here.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::python::Python;

use super::pages::{Block, blocks};
use super::readme::{all_pages, root};
use super::{check, folder, transactions};

/// Pages with commands that only take a place and time which no test has: benchmarks.
const NOT_RUN: [&str; 1] = ["docs/explanation/benchmarks.md"];
/// The page whose commands are for an engine for containers. `compose.rs` runs what does not need one.
const CONTAINERS: &str = "compose/README.md";

/// The words after a block's language.
fn option<'p>(block: &Block<'p>, name: &str) -> Option<&'p str> {
    let mut words = block.info.split(' ').skip(1).filter_map(|word| word.split_once('='));
    words.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn language<'p>(block: &Block<'p>) -> &'p str {
    block.info.split(' ').next().unwrap_or_default()
}

/// Puts one value over another: maps key by key, everything else as a whole.
fn put(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                put(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The files of a base, in this folder: its pipeline as `pipeline.yaml`.
fn lay(base: &str, dir: &Path) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/bases").join(base);
    let files: Vec<PathBuf> = match std::fs::read_dir(&own) {
        Ok(entries) => entries.map(|entry| entry.expect("an entry").path()).collect(),
        Err(_) => vec![root().join(format!("topologies/pipelines/{base}.yaml"))],
    };
    for file in files {
        let is_schema = file.extension().is_some_and(|ending| ending == "avsc");
        let name = file.file_name().filter(|_| is_schema).unwrap_or("pipeline.yaml".as_ref());
        std::fs::copy(&file, dir.join(name)).unwrap_or_else(|error| panic!("base {base}: {error}"));
    }
}

/// What the program says of a part of a pipeline file, and its exit code.
fn validated(base: &str, at: Option<&str>, text: &str) -> (Option<i32>, String) {
    let dir = folder();
    lay(base, dir.path());
    let file = dir.path().join("pipeline.yaml");
    let mut whole = yaml(&std::fs::read_to_string(&file).expect("a pipeline"));
    let keys = at.into_iter().flat_map(|at| at.rsplit('.'));
    let part = keys.fold(yaml(text), |part, key| serde_json::json!({ key: part }));
    put(&mut whole, part);
    std::fs::write(&file, whole.to_string()).expect("a file");
    let output = super::tidemill(dir.path(), &["validate"]);
    (output.status.code(), super::text(&output.stdout) + &super::text(&output.stderr))
}

/// Runs cases. Those of a model that a reader is to have, and a test has not, must be read, and fail for want of it.
fn run_cases(base: &str, text: &str) {
    let dir = folder();
    let dir = dir.path();
    let is_template = base == "minimal";
    if is_template {
        check(dir, &["init", base], 0, &[]);
    } else {
        std::fs::create_dir(dir.join(base)).expect("a folder");
        lay(base, &dir.join(base));
    }
    let dir = dir.join(base);
    std::fs::write(dir.join("pipeline.test.yaml"), text).expect("a file");
    match yaml(text)["model"].as_str() {
        Some(model) => check(&dir, &["test"], 2, &[&format!("`model: {model}`"), "nothing was published"]),
        None => check(&dir, &["test"], 0, &["ok "]),
    };
}

fn tried(page: &str, block: &Block) {
    let place = format!("{page}, `{}`", block.info);
    match (option(block, "in"), option(block, "test"), option(block, "file")) {
        (Some(base), None, None) => {
            let (code, said) = validated(base, option(block, "at"), &block.text());
            assert_eq!(code, Some(0), "{place}: {said}");
        }
        (None, Some(base), None) => run_cases(base, &block.text()),
        (None, None, Some(_)) => {}
        _ => panic!("{place}: a block of YAML says `in=BASE`, `test=BASE` or `file=NAME`:\n{}", block.text()),
    }
}

#[test]
fn every_block_of_yaml_is_valid_where_it_stands() {
    let mut count = 0;
    for (name, text) in all_pages() {
        for block in blocks(&text).iter().filter(|block| language(block) == "yaml") {
            tried(&name, block);
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn a_wrong_block_is_noticed() {
    assert_eq!(validated("shop", Some("sources.orders"), "breaker: { in_a_row: 5 }").0, Some(0));
    let (code, said) = validated("shop", Some("sources.orders"), "braker: { in_a_row: 5 }");
    assert!(code == Some(2) && said.contains("did you mean `breaker`?"), "{said}");
    let (code, said) = validated("shop", None, "features: { derived: { share: amuont / 2 } }");
    assert!(code == Some(2) && said.contains("amuont"), "{said}");
}

#[test]
fn there_are_no_blocks_that_nobody_tries() {
    for (name, text) in all_pages() {
        for block in blocks(&text) {
            let is_tried = match language(&block) {
                "console" | "yaml" => true,
                "python" => name == "docs/how-to/storage.md",
                "sh" => NOT_RUN.contains(&&*name) || name == CONTAINERS,
                // What a program prints, and pictures.
                "text" => true,
                _ => false,
            };
            assert!(is_tried, "{name}: nobody tries this block:\n```{}\n{}", block.info, block.text());
        }
    }
}

/// DuckDB reads the archive by the names that `compact --files` gives.
#[test]
fn the_script_of_the_storage_page_counts_the_archive() {
    let page = std::fs::read_to_string(root().join("docs/how-to/storage.md")).expect("the page");
    let scripts = blocks(&page);
    let scripts: Vec<&Block> = scripts.iter().filter(|block| language(block) == "python").collect();
    let [script] = scripts[..] else { panic!("the page has one script") };
    let Some(python) = Python::find() else { return };
    let dir = folder();
    let dir = dir.path();
    let csv = transactions(dir);
    check(dir, &["publish", csv.to_str().expect("a path"), "--label-column", "TX_FRAUD"], 0, &[]);
    check(dir, &["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"], 0, &[]);
    let said = python.run_in(dir, &script.text(), Path::new(env!("CARGO_BIN_EXE_tidemill")));
    assert!(said.contains("40"), "{said}");
}
