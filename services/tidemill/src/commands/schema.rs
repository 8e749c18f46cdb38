//! `tidemill schema`: the keys of pipeline files, for editors and for people.

use flow::config::keys::{json_schema, reference};

use crate::error::Error;
use crate::output::Output;

pub fn run(output: Output, is_reference: bool) -> Result<(), Error> {
    output.line(&if is_reference { reference().trim_end().to_owned() } else { text() })
}

/// The JSON Schema as it stands in a file.
pub fn text() -> String {
    serde_json::to_string_pretty(&json_schema()).unwrap_or_default()
}
