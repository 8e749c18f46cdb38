//! The command line.

pub mod dlq;
pub mod ledger;
pub mod repair;
pub mod repartition;
pub mod rows;
mod values;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::bench::Bench;
use crate::output::Format;
use crate::{exit, services};
use rows::{RowsArgs, Versioned, WindowArgs};
use runtime::shell::POLL_RECORDS_MAX;
use scorer::Readiness;
use validator::BACKLOG_RECORDS_MAX;
use values::{at_least_one, bytes, days};
pub(crate) use values::{duration, pair, positive};

/// Machine learning on event streams: validate, compute features, score, watch, retrain; every step a topic.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, after_help = exit::HELP, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Pipeline file, or the name of a shipped pipeline. Default: the shipped one, from `topologies/pipelines` if
    /// that is here.
    #[arg(long, global = true, value_name = "FILE", env = "TIDEMILL_PIPELINE")]
    pub pipeline: Option<String>,
    /// Where the embedded log (`log/`) and the store (`store/`) lie.
    #[arg(long, global = true, value_name = "DIR", default_value = ".tidemill", env = "TIDEMILL_DATA")]
    pub data: PathBuf,
    /// Where the store lies if not in --data: s3://BUCKET/PREFIX, with key, region and endpoint from the variables
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL; or a folder.
    #[arg(long, global = true, value_name = "URL", env = "TIDEMILL_STORE")]
    pub store: Option<String>,
    /// Kafka brokers as HOST:PORT,…; without them the embedded log is used.
    #[arg(long, global = true, value_name = "HOST:PORT,…", env = "TIDEMILL_BROKERS")]
    pub brokers: Option<String>,
    /// A setting for the Kafka client, such as security.protocol=SSL; may be repeated (in the variable: with `;`).
    #[arg(long, global = true, value_name = "KEY=VALUE", env = "TIDEMILL_KAFKA", value_delimiter = ';', value_parser = pair)]
    pub kafka: Vec<(String, String)>,
    /// A Confluent-compatible schema registry; without it schemas are kept in the store.
    #[arg(long, global = true, value_name = "URL", env = "TIDEMILL_SCHEMA_REGISTRY")]
    pub schema_registry: Option<String>,
    /// Gateway of the process that has the embedded log, for commands beside it. Default: the one that `up` with the same
    /// --data runs.
    #[arg(long, global = true, value_name = "HOST:PORT", env = "TIDEMILL_GATEWAY")]
    pub gateway: Option<String>,
    /// After how much silence a source partition no longer holds the others back, such as 5s; overrides the pipeline.
    #[arg(long, global = true, value_name = "TIME", env = "TIDEMILL_IDLE_TIMEOUT", value_parser = duration)]
    pub idle_timeout: Option<Duration>,
    /// How long services gather records between two polls, such as 1ms: less is lower latency under load, more is less CPU.
    #[arg(long, global = true, value_name = "TIME", default_value = "10ms", env = "TIDEMILL_GATHER", value_parser = duration)]
    pub gather: Duration,
    /// Most records of its log that a task takes at once; 1 makes a batch of each.
    #[arg(long, global = true, value_name = "N", default_value_t = POLL_RECORDS_MAX, env = "TIDEMILL_POLL_RECORDS", value_parser = at_least_one)]
    pub poll_records: usize,
    /// Time between two snapshots of a task's state: a restart reads about so much of its log again.
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", env = "TIDEMILL_SNAPSHOT_INTERVAL", value_parser = duration)]
    pub snapshot_interval: Duration,
    /// How much memory the features' state takes in this process, such as 512MiB; keys beyond that go to disk, into
    /// `cold/` in --data. No result depends on it.
    #[arg(long, global = true, value_name = "SIZE", default_value = "1GiB", env = "TIDEMILL_STATE_MEMORY", value_parser = bytes)]
    pub state_memory: usize,
    /// Records that a reader of an internal log may be behind before the sources wait for it.
    #[arg(long, global = true, value_name = "N", default_value_t = BACKLOG_RECORDS_MAX, env = "TIDEMILL_BACKLOG")]
    pub backlog: u64,
    /// Longest that a record waits to be in a file of the archive: less are more and smaller files.
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", env = "TIDEMILL_ARCHIVE_INTERVAL", value_parser = duration)]
    pub archive_interval: Duration,
    /// What results are written as.
    #[arg(long, global = true, value_enum, default_value = "text", env = "TIDEMILL_OUTPUT")]
    pub output: Format,
    /// What the program's own log is written as, to standard error; RUST_LOG sets what is in it.
    #[arg(long, global = true, value_enum, default_value = "text", env = "TIDEMILL_LOG_FORMAT")]
    pub log_format: LogFormat,
}

