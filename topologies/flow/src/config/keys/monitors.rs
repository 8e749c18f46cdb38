//! Keys of monitors and of retraining.

use super::{Absent, Key, Kind, Needs, Range, Shape};
use crate::config::{Promote, Trigger};

const DAY_US: i64 = 86_400_000_000;

pub const MONITORED: Key =
    Key::new("model", Kind::Text("name of a model"), Absent::Refused, "The model whose inputs and score are watched.");
pub const MONITOR_WINDOW: Key =
    Key::new("window", Kind::SPAN, Absent::Time(DAY_US), "Event time that is judged at once.");
pub const PSI_SECTION: Key = Key::new("psi", Kind::Section(&PSI), Absent::Nothing, "The population stability index.");
pub const MIN_EVENTS: Key =
    Key::new("min_events", Kind::at_least(1), Absent::Integer(1_000), "Windows with fewer events are not judged.");

/// A monitor.
pub const MONITOR: Shape = Shape {
    path: "monitors.NAME",
    doc: "Compares what a model sees with what it was trained on.",
    keys: &[MONITORED, MONITOR_WINDOW, PSI_SECTION, MIN_EVENTS],
    needs: Needs::Nothing,
};

// The usual reading of the index: below 0.1 stable, above 0.25 shifted.
pub const WARN: Key =
    Key::new("warn", Kind::Number(Range::Above(0.0)), Absent::Number(0.1), "From here on it is worth a look.");
pub const ALARM: Key =
    Key::new("alarm", Kind::Number(Range::Above(0.0)), Absent::Number(0.25), "From here on it is an incident.");
pub const WATCHED: Key = Key::new(
    "features",
    Kind::Any(&[Kind::Word("all"), Kind::list(&Kind::Text("an input of the model"))]),
    Absent::Word("all"),
    "Which inputs are watched; the score always is.",
);

/// The population stability index.
pub const PSI: Shape = Shape {
    path: "monitors.NAME.psi",
    doc: "The population stability index of inputs and score.",
    keys: &[WARN, ALARM, WATCHED],
    needs: Needs::Nothing,
};

pub const ON: Key = Key::new(
    "on",
    Kind::list(&Kind::choice::<Trigger>()),
    Absent::Refused,
    "What asks for it. `drift`: an incident of a monitor.",
);
pub const TRAIN_WINDOW: Key =
    Key::new("train_window", Kind::SPAN, Absent::Time(7 * DAY_US), "Event time of the rows to train on.");
pub const LABEL_DELAY: Key = Key::new(
    "label_delay",
    Kind::TIME,
    Absent::Time(7 * DAY_US),
    "How long labels take to be there; younger events are not used.",
);
pub const HOLDOUT: Key = Key::new(
    "holdout",
    Kind::SPAN,
    Absent::Time(DAY_US),
    "The newest labelled event time, kept out of training, on which candidate and champion are compared.",
);
pub const PROMOTE: Key = Key::new(
    "promote",
    Kind::choice::<Promote>(),
    Absent::Word("if_better"),
    "`if_better`: a better candidate takes over by itself. `manual`: somebody runs `tidemill model promote`.",
);

/// Retraining.
pub const RETRAINING: Shape = Shape {
    path: "retraining",
    doc: "When and how models are trained again.",
    keys: &[ON, TRAIN_WINDOW, LABEL_DELAY, HOLDOUT, PROMOTE],
    needs: Needs::Nothing,
};
