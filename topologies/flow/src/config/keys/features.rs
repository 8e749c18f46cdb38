//! Keys of features and entities.

use super::{Absent, Key, Kind, Needs, Shape};
use crate::config::Late;

/// Most windows of an entity; each costs a cursor per key.
pub const WINDOWS_MAX: usize = 16;

/// Least limits of an entity: a key per key group, and a kibibyte.
const LIMIT_KEYS_MIN: u64 = 256;
const LIMIT_BYTES_MIN: u64 = 256 * 1_024;

pub const VERSION: Key = Key::new(
    "version",
    Kind::count(1, u32::MAX),
    Absent::Integer(1),
    "Number of the feature set, which is part of the names of the internal logs.",
);
pub const ROW: Key = Key::new(
    "row",
    Kind::Named(&Kind::SQL),
    Absent::Nothing,
    "Features of the event alone, called `row_NAME`: SQL over its columns.",
);
pub const ENTITIES: Key = Key::new(
    "entities",
    Kind::Named(&Kind::Section(&ENTITY)),
    Absent::Refused,
    "Whose history is looked at, at least one. They are a chain: each adds its features and hands the event on.",
);
pub const DERIVED: Key = Key::new(
    "derived",
    Kind::Named(&Kind::SQL),
    Absent::Nothing,
    "Features over columns and all other features, called `derived_NAME`.",
);

/// The features section.
pub const FEATURES: Shape = Shape {
    path: "features",
    doc: "What is computed from events.",
    keys: &[VERSION, ROW, ENTITIES, DERIVED],
    needs: Needs::Nothing,
};

pub const ENTITY_KEY: Key =
    Key::new("key", Kind::COLUMN, Absent::Refused, "Events with one value here are one history.");
pub const DELAY: Key = Key::new("delay", Kind::TIME, Absent::Time(0), "How far the windows end before the event.");
pub const WINDOWS: Key = Key::new(
    "windows",
    Kind::List { of: &Kind::SPAN, least: 0, most: WINDOWS_MAX },
    Absent::Nothing,
    "How far back aggregates look; each gives a feature per window. Needed with aggregates.",
);
pub const LIMITS_SECTION: Key = Key::new(
    "limits",
    Kind::Section(&LIMITS),
    Absent::Nothing,
    "Most that the state may be in all partitions together; what is pushed out is told as an alert.",
);
pub const LATE: Key = Key::new(
    "late",
    Kind::choice::<Late>(),
    Absent::Word("apply"),
    "What becomes of an event behind the newest one of its key. `apply`: it is put where its time belongs. `skip`: it \
     gets the features of its time without itself, and no event sees it.",
);
pub const IF_NULL: Key = Key::new(
    "if_null",
    Kind::IF_NULL,
    Absent::Word("keep"),
    "The number that stands where an aggregate gives null; `keep` leaves null.",
);
pub const AGGREGATES: Key = Key::new(
    "aggregates",
    Kind::Named(&Kind::Any(&[Kind::AGGREGATE, Kind::Section(&AGGREGATE)])),
    Absent::Nothing,
    "Features over the events in the windows, called `ENTITY_NAME_WINDOW`.",
);

/// An entity.
pub const ENTITY: Shape = Shape {
    path: "features.entities.NAME",
    doc: "Whose history is looked at, and what is computed of it.",
    keys: &[ENTITY_KEY, DELAY, WINDOWS, LIMITS_SECTION, LATE, IF_NULL, AGGREGATES],
    needs: Needs::Nothing,
};

pub const LIMIT_KEYS: Key = Key::new(
    "keys",
    Kind::at_least(LIMIT_KEYS_MIN),
    Absent::Nothing,
    "Keys. Those whose newest event is oldest go first.",
);
pub const LIMIT_BYTES: Key =
    Key::new("bytes", Kind::Size { least: LIMIT_BYTES_MIN }, Absent::Nothing, "Bytes, as the engine counts them.");

/// Limits of an entity.
pub const LIMITS: Shape = Shape {
    path: "features.entities.NAME.limits",
    doc: "Most that the state of an entity may be.",
    keys: &[LIMIT_KEYS, LIMIT_BYTES],
    needs: Needs::AnyOf(&["keys", "bytes"]),
};

pub const OF: Key = Key::new("of", Kind::AGGREGATE, Absent::Refused, "The aggregate.");
pub const AGGREGATE_IF_NULL: Key = Key::new(
    "if_null",
    Kind::IF_NULL,
    Absent::Told("that of the entity"),
    "The number that stands where it gives null; `keep` leaves null.",
);
pub const AGGREGATE_LATE: Key = Key::new(
    "late",
    Kind::choice::<Late>(),
    Absent::Told("that of the entity"),
    "What becomes of an event behind the newest one of its key, as for the entity, here for this aggregate alone. Labels \
     are always applied, so an aggregate of the label has none.",
);

/// An aggregate with settings.
pub const AGGREGATE: Shape = Shape {
    path: "features.entities.NAME.aggregates.NAME",
    doc: "An aggregate with settings of its own.",
    keys: &[OF, AGGREGATE_IF_NULL, AGGREGATE_LATE],
    needs: Needs::Nothing,
};
