//! Places where a test makes a session fail, or where a process dies or stops, in a test as in a rehearsal. Nothing is
//! armed unless somebody does it, and then for the whole process; a place that is not armed costs one load.

use std::sync::OnceLock;

/// Records came from the log, and nothing was done with them.
pub const POLLED: &str = "polled";
/// Tasks made outputs of some records, and none of these went to the client.
pub const PROCESSED: &str = "processed";
/// The client has these outputs; the log may have any of them or none.
pub const PUBLISHED: &str = "published";
/// Everything to be committed is with the client.
pub const COMMITTING: &str = "committing";
/// Internal logs have everything, and no offset was committed and no transaction begun.
pub const FLUSHED: &str = "flushed";
/// Records and offsets are in an open transaction.
pub const SENT: &str = "transaction.sent";
/// The transaction is committed, and the session does not know it yet.
pub const COMMITTED: &str = "transaction.committed";
/// The group has the offsets, and the tasks do not know it yet.
pub const STORED: &str = "stored";
/// The files of a snapshot are written, and no manifest names them.
pub const SNAPSHOT_FILES: &str = "snapshot.files";
/// A snapshot is complete, and no commit points to it.
pub const SNAPSHOT_TAKEN: &str = "snapshot.taken";
/// A partition was taken with its snapshot, and nothing of its log was read again.
pub const RESTORED: &str = "restored";
/// The archive has files that no commit tells of.
pub const ARCHIVED: &str = "archived";
/// Records of a request are durable, and the request was not answered.
pub const INGESTED: &str = "ingested";

/// A repartition was asked for, and nothing is done for it.
pub const WISHED: &str = "repartition.wished";
/// The new logs are there with what they begin with.
pub const CREATED: &str = "repartition.created";
/// Some of the new tasks have their snapshots and commits.
pub const BEGUN: &str = "repartition.begun";
/// The new generation is complete, and not in force.
pub const COMPLETE: &str = "repartition.complete";
/// The new generation is in force, and nobody was told.
pub const IN_FORCE: &str = "repartition.in_force";

/// The places of a repartition, in their order.
pub const REPARTITION: [&str; 5] = [WISHED, CREATED, BEGUN, COMPLETE, IN_FORCE];

/// All places of services.
pub const PLACES: [&str; 13] = [
    POLLED,
    PROCESSED,
    PUBLISHED,
    COMMITTING,
    FLUSHED,
    SENT,
    COMMITTED,
    STORED,
    SNAPSHOT_FILES,
    SNAPSHOT_TAKEN,
    RESTORED,
    ARCHIVED,
    INGESTED,
];

/// The places of a commit with results that wait for it, in their order.
pub const TRANSACTION: [&str; 3] = [FLUSHED, SENT, COMMITTED];

/// Merged files are written, and nobody reads them.
pub const COMPACT_WRITTEN: &str = "compact.written";
/// What was written was read back.
pub const COMPACT_CHECKED: &str = "compact.checked";
/// Merged files are in force.
pub const COMPACT_COMMITTED: &str = "compact.committed";
/// Some of the files that they stand for are deleted.
pub const COMPACT_DELETED: &str = "compact.deleted";

/// The places of a compaction of the archive, in their order.
pub const COMPACTION: [&str; 4] = [COMPACT_WRITTEN, COMPACT_CHECKED, COMPACT_COMMITTED, COMPACT_DELETED];

type Failure = dyn Fn(&str, &str) -> bool + Send + Sync;

static ARMED: OnceLock<Box<Failure>> = OnceLock::new();

/// Arms all places with a function; the first one stays. It is told the place and whose it is, which is a consumer group
/// or begins with one, and says whether to fail there as if the answer had been lost; only the places of
/// [`TRANSACTION`] can fail.
pub fn arm(failure: impl Fn(&str, &str) -> bool + Send + Sync + 'static) {
    ARMED.get_or_init(|| Box::new(failure));
}

/// Passes a place that cannot fail.
pub fn pass(place: &str, of: &str) {
    if let Some(failure) = ARMED.get() {
        failure(place, of);
    }
}

/// Whether to fail here.
pub(crate) fn fails(place: &str, of: &str) -> bool {
    ARMED.get().is_some_and(|failure| failure(place, of))
}
