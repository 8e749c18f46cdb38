//! Python with DuckDB and pandas for tests: foreign readers of what we write.
//!
//! A virtual environment in the cache, made once by `tests/python/install.sh`. Without Python or a package index the
//! tests that need it are skipped with one clear line, unless `TIDEMILL_REQUIRE_PYTHON=1` makes that an error.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set to make a missing Python an error instead of a skip.
const REQUIRE: &str = "TIDEMILL_REQUIRE_PYTHON";

/// A Python that has DuckDB, pandas and pyarrow.
pub struct Python(PathBuf);

impl Python {
    /// The interpreter, installed when missing; `None` when this machine cannot have it.
    pub fn find() -> Option<Self> {
        match install() {
            Ok(python) => Some(Self(python)),
            Err(why) => {
                let line = format!("skipped: foreign readers need python3 with pip and a package index ({why})");
                assert!(
                    std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
                    "{line}, and {REQUIRE}=1 forbids a skip"
                );
                drop(writeln!(io::stderr(), "{line}"));
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

fn install() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/install.sh");
    let output = Command::new(&script).output().map_err(|error| format!("{} failed: {error}", script.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.trim().lines().last().unwrap_or("the installation failed").to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}
