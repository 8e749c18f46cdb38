//! Arguments of `tidemill snapshot`.

use clap::{Args, Subcommand};

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
