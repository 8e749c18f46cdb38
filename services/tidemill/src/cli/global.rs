//! Options of every command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use runtime::shell::POLL_RECORDS_MAX;
use validator::BACKLOG_RECORDS_MAX;

use super::values::{at_least_one, bytes, duration, pair};
use crate::output::Format;

/// Options of every command. All but the first three are settings, and may stand in the settings file under their names,
/// with `_` for `-`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The settings file. Default: `tidemill.yaml` if that is here.
    #[arg(long, global = true, value_name = "FILE", env = "TIDEMILL_SETTINGS")]
    pub settings: Option<PathBuf>,
    /// Which profile of the settings file holds.
    #[arg(long, global = true, value_name = "NAME", env = "TIDEMILL_PROFILE")]
    pub profile: Option<String>,
    /// Do what a protected profile would ask about.
    #[arg(long, global = true)]
    pub yes: bool,
    /// Pipeline file, or the name of a shipped pipeline. Default: `pipeline.yaml` if that is here, else the shipped one,
    /// from `topologies/pipelines` if that is here.
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
    #[arg(long, global = true, value_name = "KEY=VALUE", env = "TIDEMILL_KAFKA", hide_env_values = true, value_delimiter = ';', value_parser = pair)]
    pub kafka: Vec<(String, String)>,
    /// A Confluent-compatible schema registry; without it schemas are kept in the store.
    #[arg(long, global = true, value_name = "URL", env = "TIDEMILL_SCHEMA_REGISTRY", hide_env_values = true)]
    pub schema_registry: Option<String>,
    /// Gateway of the process that has the embedded log, for commands beside it. Default: the one that `up` with the same
    /// --data runs.
    #[arg(long, global = true, value_name = "HOST:PORT", env = "TIDEMILL_GATEWAY")]
    pub gateway: Option<String>,
    /// Token for a gateway's public address; in the variable or the settings file fewer people see it.
    #[arg(long, global = true, value_name = "TOKEN", env = "TIDEMILL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Certificates to trust at a gateway's public address, in PEM. Default: those of public authorities.
    #[arg(long, global = true, value_name = "FILE", env = "TIDEMILL_GATEWAY_CA")]
    pub gateway_ca: Option<PathBuf>,
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
    /// How often the archiver merges small files, as `tidemill compact` does, and deletes those that were merged an hour ago;
    /// 0s is never.
    #[arg(long, global = true, value_name = "TIME", default_value = "0s", env = "TIDEMILL_COMPACT_INTERVAL", value_parser = duration)]
    pub compact_interval: Duration,
    /// How often a process that has the embedded log deletes what is beyond the pipeline's `retention`, and records of
    /// compacted topics that later ones of their key supersede; 0s is never.
    #[arg(long, global = true, value_name = "TIME", default_value = "5m", env = "TIDEMILL_RETENTION_INTERVAL", value_parser = duration)]
    pub retention_interval: Duration,
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
