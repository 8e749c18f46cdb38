//! `tidemill repartition`.

use clap::Args;
use schemas::key::KEY_GROUPS;

/// Bring the internal logs to another number of partitions, with all that is known by then.
///
/// Services must be stopped, producers need not be. Everything that was validated goes through first; then the logs go on
/// as a new generation, whose services begin where the old ones stopped. It may be called again after a crash.
#[derive(Debug, Args)]
pub struct Repartition {
    /// Partitions of every internal log.
    #[arg(long, value_name = "N", required_unless_present = "withdraw",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(KEY_GROUPS)))]
    pub partitions: Option<u32>,
    /// Give up what an earlier call began; services go on in the old generation.
    #[arg(long, conflicts_with = "partitions")]
    pub withdraw: bool,
}
