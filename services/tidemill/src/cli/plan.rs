//! Arguments of `tidemill plan` and `tidemill apply`.

use clap::Args;

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Show what `apply --rebuild` would do.
    #[arg(long)]
    pub rebuild: bool,
    /// End with 6 if `apply` would change something, with 0 if there is nothing to do.
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Create what the pipeline needs and `plan` shows: topics, schemas, first control records. Can be repeated.
#[derive(Debug, Args)]
pub struct Apply {
    /// Begin a new generation of the internal logs, recomputed from the sources; old ones stay.
    #[arg(long)]
    pub rebuild: bool,
    /// Delete topics that the pipeline had once and its file does not name any more, with their records; `plan` shows
    /// them. What of them is archived stays in the store.
    #[arg(long, conflicts_with = "rebuild")]
    pub delete_left_behind: bool,
}
