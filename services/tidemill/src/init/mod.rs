//! A folder with a pipeline that runs: from a template, or derived from a file of events or from topics.

mod derive;
mod infer;
mod objects;
mod target;
#[cfg(test)]
mod tests;
pub mod topic;

use std::fs;
use std::path::{Path, PathBuf};

use flow::config::parse;

use crate::error::Error;
use crate::loading::{PIPELINE_FILE, shipped_text};

pub use derive::{Wanted, derive};

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// File of a template that says what to call next; it is printed and not written.
const NEXT_FILE: &str = "next.txt";
/// File with the JSON Schema of pipeline files, for editors.
const SCHEMA_FILE: &str = "tidemill.schema.json";
/// What a folder may have and still be empty: its history.
const HISTORY: &str = ".git";

/// What a folder gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Names and texts.
    pub files: Vec<(String, String)>,
    /// Commands to go on with.
    pub next: Vec<String>,
    /// What should be known before.
    pub notes: Vec<String>,
}

/// The names of all templates.
pub fn names() -> Vec<&'static str> {
    TEMPLATES.iter().map(|(name, _)| *name).collect()
}

/// The files of a template. The shipped pipeline of its name stands in for a pipeline file that it lacks, and schemas that
/// are built in are written beside it, to be changed.
pub fn template(name: &str) -> Result<Files, Error> {
    let found = TEMPLATES.iter().find(|(known, _)| *known == name);
    let (_, own) = found.ok_or_else(|| Error::Failed(format!("no template `{name}` is built in")))?;
    let mut files = Files::default();
    for (file, text) in own.iter() {
        match *file {
            NEXT_FILE => files.next = text.lines().map(str::to_owned).collect(),
            _ => files.files.push(((*file).to_owned(), (*text).to_owned())),
        }
    }
    if !own.iter().any(|(file, _)| *file == PIPELINE_FILE) {
        let text = shipped_text(name)?;
        files.with_shipped(text)?;
    }
    Ok(files)
}

impl Files {
    /// Adds a shipped pipeline with schemas of its own.
    fn with_shipped(&mut self, text: &str) -> Result<(), Error> {
        let built_in = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(String::new);
        let pipeline = parse(text, &built_in)
            .map_err(|problems| Error::Failed(format!("a shipped pipeline has {} problems", problems.len())))?;
        let mut text = text.to_owned();
        let labels = pipeline.labels.as_ref().map(|labels| &labels.schema.path);
        for path in [&pipeline.events.schema.path].into_iter().chain(labels) {
            let own = path.rsplit('/').next().unwrap_or(path).to_owned();
            text = text.replace(&format!("schema: {path}"), &format!("schema: {own}"));
            self.files.push((own, built_in(path).map_err(Error::Failed)?));
        }
        self.files.push((PIPELINE_FILE.to_owned(), text));
        Ok(())
    }

    /// Adds the JSON Schema of pipeline files, and the line of the pipeline file that tells editors where it is.
    pub fn with_editor_schema(mut self, mut schema: String) -> Self {
        schema.push('\n');
        self.files.push((SCHEMA_FILE.to_owned(), schema));
        for (_, text) in self.files.iter_mut().filter(|(name, _)| name == PIPELINE_FILE) {
            *text = format!("# yaml-language-server: $schema={SCHEMA_FILE}\n{text}");
        }
        self
    }

    /// Writes everything into an empty folder, which is made if it is not there; gives the paths. Nothing is written where
    /// anything is there already.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        check_empty(folder)?;
        let failed =
            |path: &Path, error: std::io::Error| Error::Input(format!("cannot write {}: {error}", path.display()));
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let mut written = Vec::new();
        for (name, text) in &self.files {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| failed(&path, error))?;
            written.push(path);
        }
        written.sort();
        Ok(written)
    }
}

/// An error unless the folder is empty or not there.
pub fn check_empty(folder: &Path) -> Result<(), Error> {
    let shown = folder.display();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::Input(format!("{shown} cannot be a new folder: {error}"))),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name != HISTORY)
        .collect();
    names.sort();
    match names.first() {
        None => Ok(()),
        Some(first) => {
            let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
            Err(Error::Input(format!(
                "{shown} is not empty, it has `{first}`{more}; nothing was written. Name a folder that is empty or not there: tidemill init DIR"
            )))
        }
    }
}
