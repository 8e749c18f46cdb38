//! `tidemill model`: what was trained.

use std::fmt::Display;

use flow::fence::ModelRef;
use registry::models::{MANIFEST_FILE, Models, Opened, Published, Version};
use serde_json::{Value, json};

use crate::cli::{Global, Model};
use crate::commands::run::check_applied;
use crate::environment::{Environment, open_store};
use crate::error::Error;
use crate::output::{Output, table};

/// File with the facts for people.
const CARD_FILE: &str = model::artefact::CARD_FILE;

pub fn run(global: &Global, output: Output, command: &Model) -> Result<(), Error> {
    match command {
        Model::List => list(&Models::new(open_store(global)?), output),
        Model::Show { name, version } => show(&Models::new(open_store(global)?), output, name, version),
        Model::Promote { name, version, threshold } => {
            promote(&Environment::existing(global)?, output, (name, version), *threshold)
        }
    }
}

fn list(models: &Models, output: Output) -> Result<(), Error> {
    let mut found: Vec<Published> = Vec::new();
    for name in models.names()? {
        found.extend(models.list(&name)?);
    }
    let text = || match found.is_empty() {
        true => "no models yet; train one".to_owned(),
        false => {
            let row = |model: &Published| vec![model.name.clone(), model.version.to_string(), model.digest.clone()];
            table(&["MODEL", "VERSION", "DIGEST"], &found.iter().map(row).collect::<Vec<_>>())
        }
    };
    let value = |model: &Published| json!({ "name": model.name, "version": model.version, "digest": model.digest });
    output.show(text, || found.iter().map(value).collect())
}

fn show(models: &Models, output: Output, name: &str, version: &str) -> Result<(), Error> {
    let opened = open(models, name, version)?;
    let gate = model::Artefact::open_as(&opened.files, &opened.published.digest);
    let broken = gate.err().map(|error| error.to_string());
    output.show(|| text(&opened, broken.as_deref()), || value(&opened, broken.as_deref()))
}

fn open(models: &Models, name: &str, version: &str) -> Result<Opened, Error> {
    let version = version.parse::<Version>().map_err(|error| Error::Input(error.to_string()))?;
    Ok(models.open(name, version)?)
}

fn promote(
    environment: &Environment,
    output: Output,
    (name, version): (&str, &str),
    threshold: Option<f64>,
) -> Result<(), Error> {
    if let Some(remote) = &environment.remote {
        let told = remote.promote(name, version, threshold)?;
        let number = told.get("number").cloned().unwrap_or_default();
        return output.show(|| champion(name, &version, &number), || told);
    }
    check_applied(environment)?;
    let opened = open(&environment.models(), name, version)?;
    let Published { version, digest, .. } = opened.published;
    let refuse = |why: String| Error::Input(format!("model {name} version {version} cannot be promoted: {why}"));
    let gate = model::Artefact::open_as(&opened.files, &digest).map_err(|error| refuse(error.to_string()))?;
    let features = &environment.context.pipeline.features.digest;
    if gate.manifest().feature_set != *features {
        let why = "it was trained on other features than this pipeline computes; train it again";
        return Err(refuse(why.to_owned()));
    }
    let model = ModelRef { name: name.to_owned(), version, digest: digest.clone() };
    let promotion = scorer::promote(&environment.context, &environment.decisions, model, threshold)?;
    let number = promotion.number;
    output.show(
        || champion(name, &version, &number),
        || json!({ "name": name, "version": version, "digest": digest, "control": number, "threshold": threshold }),
    )
}

fn champion(name: &str, version: &dyn Display, number: &dyn Display) -> String {
    format!("{name} version {version} is champion by control state {number}; scorers switch where they read it")
}

fn text(opened: &Opened, broken: Option<&str>) -> String {
    let Published { name, version, digest } = &opened.published;
    let mut text = format!("{name} version {version}\ndigest {digest}\n");
    text.push_str(&match broken {
        None => "passes the load gate\n".to_owned(),
        Some(error) => format!("REFUSED by the load gate: {error}\n"),
    });
    for (file, bytes) in &opened.files {
        text.push_str(&format!("  {file}  {} bytes\n", bytes.len()));
    }
    if let Some(card) = opened.files.get(CARD_FILE) {
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(card));
    }
    text
}

fn value(opened: &Opened, broken: Option<&str>) -> Value {
    let manifest = opened.files.get(MANIFEST_FILE).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let Published { name, version, digest } = &opened.published;
    json!({ "name": name, "version": version, "digest": digest, "refused": broken, "manifest": manifest })
}
