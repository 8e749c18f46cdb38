//! The official JSON Schema of AsyncAPI for tests.
//!
//! It comes from `tests/asyncapi/install.sh`. It needs npm and its registry.

use std::path::PathBuf;

use crate::part::{Part, required};
use crate::process::install;

/// The file with the JSON Schema of a version, such as `3.0.0`; `None` when this machine cannot have it.
pub fn schema(version: &str) -> Option<PathBuf> {
    let folder = required(Part::Asyncapi, install("asyncapi/install.sh"))?;
    Some(PathBuf::from(folder).join(format!("{version}-without-$id.json")))
}
