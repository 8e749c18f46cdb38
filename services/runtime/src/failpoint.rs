//! Places where a test makes a session fail or its process die. Nothing is armed unless a test does it, and then for
//! its whole process.

use std::sync::OnceLock;

/// Told the place and whose session it is, says whether to fail there as if the answer had been lost.
pub type Failure = fn(place: &str, of: &str) -> bool;

/// All places, in the order of a commit.
pub const PLACES: [&str; 3] = [FLUSHED, SENT, COMMITTED];
/// Internal logs have everything, and no transaction has begun.
pub const FLUSHED: &str = "transaction.flushed";
/// Records and offsets are in an open transaction.
pub const SENT: &str = "transaction.sent";
/// The transaction is committed, and the session does not know it yet.
pub const COMMITTED: &str = "transaction.committed";

static ARMED: OnceLock<Failure> = OnceLock::new();

/// Arms all places with a function; the first one stays.
pub fn arm(failure: Failure) {
    ARMED.get_or_init(|| failure);
}

/// Whether to fail here.
pub(crate) fn fails(place: &str, of: &str) -> bool {
    ARMED.get().is_some_and(|failure| failure(place, of))
}
