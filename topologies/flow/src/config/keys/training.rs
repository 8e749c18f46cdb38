//! Keys of training.

use super::{Absent, Key, Kind, Needs, Range, Shape};
use crate::config::{Calibration, ClassWeight};

const DAY_US: i64 = 86_400_000_000;
/// More passes than this are a slip of the finger.
pub const EPOCHS_MAX: u32 = 10_000;
/// What weights and rates are.
pub const POSITIVE: Range = Range::Above(0.0);
/// A Huber loss whose kink lies further out than this many deviations of the target is the squared one.
pub const HUBER: Range = Range::Within(0.001, 1_000.0);
/// Quantiles nearer to an end than this want more rows than anybody has.
pub const QUANTILE: Range = Range::Within(0.001, 0.999);

pub const EPOCHS: Key =
    Key::new("epochs", Kind::count(1, EPOCHS_MAX), Absent::Integer(20), "Most passes over the rows. For `mlp` only.");
pub const BATCH_SIZE: Key =
    Key::new("batch_size", Kind::count(1, 1 << 20), Absent::Integer(64), "Rows per step. For `mlp` only.");
pub const LEARNING_RATE: Key = Key::new(
    "learning_rate",
    Kind::Number(POSITIVE),
    Absent::Number(0.001),
    "Rate of the first step; it falls along half a cosine. For `mlp` only.",
);
pub const DROPOUT: Key = Key::new(
    "dropout",
    Kind::Number(Range::SHARE),
    Absent::Number(0.0),
    "Share of the outputs of each hidden layer that a step leaves out. For `mlp` only.",
);
pub const L2: Key = Key::new(
    "l2",
    Kind::Number(Range::AtLeast(0.0)),
    Absent::Number(0.0),
    "Penalty on squared weights; for `mlp` the decay of weights.",
);
pub const CLASS_WEIGHT: Key = Key::new(
    "class_weight",
    Kind::Any(&[Kind::choice::<ClassWeight>(), Kind::Number(POSITIVE)]),
    Absent::Word("none"),
    "`balanced`: all classes weigh the same in sum. A number, for `binary` only: what a positive row weighs, where a \
     negative one weighs 1.",
);
pub const CALIBRATION: Key = Key::new(
    "calibration",
    Kind::choice::<Calibration>(),
    Absent::Word("none"),
    "What makes probabilities of the scores of a `binary` model, fitted on the newest rows; of a `multiclass` one \
     `temperature` does.",
);
pub const LOSS: Key = Key::new(
    "loss",
    Kind::Any(&[
        Kind::Word("logistic"),
        Kind::Word("softmax"),
        Kind::Word("squared"),
        Kind::Word("absolute"),
        Kind::Word("huber"),
        Kind::Section(&LOSS_SHAPE),
    ]),
    Absent::Told("`logistic` if `binary`, `softmax` if `multiclass`, `squared` if `regression`"),
    "What training makes least.",
);
pub const EARLY_STOPPING: Key = Key::new(
    "early_stopping",
    Kind::Any(&[Kind::count(1, EPOCHS_MAX), Kind::Only(false)]),
    Absent::Boolean(false),
    "Training ends after so many passes without progress on the newest rows. For `mlp` only.",
);
pub const VALIDATION_SHARE: Key = Key::new(
    "validation_share",
    Kind::Number(Range::SHARE),
    Absent::Number(0.1),
    "Share of the rows, the newest ones, that are kept aside for early stopping, calibration and the threshold.",
);
pub const TRAINING_WINDOW: Key =
    Key::new("window", Kind::SPAN, Absent::Time(7 * DAY_US), "Event time of the rows to train on.");
pub const TRAINING_DELAY: Key = Key::new(
    "delay",
    Kind::TIME,
    Absent::Time(7 * DAY_US),
    "How far that ends before the newest event, so that labels are in.",
);
pub const SEED: Key = Key::new(
    "seed",
    Kind::at_least(0),
    Absent::Integer(1),
    "What chance begins with: the same rows with the same seed give the same model.",
);

/// Training.
pub const TRAINING: Shape = Shape {
    path: "models.NAME.training",
    doc: "How a model is trained.",
    keys: &[
        EPOCHS,
        BATCH_SIZE,
        LEARNING_RATE,
        DROPOUT,
        L2,
        CLASS_WEIGHT,
        CALIBRATION,
        LOSS,
        EARLY_STOPPING,
        VALIDATION_SHARE,
        TRAINING_WINDOW,
        TRAINING_DELAY,
        SEED,
    ],
    needs: Needs::Nothing,
};

pub const LOSS_HUBER: Key = Key::new(
    "huber",
    Kind::Number(HUBER),
    Absent::Nothing,
    "The squared error up to so many standard deviations of the label, the absolute one beyond; 1 as a word alone.",
);
pub const LOSS_QUANTILE: Key =
    Key::new("quantile", Kind::Number(QUANTILE), Absent::Nothing, "The quantile that is predicted.");

const LOSS_SHAPE: Shape = Shape {
    path: "models.NAME.training.loss",
    doc: "A loss that takes a number, for `regression`.",
    keys: &[LOSS_HUBER, LOSS_QUANTILE],
    needs: Needs::OneOf(&["huber", "quantile"]),
};
