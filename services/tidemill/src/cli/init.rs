//! `tidemill init`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::values::duration;
use crate::init;

/// Begin a pipeline in an empty folder: its file, its schemas, and a sample of events.
///
/// Either from a template, or derived from a file of your own events: its columns become the schema, and the pipeline
/// computes the history of one of them.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder; it is made if it is not there.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// What to begin with.
    #[arg(long, value_name = "NAME", default_value = "minimal", value_parser = PossibleValuesParser::new(init::names()))]
    pub template: String,
    /// Derive the pipeline from this Parquet, CSV or JSON-lines file.
    #[arg(long, value_name = "FILE", requires = "id", requires = "time", conflicts_with = "template")]
    pub from: Option<PathBuf>,
    /// Column of that file that tells events apart.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub id: Option<String>,
    /// Column of that file with the time at which an event happened.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub time: Option<String>,
    /// Column whose history is looked at. Default: the one with most values that come again.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub key: Option<String>,
    /// Column with what a model is to predict: it is known later than the event, and gets a topic of its own.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub label: Option<String>,
    /// How long after its event a label becomes known.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = written_duration)]
    pub label_delay: String,
    /// Name of the pipeline. Default: the file's.
    #[arg(long, value_name = "NAME", requires = "from")]
    pub name: Option<String>,
}

/// A length of time as it was written: the pipeline file gets it.
fn written_duration(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}
