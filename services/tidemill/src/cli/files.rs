//! Arguments of commands that take events from a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::gateway::Doors;
use super::values::{Pairs, duration, pairs, positive};

/// How a file becomes events and labels.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "File options")]
pub struct SourceArgs {
    /// Which column of the file is which of the schema; those with the same or a similar name find each other. In the
    /// place of a column SQL over the file's columns may stand, `row_number` among them, which counts from 1.
    #[arg(long, value_name = "NAME=COLUMN", value_parser = pairs)]
    pub map: Vec<Pairs>,
    /// Column of the file with the label, or SQL that makes it; it goes to the label topic, not into the event.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// How long after its event a label becomes known.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub label_delay: Duration,
    /// Events per second. Default: as fast as possible.
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "speed_up")]
    pub rate: Option<f64>,
    /// How many times faster than the events happened.
    #[arg(long, value_name = "X", value_parser = positive)]
    pub speed_up: Option<f64>,
}

/// `tidemill up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Publish this file meanwhile, as `tidemill publish` would.
    #[arg(long, value_name = "FILE")]
    pub publish: Option<PathBuf>,
    /// Stop once everything published has gone through.
    #[arg(long)]
    pub drain: bool,
    #[command(flatten)]
    pub doors: Doors,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `tidemill features`.
#[derive(Debug, Subcommand)]
pub enum Features {
    /// Compute all features of a file's events, as the pipeline would.
    Compute {
        /// Parquet, CSV or JSON-lines file with events.
        file: PathBuf,
        /// Parquet file to write: id, time, features.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        source: SourceArgs,
    },
}
