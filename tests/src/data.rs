//! Real data that tests read where it lies at hand. None of it is in the repository.

use std::path::{Path, PathBuf};

use crate::part::{Part, required};

/// The folder of this name in `TIDEMILL_TEST_DATA`, or else in `../shared/data` beside the workspace. Nothing when it
/// is not there.
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("TIDEMILL_TEST_DATA").map_or_else(beside, PathBuf::from).join(name);
    let missing = || format!("there is no {}", folder.display());
    required(Part::Data, folder.is_dir().then(|| folder.clone()).ok_or_else(missing))
}
