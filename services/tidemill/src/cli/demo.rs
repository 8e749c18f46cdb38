//! Arguments of `tidemill demo`.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;

use super::values::days;

/// `tidemill demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the gateway listens; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// End after so many seconds; otherwise once a retrained model took over, or by Ctrl-C.
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Keep log and store in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Remove what an earlier demo left in that folder; without --keep the folder is a new one anyway.
    #[arg(long)]
    pub fresh: bool,
    /// Show nothing, but write simulated transactions to this Parquet file, with their labels in the column TX_FRAUD.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "keep"])]
    pub export: Option<PathBuf>,
    /// Which days of the demo to write; the first 45 are its history, and from the 48th on everybody spends more.
    #[arg(long, value_name = "FIRST-LAST", default_value = "1-45", requires = "export", value_parser = days)]
    pub days: RangeInclusive<u32>,
}
