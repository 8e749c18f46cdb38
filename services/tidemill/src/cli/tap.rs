//! Arguments of `tidemill tap`.

use clap::Args;

use super::values::pair;

/// `tidemill tap`.
#[derive(Debug, Args)]
pub struct Tap {
    /// The topic, or a part of its name that only one topic has.
    pub topic: String,
    /// Where to begin in each partition: start, end, an offset, or -N for the last N records.
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Stop after so many lines.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Only lines with this value in this field, such as event.customer_id=7; all of several must hold.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    pub filter: Vec<(String, String)>,
    /// Wait for more at the end.
    #[arg(long)]
    pub follow: bool,
    /// Show marks and fences of internal logs too.
    #[arg(long)]
    pub marks: bool,
}