/// Form of the program's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole product on simulated card transactions; nothing needs to be installed, nothing is left behind.
    Demo(Demo),
    /// Check the pipeline file: every problem at once, with its place and what to do.
    Validate,
    /// Draw topics and tasks of the pipeline.
    Graph {
        /// What the picture is written as.
        #[arg(long, value_enum, default_value = "mermaid")]
        format: Picture,
    },
    /// Create what the pipeline needs: topics, schemas, first control records. Can be repeated.
    Apply {
        /// Begin a new generation of the internal logs, recomputed from the sources; old ones stay.
        #[arg(long)]
        rebuild: bool,
    },
    /// Apply, then run all services in this process until Ctrl-C.
    Up(Up),
    /// Run some services in this process until Ctrl-C.
    Run {
        /// The services.
        #[arg(required = true, value_name = "SERVICE", value_parser = PossibleValuesParser::new(services::names()))]
        services: Vec<String>,
        /// Where the gateway listens, if it is among them.
        #[arg(long, value_name = "HOST:PORT", default_value = gateway::LISTEN)]
        listen: String,
        /// Stop once everything published has gone through.
        #[arg(long)]
        drain: bool,
    },
    /// Publish events from a Parquet, CSV or JSON-lines file, and labels from one of its columns.
    Publish {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Show records of a topic, decoded, as JSON lines.
    Tap(Tap),
    /// List topics with their records.
    Topics,
    /// Features without a stream.
    #[command(subcommand)]
    Features(Features),
    /// Datasets: rows of features with the labels that were known, named by a digest.
    #[command(subcommand)]
    Dataset(Dataset),
    /// Train a model by the pipeline's configuration and publish it into the registry.
    Train(Train),
    /// Measure a published model on labelled rows. Default: the newest labelled ones behind those to train on.
    Evaluate(Evaluate),
    /// Score the rows of a file, to the bit as the stream would.
    Score(Score),
    /// Models in the registry.
    #[command(subcommand)]
    Model(Model),
    /// Snapshots of the tasks' state, from which services go on after a restart.
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// What crossed each edge of the graph, counted at both ends.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Dead letters: source records that were rejected, and publishing them once more.
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    Repair(repair::Repair),
    Repartition(repartition::Repartition),
    /// Measure what the pipeline costs on this machine.
    #[command(subcommand)]
    Bench(Bench),
}

/// Form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// For GitHub and many editors.
    Mermaid,
    /// For Graphviz.
    Dot,
}

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

/// `tidemill up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Where the gateway listens, on this machine only; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = gateway::LISTEN)]
    pub listen: String,
    /// Publish this file meanwhile, as `tidemill publish` would.
    #[arg(long, value_name = "FILE")]
    pub publish: Option<PathBuf>,
    /// Stop once everything published has gone through.
    #[arg(long)]
    pub drain: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// How a file becomes events and labels.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "File options")]
