//! Arguments of `tidemill bench`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::cli::{duration, pair, positive};

/// Services that may run along.
const EXTRA: [&str; 1] = ["archiver"];

/// `tidemill bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// CPU per transaction, by service: in one process on the embedded log, or with --brokers each service in a process
    /// of its own. Works in a temporary folder, and on Kafka on topics of its own, which it deletes.
    Pipeline(Pipeline),
    /// How long after kill -9 the first output is committed, on the embedded log in a temporary folder.
    Recovery(Recovery),
    /// A measured process; `bench pipeline` starts it.
    #[command(hide = true)]
    Worker(Worker),
}

/// `tidemill bench pipeline`.
#[derive(Debug, Args)]
pub struct Pipeline {
    #[command(flatten)]
    pub feed: Feed,
    /// Simulated card transactions, as without a file.
    #[arg(long, conflicts_with = "events")]
    pub simulated: bool,
    /// A service to run and count too.
    #[arg(long, value_name = "SERVICE", value_parser = PossibleValuesParser::new(EXTRA))]
    pub with: Vec<String>,
    /// Measure all services while there is nothing to do.
    #[arg(long, conflicts_with_all = ["live", "with"])]
    pub idle: bool,
}

/// `tidemill bench recovery`.
#[derive(Debug, Args)]
pub struct Recovery {
    /// Keys in the state of each stage.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub keys: u64,
}

/// What is published, and how.
#[derive(Debug, Clone, Args)]
pub struct Feed {
    /// Parquet, CSV or JSON-lines file with events. Default: simulated card transactions.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Which column of the file is which of the schema; those with the same or a similar name find each other.
    #[arg(long, value_name = "NAME=COLUMN", value_delimiter = ',', value_parser = pair)]
    pub map: Vec<(String, String)>,
    /// Column of the file with the label.
    #[arg(long, value_name = "COLUMN", requires = "events")]
    pub label_column: Option<String>,
    /// How long after its event a label becomes known.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub label_delay: Duration,
    /// How many events to take. Default: all of the file, or 200,000 simulated ones. With --live: how many go through
    /// before the clock starts, by default 100,000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub transactions: Option<u64>,
    /// Publish so many events a second, whether or not the services keep up, and measure latency too.
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub live: Option<f64>,
    /// How long to measure with --live or --idle.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
}

/// `tidemill bench worker`.
#[derive(Debug, Args)]
pub struct Worker {
    /// Name that the pipeline and its topics get.
    #[arg(long = "as", value_name = "NAME")]
    pub name: String,
    /// Direct the run from inside, and tell on standard output how far it is.
    #[arg(long)]
    pub direct: bool,
    /// The services.
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    #[command(flatten)]
    pub feed: Feed,
}

impl Feed {
    /// The same as arguments of a worker.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut push = |name: &str, value: OsString| arguments.extend([OsString::from(name), value]);
        if let Some(file) = &self.events {
            push("--events", file.into());
        }
        for (name, column) in &self.map {
            push("--map", format!("{name}={column}").into());
        }
        if let Some(column) = &self.label_column {
            push("--label-column", column.into());
        }
        push("--label-delay", format!("{}ms", self.label_delay.as_millis()).into());
        if let Some(transactions) = self.transactions {
            push("--transactions", transactions.to_string().into());
        }
        if let Some(rate) = self.live {
            push("--live", rate.to_string().into());
        }
        push("--seconds", self.seconds.to_string().into());
        arguments
    }
}
