//! A file of entries: a line that says what it is, then changes as `flow::snapshot` writes them, sorted by part and key. Its
//! name is the digest of all of it, so a flipped bit is found before anything is read.

use sha2::{Digest, Sha256};

/// First bytes of a file; the number is the version.
const MAGIC: &[u8] = b"tidemill snapshot 2\n";

/// A file with these changes.
pub(super) fn encode(changes: &[u8]) -> Vec<u8> {
    [MAGIC, changes].concat()
}

/// The changes of a file; none where it is not one of ours.
pub(super) fn decode(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(MAGIC)
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
