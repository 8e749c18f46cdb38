//! Embeds the shipped pipelines and what `init` writes, so that the binary needs no folder for them.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where the pipelines lie, seen from this crate.
const PIPELINES: &str = "../../topologies/pipelines";
/// What the cases beside a pipeline end in.
const TEST_ENDING: &str = ".test.yaml";
/// Where templates lie: a folder each. One without a pipeline file takes the shipped pipeline of its name.
const TEMPLATES: &str = "templates";

fn main() {
    println!("cargo::rerun-if-changed={PIPELINES}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest directory"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets the output directory"));
    let entries = fs::read_dir(root.join(PIPELINES)).expect("the folder of pipelines can be read");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let is_pipeline = |path: &Path| name(path).ends_with(".yaml") && !name(path).ends_with(TEST_ENDING);
    files.retain(|path| is_pipeline(path));
    files.sort();
    let mut code =
        String::from("/// Shipped pipelines: name and text.\npub(crate) const SHIPPED: &[(&str, &str)] = &[\n");
    for file in files {
        // The text itself, not the file's path: a target directory may outlive the clone that filled it.
        let text = fs::read_to_string(&file).expect("a pipeline can be read");
        let name = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        code.push_str(&format!("    ({name:?}, {text:?}),\n"));
    }
    code.push_str("];\n");
    fs::write(out.join("shipped.rs"), code).expect("the output directory can be written");
    fs::write(out.join("templates.rs"), templates(&root)).expect("the output directory can be written");
}

/// A table of templates: name, and its files with their texts.
fn templates(root: &Path) -> String {
    println!("cargo::rerun-if-changed={TEMPLATES}");
    let mut code = String::from("const TEMPLATES: &[(&str, &[(&str, &str)])] = &[\n");
    for folder in sorted(&root.join(TEMPLATES)) {
        code.push_str(&format!("    ({:?}, &[\n", name(&folder)));
        for file in sorted(&folder) {
            let text = fs::read_to_string(&file).expect("a template can be read");
            code.push_str(&format!("        ({:?}, {text:?}),\n", name(&file)));
        }
        code.push_str("    ]),\n");
    }
    code + "];\n"
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of templates can be read");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file has a name").to_string_lossy().into_owned()
}
