//! The model of a case, for those that expect scores or decisions: a version in the store of `--data` or `--store`, as
//! `train` put it there, or a folder with an artefact's files.

use std::collections::BTreeMap;
use std::path::Path;

use flow::config::Pipeline;
use registry::models::{MANIFEST_FILE, Models, Version};
use scorer::Readiness;
use trainer::Terms;

use crate::cli::Global;
use crate::cli::rows::Versioned;
use crate::environment::{Environment, open_store};
use crate::error::Error;

/// A model that a case can use.
#[derive(Debug, Clone)]
pub struct Chosen {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// Finds the model that a test file names: a text with a `/` is a folder beside it, any other `NAME` or `NAME@VERSION`.
pub fn find(global: &Global, pipeline: &Pipeline, beside: &Path, wanted: &str) -> Result<Chosen, Error> {
    let unusable = |detail: String| Error::Input(format!("`model: {wanted}`: {detail}"));
    if wanted.contains('/') {
        let files = read(&beside.join(wanted)).map_err(unusable)?;
        let declared = pipeline.models.first();
        let name = declared.ok_or_else(|| unusable("the pipeline declares no model".to_owned()))?.name.clone();
        return Ok(Chosen { name, files });
    }
    let named: Versioned = wanted.parse().map_err(unusable)?;
    let opened = Models::new(open_store(global)?).open(&named.name, named.version);
    let opened = opened.map_err(|error| match error {
        registry::models::Error::NotFound { .. } => unusable(format!(
            "{error}. `tidemill train` publishes one; a folder with a model's files is written with a /"
        )),
        other => other.into(),
    })?;
    Ok(Chosen { name: named.name, files: opened.files })
}

/// The files of an artefact.
fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let shown = folder.display();
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            let bytes = std::fs::read(entry.path()).map_err(failed)?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
    }
    match files.contains_key(MANIFEST_FILE) {
        true => Ok(files),
        false => Err(format!("{shown} has no {MANIFEST_FILE}, so it is no model")),
    }
}

impl Chosen {
    /// Makes it the champion of a place in which nothing was published yet, so that it scores all of the case's events.
    pub fn promote(&self, environment: &Environment) -> Result<(), Error> {
        let models = environment.models();
        let published = models.publish(&self.name, &self.files)?;
        let version = Version::Number(published.version);
        // No scorer runs yet; the one that is started behind this takes the model up at its fence.
        let terms = Terms { threshold: None, readiness: Readiness::Skipped };
        trainer::promote_version(
            &environment.context,
            &models,
            &environment.decisions,
            (self.name.as_str(), version),
            terms,
        )?;
        Ok(())
    }
}
