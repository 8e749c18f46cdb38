//! Which files are worth merging: small neighbours of one schema.

use std::ops::Range;

use super::footer::Look;

/// Size that a merged file is to have; one file and what it is merged from are in memory.
pub const FILE_TARGET_BYTES: u64 = 64 << 20;
/// Fewest files that are merged into one.
pub const MERGE_FILES_MIN: usize = 2;
/// A file of at least the target's size by this is large enough, and is not written again.
const SMALL_DIVISOR: u64 = 2;
/// Most of the archiver's files that one merged file may stand for; its footer names them all.
const ORIGINS_MAX: usize = 1_024;

/// How to compact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactOptions {
    /// Size that a merged file is to have.
    pub target_bytes: u64,
    /// Fewest neighbouring small files that are worth it.
    pub files_min: usize,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { target_bytes: FILE_TARGET_BYTES, files_min: MERGE_FILES_MIN }
    }
}

/// Runs of neighbours that are to be merged: small, of one schema, and together not much larger than the target.
pub(super) fn runs(looks: &[Look], options: &CompactOptions) -> Vec<Range<usize>> {
    let origins = |look: &Look| look.info.origins.len().max(1);
    let small =
        |look: &Look| look.bytes.saturating_mul(SMALL_DIVISOR) < options.target_bytes && origins(look) < ORIGINS_MAX;
    let alike = |one: &Look, other: &Look| one.info.schema == other.info.schema && one.columns == other.columns;
    let (mut runs, mut at) = (Vec::new(), 0);
    while at < looks.len() {
        let (mut end, mut bytes, mut stands_for) = (at, 0, 0);
        while let Some(look) = looks.get(end).filter(|look| small(look) && alike(&looks[at], look)) {
            stands_for += origins(look);
            if bytes >= options.target_bytes || stands_for > ORIGINS_MAX {
                break;
            }
            bytes += look.bytes;
            end += 1;
        }
        if end - at >= options.files_min.max(MERGE_FILES_MIN) {
            runs.push(at..end);
        }
        at = end.max(at + 1);
    }
    runs
}
