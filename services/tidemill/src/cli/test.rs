//! `tidemill test`.

use std::path::PathBuf;

use clap::Args;

/// Run the cases of a test file beside the pipeline file: events in, expected features, scores, decisions and dead letters
/// out.
///
/// The real validator and featurizer, and the scorer where a case names a model, run in this process, each case over a log of its own in a temporary folder; no broker
/// is needed, and none is used.
#[derive(Debug, Args)]
pub struct Test {
    /// The test file. Default: `pipeline.test.yaml` beside `pipeline.yaml`.
    pub file: Option<PathBuf>,
    /// Only cases with this in their names.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,
}
