//! Python with DuckDB, pandas and validators for tests: foreign readers of what we write.
//!
//! A virtual environment in the cache, made once by `tests/python/install.sh`. Without Python or a package index the
//! tests that need it are skipped with one clear line, unless `TIDEMILL_REQUIRE_PYTHON=1` makes that an error.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{install, skip};

/// Set to make a missing Python an error instead of a skip.
const REQUIRE: &str = "TIDEMILL_REQUIRE_PYTHON";

/// A Python that has DuckDB, pandas and pyarrow.
pub struct Python(PathBuf);

impl Python {
    /// The interpreter, installed when missing; `None` when this machine cannot have it.
    pub fn find() -> Option<Self> {
        match install("python/install.sh") {
            Ok(python) => Some(Self(python.into())),
            Err(why) => {
                skip("foreign readers need python3 with pip and a package index", &why, REQUIRE);
                None
            }
        }
    }

    /// Runs a script, and returns what it printed. Anything but success is a failed test.
    pub fn run(&self, script: &str, arguments: &[&str]) -> String {
        let output = Command::new(&self.0).arg("-c").arg(script).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{} should start: {error}", self.0.display()));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the script failed:\n{errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
