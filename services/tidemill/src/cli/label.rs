//! Arguments of `tidemill label`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::pair;

/// Publish labels: those of a file, or one by hand. A label for an event that has another corrects its outcome where the
/// source says `policy: last`. What came to nothing, and why, shows `tidemill tap refusals`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["file", "event"]).required(true))]
pub struct Label {
    /// A Parquet, CSV or JSON-lines file with a label in each row.
    pub file: Option<PathBuf>,
    /// Id of the event that is labelled.
    #[arg(long, value_name = "ID", requires = "value")]
    pub event: Option<String>,
    /// The label.
    #[arg(long, value_name = "VALUE", requires = "event")]
    pub value: Option<String>,
    /// When it became known. Default: when it is published.
    #[arg(long, value_name = "TIME", requires = "event")]
    pub known: Option<String>,
    /// Which column of the file is which of the label's schema; those with the same or a similar name find each other.
    #[arg(long, value_name = "NAME=COLUMN", value_parser = pair, conflicts_with = "event")]
    pub map: Vec<(String, String)>,
}
