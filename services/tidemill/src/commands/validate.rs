//! `tidemill validate`: what a pipeline file says, or everything that is wrong with it.

use flow::config::Pipeline;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::error::Error;
use crate::loading;
use crate::output::Output;

pub fn run(global: &Global, output: Output) -> Result<(), Error> {
    let loaded = loading::load(global)?;
    let path = loaded.path.clone();
    let pipeline = loaded.checked(global)?;
    output.show(|| text(&path, &pipeline), || value(&path, &pipeline))
}

fn text(path: &str, pipeline: &Pipeline) -> String {
    let sources = 1 + usize::from(pipeline.labels.is_some());
    let parts = [
        counted(sources, "source"),
        counted(pipeline.features.names().len(), "feature"),
        counted(pipeline.models.len(), "model"),
        counted(pipeline.monitors.len(), "monitor"),
    ];
    format!("{path} is valid: pipeline {}, {}", pipeline.name, parts.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn value(path: &str, pipeline: &Pipeline) -> Value {
    let models: Vec<&str> = pipeline.models.iter().map(|model| model.name.as_str()).collect();
    json!({
        "file": path,
        "valid": true,
        "problems": [],
        "pipeline": pipeline.name,
        "features": pipeline.features.names(),
        "feature_set": pipeline.features.digest,
        "models": models,
    })
}
