//! Keys of the pipeline as a whole.

use schemas::compatibility::Compatibility;

use super::{Absent, FEATURES, Key, Kind, LABELS, MODEL, MONITOR, Needs, RETENTION, RETRAINING, SOURCE, Shape};

const MINUTE_US: i64 = 60_000_000;
/// Internal logs map 256 key groups to partitions, so more would stay empty.
const PARTITIONS_MAX: u32 = 256;

pub const PIPELINE_NAME: Key = Key::new(
    "pipeline",
    Kind::Name,
    Absent::Refused,
    "Name of the pipeline, and the first part of the names of its topics.",
);
pub const DELIVERY: Key = Key::new(
    "delivery",
    Kind::choice::<crate::config::Delivery>(),
    Absent::Word("low_latency"),
    "`low_latency`: results go out at once; after a crash a few may appear twice, with the same identity. \
     `exactly_once`: results become visible together with the offsets of what they were computed from.",
);
pub const ORDERING: Key = Key::new(
    "ordering",
    Kind::choice::<crate::config::Ordering>(),
    Absent::Word("arrival"),
    "`arrival`: features see events in the order they came. `event_time`: in the order they happened; each is held for \
     `lateness`, which must then be there.",
);
pub const LATENESS: Key = Key::new(
    "lateness",
    Kind::TIME,
    Absent::Time(10 * MINUTE_US),
    "How far an event may be behind the newest one of its source partition; what is further behind goes to the topic of \
     late events.",
);
pub const IDLE_TIMEOUT: Key = Key::new(
    "idle_timeout",
    Kind::SPAN,
    Absent::Time(MINUTE_US / 2),
    "After how much silence a source partition no longer holds the others back.",
);
pub const PARTITIONS: Key = Key::new(
    "partitions",
    Kind::count(1, PARTITIONS_MAX),
    Absent::Integer(4),
    "Partitions of every log and topic that declares no number of its own.",
);
pub const SOURCES: Key = Key::new(
    "sources",
    Kind::Named(&Kind::Either { key: "labels", with: &LABELS, without: &SOURCE }),
    Absent::Refused,
    "Where events and their labels come from: one source of events, and at most one of labels.",
);
pub const FEATURES_SECTION: Key =
    Key::new("features", Kind::Section(&FEATURES), Absent::Refused, "What is computed from events.");
pub const MODELS: Key = Key::new(
    "models",
    Kind::Named(&Kind::Section(&MODEL)),
    Absent::Nothing,
    "What scores events. Predictions are those of the first model.",
);
pub const MONITORS: Key =
    Key::new("monitors", Kind::Named(&Kind::Section(&MONITOR)), Absent::Nothing, "What is watched for drift.");
pub const RETRAINING_SECTION: Key = Key::new(
    "retraining",
    Kind::Section(&RETRAINING),
    Absent::Nothing,
    "When and how models are trained again; without it they are by hand only.",
);
pub const ALERTS_SECTION: Key =
    Key::new("alerts", Kind::Section(&ALERTS), Absent::Nothing, "Where incidents are told.");
pub const COMPATIBILITY: Key = Key::new(
    "compatibility",
    Kind::Any(&[
        Kind::choice::<Compatibility>(),
        Kind::Of("a topic, or `all` for those that are not named", &Kind::choice::<Compatibility>()),
    ]),
    Absent::Told("what the schema registry says"),
    "What new schemas of the pipeline's public topics owe to earlier ones.",
);
pub const RETENTION_SECTION: Key = Key::new(
    "retention",
    Kind::Section(&RETENTION),
    Absent::Nothing,
    "For how long topics keep their records; without it nothing is deleted.",
);

/// The file.
pub const PIPELINE: Shape = Shape {
    path: "The file",
    doc: "What a pipeline file declares. Times are written `500ms`, `90s`, `10m`, `1h`, `7d`, and sizes `64KiB`, \
          `512MiB`, `2GiB`. A key with nothing behind it counts as absent.",
    keys: &[
        PIPELINE_NAME,
        DELIVERY,
        ORDERING,
        LATENESS,
        IDLE_TIMEOUT,
        PARTITIONS,
        SOURCES,
        FEATURES_SECTION,
        MODELS,
        MONITORS,
        RETRAINING_SECTION,
        ALERTS_SECTION,
        COMPATIBILITY,
        RETENTION_SECTION,
    ],
    needs: Needs::Nothing,
};

pub const ALERTS_TOPIC: Key =
    Key::new("topic", Kind::Topic, Absent::Told("`PIPELINE.alerts.v1`"), "The topic that incidents are written to.");

pub const ALERTS: Shape =
    Shape { path: "alerts", doc: "Where incidents are told.", keys: &[ALERTS_TOPIC], needs: Needs::Nothing };
