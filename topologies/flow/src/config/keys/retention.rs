//! Keys of how long topics keep their records.

use super::{Absent, Key, Kind, Needs, Shape};

/// Least bytes of a partition: less is less than a segment file of any log.
const KEPT_BYTES_MIN: u64 = 1_024 * 1_024;

/// What each group may hold.
const KEPT: Kind = Kind::Any(&[Kind::SPAN, Kind::Word(FOREVER), Kind::Section(&KEPT_LIMITS)]);
/// Nothing is deleted.
pub const FOREVER: &str = "forever";

pub const KEPT_SOURCES: Key = Key::new(
    "sources",
    KEPT,
    Absent::Told("what their owners say"),
    "Events and labels as they were published. At least as long as windows, `horizon` and `dedupe_horizon` look back, as \
     `apply --rebuild` computes all from them.",
);
pub const KEPT_LOGS: Key = Key::new(
    "logs",
    KEPT,
    Absent::Word(FOREVER),
    "What services hand on to each other: the logs of entities, features, journal, and sketches. At least a day.",
);
pub const KEPT_RESULTS: Key = Key::new(
    "results",
    KEPT,
    Absent::Told("what their readers say; on the embedded log for ever"),
    "Predictions, outcomes, drift reports, retraining requests.",
);
pub const KEPT_REJECTED: Key = Key::new(
    "rejected",
    KEPT,
    Absent::Told("for ever; of refused labels what their readers say"),
    "What was turned away: dead letters and those published again, late events, refused labels.",
);

/// How long topics keep their records.
pub const RETENTION: Shape = Shape {
    path: "retention",
    doc: "For how long topics keep their records. Compacted topics (alerts, models, ledger, progress) and control have none. \
          What is archived stays in the archive.",
    keys: &[KEPT_SOURCES, KEPT_LOGS, KEPT_RESULTS, KEPT_REJECTED],
    needs: Needs::Nothing,
};

pub const KEPT_TIME: Key =
    Key::new("time", Kind::SPAN, Absent::Nothing, "For how long after the log took it a record is kept.");
pub const KEPT_BYTES: Key = Key::new(
    "bytes",
    Kind::Size { least: KEPT_BYTES_MIN },
    Absent::Nothing,
    "How many bytes of each partition are kept, to within a segment file.",
);

/// Limits of a group.
pub const KEPT_LIMITS: Shape = Shape {
    path: "retention.GROUP",
    doc: "Limits of a group of topics: what is beyond one of them goes.",
    keys: &[KEPT_TIME, KEPT_BYTES],
    needs: Needs::AnyOf(&["time", "bytes"]),
};