pub struct SourceArgs {
    /// Which column of the file is which of the schema; those with the same or a similar name find each other.
    #[arg(long, value_name = "NAME=COLUMN", value_delimiter = ',', value_parser = pair)]
    pub map: Vec<(String, String)>,
    /// Column of the file with the label; it goes to the label topic, not into the event.
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

/// `tidemill tap`.
#[derive(Debug, Args)]
pub struct Tap {
    /// The topic, or a part of its name that only one topic has.
    pub topic: String,
    /// Where to begin in each partition: start, end, an offset, or -N for the last N records.
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Stop after so many lines.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Only lines with this value in this field, such as event.customer_id=7; all of several must hold.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    pub filter: Vec<(String, String)>,
    /// Wait for more at the end.
    #[arg(long)]
    pub follow: bool,
    /// Show marks and fences of internal logs too.
    #[arg(long)]
    pub marks: bool,
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

/// `tidemill dataset`.
#[derive(Debug, Subcommand)]
pub enum Dataset {
    /// Build a dataset and keep its manifest in the store; models name it by its digest.
    Build {
        /// The model whose inputs and target it has. Default: the only one.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        #[command(flatten)]
        window: WindowArgs,
        /// Write the rows to this Parquet file too.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// `tidemill train`.
#[derive(Debug, Args)]
pub struct Train {
    /// The model, as the pipeline declares it. Default: the only one.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Seed of first weights and the order of rows. Default: as the pipeline says.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Make it the champion.
    #[arg(long)]
    pub promote: bool,
    #[command(flatten)]
    pub readiness: ReadinessArgs,
    #[command(flatten)]
    pub rows: RowsArgs,
}

/// `tidemill evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The model, with @VERSION if not the newest.
    #[arg(value_name = "NAME[@VERSION]")]
    pub model: Versioned,
    #[command(flatten)]
    pub rows: RowsArgs,
}

/// `tidemill score`.
#[derive(Debug, Args)]
pub struct Score {
    /// The model, with @VERSION if not the newest.
    #[arg(value_name = "NAME[@VERSION]")]
    pub model: Versioned,
    /// Parquet file with features, as `features compute` writes it, or of an archived features log.
    pub file: PathBuf,
    /// Parquet file to write: id, time, score, decision.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Scores at or above this are decided positive. Default: the threshold that came with the model.
    #[arg(long, value_name = "SCORE")]
    pub threshold: Option<f64>,
}

/// `tidemill model`.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// List models and versions.
    List,
    /// Show a version: its manifest and card.
    Show {
        /// The model.
        name: String,
        /// A number, or `latest`.
        #[arg(default_value = "latest")]
        version: String,
    },
    /// Make a version the champion: from one position in the log on, its score is the effective one.
    Promote {
        /// The model.
        name: String,
        /// A number, or `latest`.
        #[arg(default_value = "latest")]
        version: String,
        /// Scores at or above this are decided positive. Default: the threshold that came with the model.
        #[arg(long, value_name = "SCORE")]
        threshold: Option<f64>,
        #[command(flatten)]
        readiness: ReadinessArgs,
    },
}

/// `tidemill snapshot`.
#[derive(Debug, Subcommand)]
pub enum Snapshot {
    /// List snapshots, the newest of each task first.
    List {
        #[command(flatten)]
        of: SnapshotArgs,
    },
    /// Show numbers, marks and counters in the newest snapshot of each task.
    Show {
        #[command(flatten)]
        of: SnapshotArgs,
    },
    /// Read snapshots with all their files, and check digests and sums. Fails when one is damaged.
    Verify {
        #[command(flatten)]
        of: SnapshotArgs,
    },
    /// Put the newest snapshot of each task into memory, as a restart would, and compare the state; changes nothing.
    Restore {
        #[command(flatten)]
        of: SnapshotArgs,
    },
}

/// Which snapshots are meant.
#[derive(Debug, Clone, Args)]
pub struct SnapshotArgs {
    /// Only tasks that read a log with this in its name.
    #[arg(value_name = "LOG", default_value = "")]
    log: String,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
}

impl SnapshotArgs {
    /// Whether this task is meant.
    pub fn means(&self, owner: &runtime::snapshot::Owner) -> bool {
        owner.log.contains(&self.log) && self.partition.is_none_or(|partition| partition == owner.partition)
    }
}

/// Whether scorers are asked before a promotion.
#[derive(Debug, Clone, Copy, Args)]
pub struct ReadinessArgs {
    /// Promote although no scorer says that it can load the model: they are started later.
    #[arg(long)]
    without_readiness: bool,
}

impl ReadinessArgs {
    /// In the words of promotions.
    pub fn of(self) -> Readiness {
        if self.without_readiness { Readiness::Skipped } else { Readiness::default() }
    }
}

impl Command {
    /// Whether it runs services, which tell what they do.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Run { .. })
    }
}

#[cfg(test)]
mod tests;
