//! `tidemill plan`.

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
