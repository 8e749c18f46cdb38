//! What the state of a task depends on, rules aside: those have versions of their own.

use flow::names::Names;
use sha2::{Digest, Sha256};

use crate::targets::Output;

/// Hex characters of the digest in a task's metadata.
const DIGEST_CHARS: usize = 32;

/// The digest of what is done, and of the logs that it goes to.
pub fn digest(what: &str, names: &Names, outputs: &[Output]) -> String {
    let logs: Vec<&str> = outputs.iter().map(|output| &**names.topic(output.topic())).collect();
    let hash = Sha256::digest(format!("{what} into {}", logs.join(" ")).as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..DIGEST_CHARS].to_owned()
}
