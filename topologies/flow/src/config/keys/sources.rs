//! Keys of sources.

use schemas::json::{TimeUnit, Unknown};

use super::{Absent, Encoding, FIELD, Key, Kind, Needs, RULE, Shape};
use crate::config::LabelPolicy;

const HOUR_US: i64 = 3_600_000_000;
/// Numbers are kept per source partition in every commit.
const SOURCE_PARTITIONS_MAX: u32 = 1_024;
/// Upper bound of counts of records.
const RECORDS_MAX: u64 = 1_000_000_000;

pub const TOPIC: Key = Key::new("topic", Kind::Topic, Absent::Refused, "The topic that is read.");
pub const SCHEMA: Key = Key::new(
    "schema",
    Kind::Text("path of an Avro file, from the pipeline file"),
    Absent::Refused,
    "The contract of the topic: an Avro record.",
);
pub const ID: Key = Key::new("id", Kind::COLUMN, Absent::Refused, "What tells one event from another.");
pub const EVENT_TIME: Key = Key::new("event_time", Kind::COLUMN, Absent::Refused, "When an event happened.");
pub const RULES: Key = Key::new(
    "rules",
    Kind::Named(&Kind::Section(&RULE)),
    Absent::Nothing,
    "Conditions in SQL that every event is to meet.",
);
pub const FIELDS: Key =
    Key::new("fields", Kind::Of("a column", &Kind::Section(&FIELD)), Absent::Nothing, "Bounds on single columns.");
pub const DEDUPE_HORIZON: Key = Key::new(
    "dedupe_horizon",
    Kind::SPAN,
    Absent::Time(HOUR_US),
    "Within what span of event time a second event with the same id is a copy, and is dropped; at least `lateness`.",
);
pub const SOURCE_PARTITIONS: Key = Key::new(
    "partitions",
    Kind::count(1, SOURCE_PARTITIONS_MAX),
    Absent::Told("as the topic has them, if it is there, else those of the pipeline"),
    "Partitions of the topic. One that has fewer gets more by `apply`.",
);
pub const FORMAT: Key = Key::new(
    "format",
    Kind::choice::<Encoding>(),
    Absent::Word("avro"),
    "`avro`: Avro in the framing of a schema registry. `json`: a JSON object per record.",
);
pub const UNKNOWN_FIELDS: Key = Key::new(
    "unknown_fields",
    Kind::choice::<Unknown>(),
    Absent::Word("ignore"),
    "With `format: json`, what becomes of fields that the schema does not have: they are left out, or their record is \
     rejected.",
);
pub const TIME_UNIT: Key = Key::new(
    "time_unit",
    Kind::choice::<TimeUnit>(),
    Absent::Told("the unit of the schema"),
    "With `format: json`, the unit of times that are numbers.",
);
pub const BREAKER_SECTION: Key = Key::new(
    "breaker",
    Kind::Section(&BREAKER),
    Absent::Nothing,
    "When a validator stops instead of filling the dead letters.",
);
pub const MAX_FUTURE: Key = Key::new(
    "max_future",
    Kind::TIME,
    Absent::Time(HOUR_US),
    "How far an event's time may be ahead of the time at which it was appended; one further ahead is rejected, as it \
     would move everybody's time.",
);

/// A source of events.
pub const SOURCE: Shape = Shape {
    path: "sources.NAME (events)",
    doc: "The source of events: the one without `labels`.",
    keys: &[
        TOPIC,
        SCHEMA,
        ID,
        EVENT_TIME,
        RULES,
        FIELDS,
        DEDUPE_HORIZON,
        SOURCE_PARTITIONS,
        FORMAT,
        UNKNOWN_FIELDS,
        TIME_UNIT,
        BREAKER_SECTION,
        MAX_FUTURE,
    ],
    needs: Needs::Nothing,
};

pub const TARGET: Key =
    Key::new("target", Kind::COLUMN, Absent::Refused, "The label: a number, true or false, or with `classes` a text.");
/// With one class there is nothing to tell apart.
pub const CLASSES_MIN: usize = 2;
/// More classes than this want more rows each than anybody has, and predictions that nobody reads.
pub const CLASSES_MAX: usize = 256;
/// From so many classes on a model has an output for each.
pub const MULTICLASS_MIN: usize = 3;
/// Classes are words that predictions repeat, not texts.
pub const CLASS_BYTES_MAX: usize = 128;
pub const CLASSES: Key = Key::new(
    "classes",
    Kind::List { of: &Kind::Value, least: CLASSES_MIN, most: CLASSES_MAX },
    Absent::Told("the label is a number"),
    "All values of `target`, which may then be a text: texts, whole numbers, or true and false. A label that is none of \
     them is a dead letter. Their order is part of every model; of two classes the second is the positive one.",
);
pub const KNOWN_TIME: Key = Key::new(
    "known_time",
    Kind::COLUMN,
    Absent::Told("the time at which it was appended"),
    "When the label became known.",
);
pub const LABELS_OF: Key =
    Key::new("labels", Kind::Text("name of the source of events"), Absent::Refused, "Whose events are labelled.");
pub const LABEL_ID: Key =
    Key::new("id", Kind::COLUMN, Absent::Told("the `id` of the events"), "Which event is labelled, by its id.");
pub const HORIZON: Key =
    Key::new("horizon", Kind::SPAN, Absent::Time(90 * 24 * HOUR_US), "How long an event waits for its label.");
pub const POLICY: Key = Key::new(
    "policy",
    Kind::choice::<LabelPolicy>(),
    Absent::Word("first"),
    "Which of several labels for one event counts. `first`: the first one; later ones change nothing. \
     `last`: the one that became known last, which corrects the outcome.",
);

/// A source of labels.
pub const LABELS: Shape = Shape {
    path: "sources.NAME (labels)",
    doc: "The source of labels: the one that has `labels`.",
    keys: &[
        TOPIC,
        SCHEMA,
        TARGET,
        CLASSES,
        KNOWN_TIME,
        LABELS_OF,
        LABEL_ID,
        SOURCE_PARTITIONS,
        FORMAT,
        UNKNOWN_FIELDS,
        TIME_UNIT,
        BREAKER_SECTION,
        HORIZON,
        POLICY,
    ],
    needs: Needs::Nothing,
};

pub const IN_A_ROW: Key = Key::new(
    "in_a_row",
    Kind::Integer { least: 1, most: RECORDS_MAX },
    Absent::Integer(10_000),
    "So many dead letters one after another stop the validator.",
);
pub const PERCENT: Key = Key::new(
    "percent",
    Kind::Integer { least: 1, most: 100 },
    Absent::Integer(50),
    "More dead letters than this share of the last records stop it.",
);
pub const OF_RECORDS: Key = Key::new(
    "of",
    Kind::Integer { least: 1, most: RECORDS_MAX },
    Absent::Integer(50_000),
    "How many last records that share is of.",
);

/// Limits on dead letters.
pub const BREAKER: Shape = Shape {
    path: "sources.NAME.breaker",
    doc: "When a validator stops, with nothing committed, instead of filling the dead letters.",
    keys: &[IN_A_ROW, PERCENT, OF_RECORDS],
    needs: Needs::Nothing,
};
