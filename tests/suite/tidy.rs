//! Rules about the code itself: who may depend on whom, which crate alone names a library, and what pure code must not do.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::part::Part;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A crate of the workspace: its folder, and the names of what it depends on, dev-dependencies aside.
struct Package {
    folder: String,
    needs: Vec<String>,
}

fn packages() -> BTreeMap<String, Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let package = |package: &Value| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root()).ok().map(Path::to_path_buf));
        let needs = package["dependencies"].as_array().into_iter().flatten();
        let needs = needs.filter(|one| one["kind"] != "dev").map(|one| text(&one["name"])).collect();
        (text(&package["name"]), Package { folder: folder.unwrap_or_default().display().to_string(), needs })
    };
    metadata["packages"].as_array().into_iter().flatten().map(package).collect()
}

/// How high a crate stands; it may depend on lower ones, and on its like among the stages and services.
fn layer(package: &Package) -> u8 {
    match package.folder.as_str() {
        "schemas" => 0,
        "topologies/flow" | "topologies/model" => 1,
        folder if folder.starts_with("topologies/") => 2,
        "services/runtime" | "services/registry" | "services/offline" | "replay" => 3,
        "services/tidemill" => 5,
        folder if folder.starts_with("services/") => 4,
        _ => 6,
    }
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    assert!(packages.len() > 10, "cargo metadata lists the workspace");
    for (name, package) in &packages {
        for need in package.needs.iter().filter_map(|need| packages.get(need).map(|found| (need, found))) {
            let (need, found) = need;
            assert!(layer(found) <= layer(package), "{name} must not depend on {need}");
            assert!(layer(package) > 1 || layer(found) < layer(package), "{name} must not depend on {need}");
        }
    }
    assert!(!packages["replay"].needs.contains(&"runtime".to_owned()), "replay works without a log");
}

#[test]
fn one_crate_names_rdkafka_and_one_names_parquet() {
    for (library, owner) in [("rdkafka", "runtime"), ("parquet", "offline")] {
        let packages = packages();
        let users: Vec<_> = packages
            .iter()
            .filter(|(_, package)| package.needs.iter().any(|need| need == library))
            .map(|(name, _)| name.as_str())
            .filter(|name| *name != "hub")
            .collect();
        assert_eq!(users, [owner], "crates that name {library}");
    }
}

#[test]
fn ci_skips_no_test_for_want_of_a_part_that_it_can_have() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let is_set = |part: &&Part| script.contains(&format!("export {}=1", part.variable()));
    let left: Vec<&Part> = Part::ALL.iter().filter(|part| !is_set(part)).collect();
    // A container engine with its client and further shells are not installed by a script of ours.
    assert_eq!(left, [&Part::Compose, &Part::Shells]);
    let installed = script.lines().find_map(|line| line.strip_prefix("for part in ")).unwrap();
    let installed: Vec<&str> = installed.trim_end_matches("; do").split(' ').collect();
    let folders = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap());
    let with_script = folders.filter(|folder| folder.path().join("install.sh").exists());
    let mut parts: Vec<String> = with_script.map(|folder| folder.file_name().into_string().unwrap()).collect();
    parts.sort();
    assert_eq!(installed, parts);
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests" && name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            found.push(path);
        }
    }
}

/// Code lines of a file with their numbers, its test module and comments left out.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let (mut found, mut in_tests, mut before) = (Vec::new(), false, "");
    for (at, line) in text.lines().enumerate() {
        in_tests |= line == "mod tests {" && before == "#[cfg(test)]";
        if !in_tests && !line.trim_start().starts_with("//") {
            found.push((at + 1, line.to_owned()));
        }
        in_tests &= line != "}";
        before = line;
    }
    found
}

