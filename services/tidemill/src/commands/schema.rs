//! `tidemill schema`: the keys of pipeline files, for editors and for people.

use flow::config::keys::{json_schema, reference};
use serde_json::json;

use crate::error::Error;
use crate::output::Output;

pub fn run(output: Output, is_reference: bool) -> Result<(), Error> {
    match is_reference {
        true => output.show(reference, || json!({ "format": "markdown", "reference": reference() })),
        false => output.show(text, json_schema),
    }
}

/// The JSON Schema as it stands in a file.
pub fn text() -> String {
    serde_json::to_string_pretty(&json_schema()).unwrap_or_default()
}
