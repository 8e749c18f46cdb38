//! When a validator stops instead of filling the dead letters.

use super::keys;
use super::problem::Problems;
use super::section::Section;
use super::types::BreakerLimits;

/// Reads the settings of a source.
pub(super) fn breaker(section: &Section<'_>, problems: &mut Problems) -> BreakerLimits {
    let default = BreakerLimits::default();
    let Some(entry) = section.entry(&keys::BREAKER_SECTION) else { return default };
    let Some(section) = Section::new("`breaker`", entry.key_span, &entry.node, &keys::BREAKER, problems) else {
        return default;
    };
    BreakerLimits {
        consecutive_max: section.integer(&keys::IN_A_ROW, problems),
        share_max_percent: section.integer(&keys::PERCENT, problems),
        window_records: section.integer(&keys::OF_RECORDS, problems),
    }
}
