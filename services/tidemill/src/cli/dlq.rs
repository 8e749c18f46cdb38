//! Arguments of `tidemill dlq`.

use clap::{ArgGroup, Args, Subcommand};
use schemas::reject::Code;

use super::rows::instant;
use flow::config::nearest;

/// `tidemill dlq`.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List dead letters, the newest last, and how many there are of each reason.
    List {
        #[command(flatten)]
        which: Which,
        /// How many letters to show.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show a dead letter: why it was rejected, what to do about that, and all that is in it.
    Show {
        /// Its source record, as `list` shows it.
        #[arg(value_name = "TOPIC/PARTITION/OFFSET")]
        id: String,
    },
    /// Publish dead letters once more, for the validator to judge by the rules that it has now. Letters that were retried
    /// before are left out.
    Retry(Retry),
}

/// Which letters to retry.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("chosen").args(["ids", "all", "code"]).required(true).multiple(true))]
pub struct Retry {
    /// Their source records, as `list` shows them.
    #[arg(value_name = "TOPIC/PARTITION/OFFSET", conflicts_with_all = ["all", "code", "source", "partition", "since", "until"])]
    pub ids: Vec<String>,
    /// All that the other options do not leave out.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub which: Which,
    /// Publish nothing, and say which of them this pipeline file would accept.
    #[arg(long)]
    pub dry_run: bool,
}

/// Which letters are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// Only with this reason code; may be repeated.
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub code: Vec<Code>,
    /// Only of this source, or of the one that has this in its name.
    #[arg(long, value_name = "TOPIC")]
    pub source: Option<String>,
    /// Only of this partition.
    #[arg(long, value_name = "N")]
    pub partition: Option<i32>,
    /// Only what was rejected at this time or later.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<i64>,
    /// Only what was rejected before this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<i64>,
}

fn code(text: &str) -> Result<Code, String> {
    let wanted = text.to_uppercase().replace('-', "_");
    Code::parse(&wanted).ok_or_else(|| {
        let near = nearest(&wanted, Code::ALL.iter().map(|code| code.as_str()));
        let help = near.map_or("schemas/rejects.md has them all".to_owned(), |near| format!("did you mean {near}?"));
        format!("there is no reason code `{text}`; {help}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_may_be_written_in_small_letters() {
        assert_eq!(code("rule_failed"), Ok(Code::RuleFailed));
        assert_eq!(code("rule-failed"), Ok(Code::RuleFailed));
        assert!(code("RULE_FAILD").is_err_and(|error| error.ends_with("did you mean RULE_FAILED?")));
        assert!(code("nonsense").is_err_and(|error| error.contains("rejects.md")));
    }
}
