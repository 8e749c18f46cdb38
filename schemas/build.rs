//! Embeds the contract files, so that a binary carries the schemas it was built with.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest directory"));
    let mut code = String::new();
    for (folder, ending, name) in [("avro", "avsc", "AVRO"), ("topics", "yaml", "TOPICS")] {
        println!("cargo::rerun-if-changed={folder}");
        let base = root.join(folder);
        let mut files = Vec::new();
        collect(&base, ending, &mut files);
        files.sort();
        code.push_str(&format!("pub(super) const {name}: &[(&str, &str)] = &[\n"));
        for file in files {
            let path = file.strip_prefix(&base).expect("the file lies below its folder");
            let path = path.to_str().expect("contract paths are plain text").replace('\\', "/");
            // The text itself, not the file's path: a target directory may outlive the clone that filled it.
            let text = fs::read_to_string(&file).expect("a contract can be read");
            code.push_str(&format!("    ({path:?}, {text:?}),\n"));
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets the output directory"));
    fs::write(out.join("contracts.rs"), code).expect("the output directory can be written");
}

fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the contract folder can be read") {
        let path = entry.expect("the contract folder can be read").path();
        if path.is_dir() {
            collect(&path, ending, files);
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
}
