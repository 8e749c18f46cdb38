//! Arguments of `tidemill sql`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::values::bytes;

/// Ask the archive, and parts of topics, with SQL. Changes nothing.
///
/// Tables are what the store has of each topic, by a short name (`predictions`) or the topic's own in double quotes, and
/// `datasets`. What a topic has now is `topic('predictions')`, from FROM to before TO if given: topic('predictions',
/// FROM, TO), each of them start, end, an offset, -N for the last N records, or a time. It ends where the topic does when
/// the query begins.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["query", "file", "tables"]))]
pub struct Sql {
    /// The query, such as "SELECT count(*) FROM predictions".
    #[arg(value_name = "QUERY")]
    pub query: Option<String>,
    /// A file with the query; - is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// List the tables.
    #[arg(long, conflicts_with_all = ["from", "to", "rows_max", "out"])]
    pub tables: bool,
    /// Where parts of topics begin that say nothing of it: start, end, an offset, -N, or a time.
    #[arg(long, value_name = "WHERE", default_value = "start", allow_hyphen_values = true)]
    pub from: String,
    /// Before what they end: the same words.
    #[arg(long, value_name = "WHERE", default_value = "end", allow_hyphen_values = true)]
    pub to: String,
    /// Most rows to show. Default: 1000 for people; all for programs and files.
    #[arg(long, value_name = "N")]
    pub rows_max: Option<usize>,
    /// Write the rows into this file, by its ending as Parquet (.parquet), CSV (.csv) or lines of JSON (.jsonl).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Memory for sorting, joining and grouping; what needs more goes to temporary files, or fails where it cannot.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = bytes)]
    pub memory: usize,
}
