//! `tidemill repartition`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use schemas::key::KEY_GROUPS;

use super::duration;

/// Bring the internal logs to another number of partitions, and keep state and results.
///
/// On Kafka services make way by themselves, wait, and go on when it is done; on the embedded log stop them first.
/// Producers go on. Everything that was validated goes through; then the logs go on as a new generation, whose services
/// begin where the old ones stopped. It may be called again after a crash.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct Repartition {
    /// Partitions of every internal log.
    #[arg(long, value_name = "N", group = "what",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(KEY_GROUPS)))]
    pub partitions: Option<u32>,
    /// How long to wait until all services have made way.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub wait: Duration,
    /// Give up what an earlier call began; services go on in the old generation.
    #[arg(long, group = "what")]
    pub withdraw: bool,
}
