//! How the records of a source are written.

use super::keys::{self, Encoding};
use super::problem::{CONTRADICTION, Problems};
use super::section::Section;
use super::types::{Format, JsonFormat};

/// Settings that say something about JSON only.
const OF_JSON: [&keys::Key; 2] = [&keys::UNKNOWN_FIELDS, &keys::TIME_UNIT];

/// Reads the settings of a source.
pub(super) fn format(section: &Section<'_>, problems: &mut Problems) -> Format {
    let already = problems.len();
    let is_json = section.choice::<Encoding>(&keys::FORMAT, problems) == Encoding::Json;
    let is_known = problems.len() == already;
    let unknown = section.choice(&keys::UNKNOWN_FIELDS, problems);
    let times = section.given_choice(&keys::TIME_UNIT, problems);
    if is_json {
        return Format::Json(JsonFormat { unknown, times });
    }
    for setting in OF_JSON {
        if is_known && section.get(setting).is_some() {
            let message = format!("`{}` says something about JSON, and this source is in Avro", setting.name);
            let help = "write `format: json`, or take the setting out".to_owned();
            problems.add_help(CONTRADICTION, section.place(setting), message, help);
        }
    }
    Format::Avro
}
