//! `tidemill model`: what was trained.

use flow::fence::ModelRef;
use registry::models::{MANIFEST_FILE, Models, Opened, Published, Version};
use serde_json::{Value, json};
use trainer::Terms;

use crate::cli::Global;
use crate::cli::models::Model;
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
        Model::Promote { name, version, threshold, readiness } => {
            let version = version.parse::<Version>().map_err(|error| Error::Input(error.to_string()))?;
            let terms = Terms { threshold: *threshold, readiness: readiness.of() };
            let promoted = promote(&Environment::existing(global)?, name, version, terms)?;
            output.show(|| promoted.text(), || promoted.value())
        }
    }
}

/// A champion and the control state that made it one.
pub struct Promoted {
    name: String,
    version: u64,
    digest: String,
    number: u64,
    threshold: Option<f64>,
}

impl Promoted {
    /// Number of the control state.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// For people.
    pub fn text(&self) -> String {
        let Self { name, version, number, .. } = self;
        let threshold = self.threshold.map_or_else(String::new, |threshold| format!(" with threshold {threshold}"));
        format!("{name}@{version} is champion{threshold} by control state {number}; scorers switch where they read it")
    }

    fn value(&self) -> Value {
        let Self { name, version, digest, number, threshold } = self;
        json!({ "name": name, "version": version, "digest": digest, "control": number, "threshold": threshold })
    }
}

/// Makes a version the champion, here or through the gateway of whoever has the log.
pub fn promote(environment: &Environment, name: &str, version: Version, terms: Terms) -> Result<Promoted, Error> {
    if let Some(remote) = &environment.remote {
        let told = remote.promote(name, version, terms)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let champion = &told["champion"];
        return Ok(Promoted {
            name: text(&champion["name"]),
            version: champion["version"].as_u64().unwrap_or_default(),
            digest: text(&champion["digest"]),
            number: told["number"].as_u64().unwrap_or_default(),
            threshold: told["threshold"].as_f64(),
        });
    }
    check_applied(environment)?;
    let (context, models, decisions) = (&environment.context, environment.models(), &environment.decisions);
    let promotion = trainer::promote_version(context, &models, decisions, (name, version), terms)?;
    let champion =
        promotion.control.champion.ok_or_else(|| Error::Failed("the control state names no champion".into()))?;
    let ModelRef { name, version, digest } = champion;
    Ok(Promoted { name, version, digest, number: promotion.number, threshold: promotion.control.threshold })
}

/// Where a threshold comes from, as the end of a line.
pub fn rule(rule: model::Rule) -> String {
    match rule {
        model::Rule::TopPerDay(count) => format!(", which leaves {count} alerts a day"),
        model::Rule::Fixed => String::new(),
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
