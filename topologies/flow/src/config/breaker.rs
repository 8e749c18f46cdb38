//! When a validator stops instead of filling the dead letters.

use super::problem::Problems;
use super::section::Section;
use super::types::BreakerLimits;

/// Upper bound of counts of records.
const RECORDS_MAX: u64 = 1_000_000_000;

/// Reads the settings of a source.
pub(super) fn breaker(section: &mut Section<'_>, problems: &mut Problems) -> BreakerLimits {
    let default = BreakerLimits::default();
    let Some(entry) = section.entry("breaker") else { return default };
    let Some(mut section) = Section::new("`breaker`", entry.key_span, &entry.node, problems) else { return default };
    let limits = BreakerLimits {
        consecutive_max: section.integer("in_a_row", default.consecutive_max, 1, RECORDS_MAX, problems),
        share_max_percent: section.integer("percent", default.share_max_percent, 1, 100, problems),
        window_records: section.integer("of", default.window_records, 1, RECORDS_MAX, problems),
    };
    section.finish(problems);
    limits
}
