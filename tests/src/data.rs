//! Real data that tests read where it lies at hand. None of it is in the repository.

use std::path::{Path, PathBuf};

/// The folder of this name in `TIDEMILL_TEST_DATA`, or else in `../shared/data` beside the workspace. Nothing, said in one
/// line, when it is not there.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("TIDEMILL_TEST_DATA").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no data at {} (set TIDEMILL_TEST_DATA to a folder with {name}/)", folder.display());
    None
}
