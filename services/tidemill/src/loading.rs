//! Finding and reading the pipeline file, and drawing what is wrong with it.

use std::path::{Path, PathBuf};

use flow::config::{Pipeline, Problem, Reading};

use crate::check;
use crate::cli::Global;
use crate::diagnostics;
use crate::error::Error;

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The pipeline taken when none is named.
const DEFAULT: &str = include_str!("../default-pipeline");
/// Where pipelines lie in a checkout of the repository.
const FOLDER: &str = "topologies/pipelines";

/// The pipeline file of a folder, taken where none is named.
pub const PIPELINE_FILE: &str = "pipeline.yaml";

/// A pipeline file as read.
#[derive(Debug)]
pub struct Loaded {
    /// Its path, or the name of a shipped pipeline.
    pub path: String,
    /// Its text.
    pub yaml: String,
    /// What it says, or what is wrong with it.
    pub pipeline: Result<Pipeline, Vec<Problem>>,
}

impl Loaded {
    /// The pipeline, or all problems drawn.
    pub fn checked(self, global: &Global) -> Result<Pipeline, Error> {
        let Self { path, yaml, pipeline } = self;
        pipeline.map_err(|problems| diagnostics::error(&path, &yaml, &problems, global.output))
    }
}

/// Reads the pipeline file that the options name.
pub fn load(global: &Global) -> Result<Loaded, Error> {
    let (path, yaml) = find(global.pipeline.as_deref())?;
    let beside = Path::new(&path).parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(read_text(path, yaml, &|schema| resolve(&beside, schema)))
}

/// Reads the text of a pipeline file whose schemas `resolve` finds.
pub fn read_text(path: String, yaml: String, resolve: &dyn Fn(&str) -> Result<String, String>) -> Loaded {
    let reading = Reading::new(&yaml, resolve);
    let problems = check::check(&reading);
    let pipeline = reading.judged(problems);
    Loaded { path, yaml, pipeline }
}

/// A schema: one that the program carries, or a file beside the pipeline file.
fn resolve(beside: &Path, schema: &str) -> Result<String, String> {
    if let Some(text) = schemas::contracts::avro(schema) {
        return Ok(text.to_owned());
    }
    let file = beside.join(schema);
    std::fs::read_to_string(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("no schema of that name is built in, and there is no file {}", file.display())
        }
        _ => format!("cannot read {}: {error}", file.display()),
    })
}

fn find(named: Option<&str>) -> Result<(String, String), Error> {
    let Some(name) = named else {
        let own = Path::new(PIPELINE_FILE);
        if own.is_file() {
            return read(own);
        }
        let name = DEFAULT.trim();
        let file = PathBuf::from(FOLDER).join(format!("{name}.yaml"));
        return if file.is_file() { read(&file) } else { shipped(name) };
    };
    let file = Path::new(name);
    if !file.exists() && SHIPPED.iter().any(|(known, _)| *known == name) {
        return shipped(name);
    }
    read(file)
}

fn shipped(name: &str) -> Result<(String, String), Error> {
    Ok((format!("{name}.yaml"), shipped_text(name)?.to_owned()))
}

/// The text of a shipped pipeline.
pub fn shipped_text(name: &str) -> Result<&'static str, Error> {
    let found = SHIPPED.iter().find(|(known, _)| *known == name);
    found.map(|(_, yaml)| *yaml).ok_or_else(|| Error::Failed(format!("no pipeline `{name}` is built in")))
}

fn read(file: &Path) -> Result<(String, String), Error> {
    let path = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(yaml) => Ok((path, yaml)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            Err(Error::Input(format!("there is no pipeline file {path}; built in are: {}", names.join(", "))))
        }
        Err(error) => Err(Error::Input(format!("cannot read the pipeline file {path}: {error}"))),
    }
}
