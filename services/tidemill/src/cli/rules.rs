//! Arguments of commands about rules.

use clap::Subcommand;

use super::files::SourceArgs;

/// `tidemill rules`.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Say what the pipeline's rules would make of a file's rows, or of what lies in a topic. Changes nothing.
    ///
    /// Counts per rule and per reject code, with examples. Lateness is not judged. Ends with exit code 2 when something
    /// would be rejected.
    Check {
        /// A Parquet, CSV or JSON-lines file with events, or a source's name or topic.
        #[arg(value_name = "FILE|TOPIC")]
        what: String,
        /// First offset in each partition of the topic.
        #[arg(long, value_name = "OFFSET", default_value = "0")]
        from: i64,
        /// First offset in each partition that is no longer looked at. Default: where the topic ends now.
        #[arg(long, value_name = "OFFSET")]
        to: Option<i64>,
        /// Examples to show of each.
        #[arg(long, value_name = "N", default_value = "3")]
        examples: usize,
        #[command(flatten)]
        source: SourceArgs,
    },
}
