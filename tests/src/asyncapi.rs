//! The official JSON Schema of AsyncAPI for tests.
//!
//! It comes from `tests/asyncapi/install.sh`. Without npm or its registry the tests that need it are skipped with one clear
//! line, unless `TIDEMILL_REQUIRE_ASYNCAPI=1` makes that an error.

use std::path::PathBuf;

use crate::process::{install, skip};

/// Set to make a missing schema an error instead of a skip.
const REQUIRE: &str = "TIDEMILL_REQUIRE_ASYNCAPI";

/// The file with the JSON Schema of a version, such as `3.0.0`; `None` when this machine cannot have it.
pub fn schema(version: &str) -> Option<PathBuf> {
    match install("asyncapi/install.sh") {
        Ok(folder) => Some(PathBuf::from(folder).join(format!("{version}-without-$id.json"))),
        Err(why) => {
            skip("the schema of AsyncAPI needs npm and its registry", &why, REQUIRE);
            None
        }
    }
}
