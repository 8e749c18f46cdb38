//! `tidemill graph`: topics and tasks as a picture.

use flow::plan::{graph, plan};
use serde_json::json;

use crate::cli::{Global, Picture};
use crate::error::Error;
use crate::loading;
use crate::output::Output;

pub fn run(global: &Global, output: Output, format: Picture) -> Result<(), Error> {
    let plan = plan(&loading::load(global)?.checked(global)?);
    let (name, picture) = match format {
        Picture::Mermaid => ("mermaid", graph::mermaid(&plan)),
        Picture::Dot => ("dot", graph::dot(&plan)),
    };
    output.show(|| picture.clone(), || json!({ "format": name, "picture": picture }))
}
