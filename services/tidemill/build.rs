//! Embeds the shipped pipelines, so that the binary needs no folder to run them.

use std::path::PathBuf;
use std::{env, fs};

/// Where the pipelines lie, seen from this crate.
const PIPELINES: &str = "../../topologies/pipelines";

fn main() {
    println!("cargo::rerun-if-changed={PIPELINES}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest directory"));
    let folder = root.join(PIPELINES);
    let entries = fs::read_dir(&folder).expect("the folder of pipelines can be read");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let mut code =
        String::from("/// Shipped pipelines: name and text.\npub(crate) const SHIPPED: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        code.push_str(&format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets the output directory"));
    fs::write(out.join("shipped.rs"), code).expect("the output directory can be written");
}
