//! Arguments that say which rows and which model: times, datasets, `NAME@VERSION`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use clap::Args;
use registry::models::Version;

use super::duration;

/// Nanoseconds in a microsecond.
const NS_PER_US: i64 = 1_000;

/// Rows of features with labels.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rows")]
pub struct WindowArgs {
    /// Take rows from this Parquet file, as `features compute` writes it, and not from the archive.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// First event time, such as 2018-06-18 or 2018-06-18T12:00:00Z. Default: the newest window that has labels, as
    /// long as the pipeline says.
    #[arg(long, value_name = "TIME", requires = "to", value_parser = instant)]
    pub from: Option<i64>,
    /// First event time that is too late.
    #[arg(long, value_name = "TIME", requires = "from", value_parser = instant)]
    pub to: Option<i64>,
    /// Count only labels that were known by then. Default: all that are known.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub cutoff: Option<i64>,
    /// How long after its event a label in the file became known. Default: as the pipeline says.
    #[arg(long, value_name = "TIME", requires = "file", value_parser = duration)]
    pub label_delay: Option<Duration>,
    /// Before the archive is read, wait for services that are still taking what was published into it; give up once
    /// nothing has moved for so long. 0s does not wait.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    pub wait: Duration,
}

/// The same, or a dataset that was built before.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rows")]
pub struct RowsArgs {
    /// A dataset that was built before, by its digest or the beginning of it; one that was built from a file needs
    /// --file too.
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["from", "to", "cutoff", "label_delay"])]
    pub dataset: Option<String>,
    #[command(flatten)]
    pub window: WindowArgs,
}

/// A model and one of its versions, as `NAME`, `NAME@3` or `NAME@latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The model.
    pub name: String,
    /// Which version.
    pub version: Version,
}

impl FromStr for Versioned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = text.split_once('@').unwrap_or((text, "latest"));
        if name.is_empty() {
            return Err(format!("`{text}` names no model; write NAME or NAME@VERSION"));
        }
        let version = version.parse::<Version>().map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), version })
    }
}

/// A time in microseconds since the epoch; a date is its midnight, and without a zone it is UTC.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    string_to_timestamp_nanos(text).map(|ns| ns.div_euclid(NS_PER_US)).map_err(|_| {
        format!("`{text}` is no time; write a date such as 2018-06-18, or a date and time such as 2018-06-18T12:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(instant(text).ok(), expected, "{text}");
    }

    #[test]
    fn times_are_dates_or_dates_with_a_time_and_a_zone() {
        // Witness: `date -u -d 2018-06-18 +%s` gives 1529280000.
        check("2018-06-18", Some(1_529_280_000_000_000));
        check("2018-06-18T00:00:00Z", Some(1_529_280_000_000_000));
        check("2018-06-18T02:00:00.5+02:00", Some(1_529_280_000_500_000));
        check("1969-12-31T23:59:59.999999Z", Some(-1));
        check("yesterday", None);
        check("2018-13-01", None);
    }

    #[test]
    fn a_model_may_be_named_with_a_version() {
        let parse = |text: &str| text.parse::<Versioned>().map(|one| (one.name, one.version)).ok();
        assert_eq!(parse("a"), Some(("a".to_owned(), Version::Latest)));
        assert_eq!(parse("a@latest"), Some(("a".to_owned(), Version::Latest)));
        assert_eq!(parse("a@3"), Some(("a".to_owned(), Version::Number(3))));
        assert_eq!(parse("a@three"), None);
        assert_eq!(parse("@3"), None);
    }
}
