//! `tidemill asyncapi`: the pipeline as an AsyncAPI document.

use flow::plan::asyncapi::{Surroundings, document};
use flow::plan::plan;

use crate::cli::Global;
use crate::error::Error;
use crate::loading;
use crate::output::Output;

pub fn run(global: &Global, output: Output) -> Result<(), Error> {
    let pipeline = loading::load(global)?.checked(global)?;
    let surroundings = Surroundings { brokers: global.brokers.clone(), registry: global.schema_registry.clone() };
    let document = document(&pipeline, &plan(&pipeline), &surroundings);
    output.show(|| serde_json::to_string_pretty(&document).unwrap_or_default(), || document.clone())
}
