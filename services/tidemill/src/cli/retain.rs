//! Arguments of `tidemill retain`.

use clap::Args;

/// Delete what is beyond the pipeline's `retention` from an embedded log that no process has open.
///
/// Processes that run services do the same by themselves (--retention-interval), and so do Kafka's brokers. What a task of
/// the pipeline still needs, or what is not archived, stays. Of compacted topics it keeps the newest record of each key.
#[derive(Debug, Args)]
pub struct Retain {
    /// Only topics with this in their name.
    #[arg(value_name = "TOPIC", default_value = "")]
    topic: String,
    /// Say what would be deleted, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

impl Retain {
    /// Whether this topic is meant.
    pub fn means(&self, topic: &str) -> bool {
        topic.contains(&self.topic)
    }
}
