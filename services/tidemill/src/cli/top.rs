//! Arguments of `tidemill top`.

use std::time::Duration;

use clap::Args;

use super::values::duration;

/// Watch running services: rates, delay, lag, state, model and drift. Ends with q or Ctrl-C.
///
/// They are asked through their gateways. What is not a terminal gets one picture, as with --once.
#[derive(Debug, Args)]
pub struct Top {
    /// Gateways of the processes to watch. Default: that of --gateway, or the one on this machine.
    #[arg(value_name = "HOST:PORT")]
    pub gateways: Vec<String>,
    /// Show one picture, of what happens within an interval, and end.
    #[arg(long)]
    pub once: bool,
    /// Time between two looks.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
    pub interval: Duration,
}

/// Shortest time between two looks: each asks the log for all positions.
const INTERVAL_MS_MIN: u128 = 100;

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    match interval.as_millis() {
        ms if ms >= INTERVAL_MS_MIN => Ok(interval),
        _ => Err(format!("`{text}` is too short; at least {INTERVAL_MS_MIN}ms")),
    }
}
