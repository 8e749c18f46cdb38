//! `tidemill repair`.

use clap::Args;

/// Bring back offsets and state that consumer groups lost, from what their tasks wrote.
///
/// Without TASK every task is looked at that has no offset although it has worked before, or an offset without readable
/// state. Services of these tasks must be stopped; nothing that was written is taken back.
#[derive(Debug, Args)]
pub struct Repair {
    /// Only these tasks: a service (validator), a task of one (featurizer.customer), or the topic or log that they read.
    pub task: Option<String>,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    pub partition: Option<i32>,
    /// For one source partition: go on at this offset, because records before it are gone or shall be left out.
    #[arg(long, value_name = "OFFSET", requires_all = ["task", "partition"])]
    pub from: Option<i64>,
    /// Also tasks whose commits can be read, and those that say they never worked.
    #[arg(long, requires = "task")]
    pub anyway: bool,
    /// Say what would be committed, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}
