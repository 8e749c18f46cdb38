//! Keys of models.

use super::{Absent, Key, Kind, Needs, Range, Shape, TRAINING};
use crate::config::{CATEGORY_DIMENSION_MAX, CATEGORY_WORDS_MAX, Objective};

/// Layers and widths beyond these are a slip of the finger, not a model for one event at a time.
pub const LAYERS_MAX: usize = 16;
pub const WIDTH_MAX: u32 = 65_536;
/// Words of a vocabulary where nothing is said: rarer ones seldom have enough rows to learn from.
pub const WORDS_DEFAULT: u32 = 1_000;

pub const MODEL_TARGET: Key =
    Key::new("target", Kind::Text("the label"), Absent::Refused, "What it learns: the `target` of the labels.");
pub const INPUTS: Key = Key::new(
    "inputs",
    Kind::some(&Kind::Text("a column, a feature, or a group of features such as `row.*` or `customer.*`")),
    Absent::Refused,
    "What it sees, in this order: columns and features.",
);
pub const NETWORK: Key = Key::new(
    "network",
    Kind::Any(&[Kind::Word("linear"), Kind::Section(&NETWORK_SHAPE)]),
    Absent::Refused,
    "Its form.",
);
pub const OBJECTIVE: Key = Key::new(
    "objective",
    Kind::choice::<Objective>(),
    Absent::Word("binary"),
    "What it predicts. `binary`: the probability that the label is true. `multiclass`: the probability of each of the \
     label's `classes`, of which there are at least 3. `regression`: a number.",
);
pub const TRAINING_SECTION: Key = Key::new("training", Kind::Section(&TRAINING), Absent::Nothing, "How it is trained.");
pub const ALERT_SECTION: Key = Key::new(
    "alert",
    Kind::Section(&ALERT),
    Absent::Told("100 a day if `binary`, else nothing is decided"),
    "From which score on an event is acted upon. Not for `multiclass`, whose predictions name a class.",
);

/// A model.
pub const MODEL: Shape = Shape {
    path: "models.NAME",
    doc: "What scores events.",
    keys: &[MODEL_TARGET, INPUTS, NETWORK, OBJECTIVE, TRAINING_SECTION, ALERT_SECTION, CATEGORIES],
    needs: Needs::Nothing,
};

pub const CATEGORIES: Key = Key::new(
    "categories",
    Kind::Of("an input", &Kind::Any(&[Kind::Section(&CATEGORY), Kind::Nothing])),
    Absent::Nothing,
    "Inputs whose values are categories, not numbers. Texts are categories by themselves.",
);

pub const DIMENSION: Key = Key::new(
    "dimension",
    Kind::count(1, CATEGORY_DIMENSION_MAX),
    Absent::Told("as the number of words asks for"),
    "Numbers that stand for a word; one if the model is linear.",
);
pub const WORDS_MAX: Key = Key::new(
    "words_max",
    Kind::count(1, CATEGORY_WORDS_MAX),
    Absent::Integer(WORDS_DEFAULT as u64),
    "Most words; the most frequent ones stay, and the others count as unknown.",
);
pub const MIN_COUNT: Key = Key::new(
    "min_count",
    Kind::at_least(1),
    Absent::Integer(1),
    "How often a word must occur in the rows to train on.",
);

/// A category.
pub const CATEGORY: Shape = Shape {
    path: "models.NAME.categories.INPUT",
    doc: "An input whose values are categories.",
    keys: &[DIMENSION, WORDS_MAX, MIN_COUNT],
    needs: Needs::Nothing,
};

const LINEAR: Key =
    Key::new("linear", Kind::Only(true), Absent::Nothing, "One layer, solved to its optimum; as the word alone.");
pub const MLP: Key = Key::new(
    "mlp",
    Kind::List { of: &Kind::count(1, WIDTH_MAX), least: 1, most: LAYERS_MAX },
    Absent::Nothing,
    "Dense layers of these widths.",
);

const NETWORK_SHAPE: Shape = Shape {
    path: "models.NAME.network",
    doc: "The form of a model.",
    keys: &[LINEAR, MLP],
    needs: Needs::OneOf(&["linear", "mlp"]),
};

pub const TOP_PER_DAY: Key = Key::new(
    "top_per_day",
    Kind::count(1, u32::MAX),
    Absent::Nothing,
    "About so many events a day, those with the highest scores, as counted in training.",
);
pub const ABOVE: Key = Key::new(
    "above",
    Kind::Number(Range::Single),
    Absent::Nothing,
    "This score; from 0 to 1 if the model is `binary`.",
);

/// What sets the threshold.
pub const ALERT: Shape = Shape {
    path: "models.NAME.alert",
    doc: "From which score on an event is acted upon.",
    keys: &[TOP_PER_DAY, ABOVE],
    needs: Needs::OneOf(&["top_per_day", "above"]),
};
