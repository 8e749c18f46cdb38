//! Arguments of `tidemill ledger`.

use std::ops::Range;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::duration;
use super::rows::instant;

/// `tidemill ledger`.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Compare what was written with what was read, edge by edge and bucket by bucket of 65,536 source offsets, while
    /// the pipeline runs. Exit code 0: all agree; 3: some bucket is not through yet; 5: some differ for good.
    Verify(Verify),
    /// Show one event's whole way, service by service.
    Show {
        /// Its id, or where its source record lies: TOPIC/PARTITION/OFFSET.
        #[arg(value_name = "ID|TOPIC/PARTITION/OFFSET")]
        event: String,
    },
}

/// Which buckets, and how thoroughly.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// Only records of this source topic, or of the one that has this in its name.
    #[arg(long, value_name = "TOPIC")]
    pub source: Option<String>,
    /// Only buckets that have source offsets from the first to below the second.
    #[arg(long, value_name = "FROM-TO", value_parser = offsets)]
    pub offsets: Option<Range<i64>>,
    /// Only buckets with source records that were appended at this time or later.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<i64>,
    /// Only buckets with source records that were appended before this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<i64>,
    /// Count what is in the logs and topics themselves, too, and name what is missing, doubled or changed. Reads them all.
    #[arg(long)]
    pub recount: bool,
    /// Take ledger, logs and topics from the archive, and count them; no log is needed.
    #[arg(long, conflicts_with_all = ["since", "until", "recount"])]
    pub offline: bool,
    /// How long to wait for tasks that are still on their way.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub wait: Duration,
}

fn offsets(text: &str) -> Result<Range<i64>, String> {
    let parsed = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.filter(|range: &Range<i64>| !range.is_empty()).ok_or_else(|| {
        format!("`{text}` are no offsets; write the first one and the first one that is too much: 0-65536")
    })
}

#[cfg(test)]
mod tests {
    use super::offsets;

    #[test]
    fn offsets_are_a_range_with_something_in_it() {
        assert_eq!(offsets("0-65536"), Ok(0..65_536));
        for wrong in ["5", "7-7", "9-3", "a-b", "-5"] {
            assert!(offsets(wrong).is_err(), "{wrong}");
        }
    }
}