/// Says where a word stands in a folder's code, in large letters or small ones.
#[track_caller]
fn forbid(folder: &str, words: &[&str], why: &str, except: &[&str]) {
    let mut files = Vec::new();
    sources(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} has sources");
    for file in files {
        let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        if except.iter().any(|prefix| shown.starts_with(prefix)) {
            continue;
        }
        for (line, text) in code(&file) {
            let text = text.to_lowercase();
            for word in words {
                assert!(!text.contains(&word.to_lowercase()), "{shown}:{line} says {word}: {why}");
            }
        }
    }
}

#[test]
fn what_happens_is_pure() {
    let words = [
        "SystemTime",
        "Instant::now",
        "std::fs",
        "std::net",
        "std::thread",
        "thread::spawn",
        "tokio",
        "async fn",
        "async move",
        "from_os_rng",
        "from_entropy",
        "thread_rng",
        "rand::rng()",
        "Utc::now",
    ];
    forbid("topologies", &words, "topologies have no clock, IO, async or unseeded randomness", &[]);
}

#[test]
fn rust_code_names_no_pipeline() {
    let mut shipped = Vec::new();
    for entry in fs::read_dir(root().join("topologies/pipelines")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // The demonstration is a command, too, and has its pipeline's name.
        if path.extension().is_some_and(|ending| ending == "yaml") && !name.ends_with(".test") && name != "demo" {
            shipped.push(name);
        }
    }
    assert!(shipped.len() >= 3, "{shipped:?}");
    let words: Vec<&str> = shipped.iter().map(String::as_str).collect();
    // The demo simulates card transactions for the first pipeline.
    for folder in CODE {
        let why = "pipelines are files; the code must not know them";
        forbid(folder, &words, why, &["services/tidemill/src/demo/"]);
    }
}

/// The folders with the program's code.
const CODE: [&str; 4] = ["schemas", "topologies", "services", "replay"];

/// All files and folders called tests below a folder, but those of crates, which cargo knows for tests.
fn called_tests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "tests") && !folder.join("Cargo.toml").exists() {
            found.push(path);
        } else if path.is_dir() {
            called_tests(&path, found);
        }
    }
}

/// The rules about code leave tests out, so code must not stand where tests are looked for.
#[test]
fn what_is_called_tests_is_compiled_for_tests_only() {
    let mut all = Vec::new();
    CODE.iter().for_each(|folder| called_tests(&root().join(folder), &mut all));
    assert!(all.len() > 50, "{}", all.len());
    for path in all {
        let parent = path.parent().unwrap();
        let module = ["mod.rs", "lib.rs", "main.rs"].map(|file| parent.join(file)).into_iter();
        let mut module = module.chain([parent.with_extension("rs")]).filter(|file| file.exists());
        let is_test = |file: PathBuf| fs::read_to_string(file).unwrap().contains("#[cfg(test)]\nmod tests;");
        assert!(module.any(is_test), "{} is part of the program", path.display());
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for folder in ["schemas", "topologies", "services", "replay", "tests"] {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} starts with //!", file.display());
        }
    }
}

/// Pages in Markdown below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

/// The files that a page links to, from the repository's root on.
fn links(page: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(page).unwrap();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter_map(|target| target.split('#').next()).filter(|file| !file.is_empty());
    let own = files.filter(|file| !file.contains("://") && !file.contains(' '));
    own.map(|file| page.parent().unwrap().join(file)).collect()
}

#[test]
fn pages_link_to_what_is_there_and_the_index_to_all_of_them() {
    let root = root();
    let mut docs = Vec::new();
    pages(&root.join("docs"), &mut docs);
    let whole = |path: &Path| path.canonicalize().unwrap();
    let index = root.join("docs/README.md");
    let indexed: Vec<PathBuf> = links(&index).iter().map(|path| whole(path)).collect();
    for page in &docs {
        let is_there = page == &index || indexed.contains(&whole(page));
        assert!(is_there, "docs/README.md does not name {}", page.display());
    }
    docs.extend(
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "compose/README.md", "schemas/rejects.md"]
            .map(|page| root.join(page)),
    );
    for page in &docs {
        for target in links(page) {
            assert!(target.exists(), "{} links to {}", page.display(), target.display());
        }
    }
}
