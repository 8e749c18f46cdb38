//! `tidemill settings`: what the settings are, and which layer each came from.

use serde_json::json;

use crate::error::Error;
use crate::output::{Output, table};
use crate::settings::{Layers, Origin};

pub fn run(output: Output, layers: &Layers) -> Result<(), Error> {
    output.show(|| text(layers), || value(layers))
}

fn text(layers: &Layers) -> String {
    let file = layers.file.as_deref().unwrap_or("none");
    let profile = match &layers.profile {
        Some(name) if layers.is_protected => format!("{name}, protected"),
        Some(name) => name.clone(),
        None => "none".to_owned(),
    };
    let rows: Vec<Vec<String>> = layers
        .settings
        .iter()
        .map(|one| vec![one.name.clone(), one.value.clone().unwrap_or_else(|| "-".to_owned()), one.origin.to_string()])
        .collect();
    format!("settings file: {file}\nprofile: {profile}\n\n{}", table(&["SETTING", "VALUE", "FROM"], &rows))
}

fn value(layers: &Layers) -> serde_json::Value {
    let line = |origin: &Origin| match origin {
        Origin::File { line, .. } | Origin::Profile { line, .. } => Some(*line),
        _ => None,
    };
    let settings = layers.settings.iter().map(|one| {
        json!({ "setting": one.name, "value": one.value, "from": one.origin.word(), "where": one.origin.to_string(), "line": line(&one.origin) })
    });
    json!({
        "file": layers.file,
        "profile": layers.profile,
        "protected": layers.is_protected,
        "settings": settings.collect::<Vec<_>>(),
    })
}
