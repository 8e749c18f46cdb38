//! Python with DuckDB, pandas and validators for tests: foreign readers of what we write.
//!
//! A virtual environment in the cache, made once by `tests/python/install.sh`. It needs Python and a package index.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::part::{Part, required};
use crate::process::install;

/// A Python that has DuckDB, pandas and pyarrow.
pub struct Python(PathBuf);

impl Python {
    /// The interpreter, installed when missing; `None` when this machine cannot have it.
    pub fn find() -> Option<Self> {
        required(Part::Python, install("python/install.sh")).map(|python| Self(python.into()))
    }

    /// Runs a script, and returns what it printed. Anything but success is a failed test.
    pub fn run(&self, script: &str, arguments: &[&str]) -> String {
        self.finish(Command::new(&self.0).arg("-c").arg(script).args(arguments))
    }

    /// Runs a script in this folder that calls a program of ours by its name.
    pub fn run_in(&self, dir: &Path, script: &str, program: &Path) -> String {
        let folder = program.parent().unwrap_or(program).display().to_string();
        let path = std::env::var("PATH").map_or(folder.clone(), |path| format!("{folder}:{path}"));
        self.finish(Command::new(&self.0).arg("-c").arg(script).current_dir(dir).env("PATH", path))
    }

    fn finish(&self, command: &mut Command) -> String {
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("{} should start: {error}", self.0.display()));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the script failed:\n{errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
