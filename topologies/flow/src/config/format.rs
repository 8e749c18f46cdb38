//! How the records of a source are written.

use schemas::json::{TimeUnit, Unknown};

use super::problem::{CONTRADICTION, Problems};
use super::section::Section;
use super::types::{Format, JsonFormat};

/// Settings that say something about JSON only.
const OF_JSON: [&str; 2] = ["unknown_fields", "time_unit"];

/// Reads the settings of a source.
pub(super) fn format(section: &mut Section<'_>, problems: &mut Problems) -> Format {
    let already = problems.len();
    let is_json = section.choice("format", false, &[("avro", false), ("json", true)], problems);
    let is_known = problems.len() == already;
    let choices = [("ignore", Unknown::Ignore), ("reject", Unknown::Reject)];
    let unknown = section.choice("unknown_fields", Unknown::Ignore, &choices, problems);
    let choices = [
        ("seconds", Some(TimeUnit::Seconds)),
        ("milliseconds", Some(TimeUnit::Milliseconds)),
        ("microseconds", Some(TimeUnit::Microseconds)),
        ("nanoseconds", Some(TimeUnit::Nanoseconds)),
    ];
    let times = section.choice("time_unit", None, &choices, problems);
    if is_json {
        return Format::Json(JsonFormat { unknown, times });
    }
    for setting in OF_JSON {
        if is_known && section.get(setting).is_some() {
            let message = format!("`{setting}` says something about JSON, and this source is in Avro");
            let help = "write `format: json`, or take the setting out".to_owned();
            problems.add_help(CONTRADICTION, section.place(setting), message, help);
        }
    }
    Format::Avro
}
