//! Models as checked: inputs, shape, training.

use crate::config::Span;

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Name in the registry.
    pub name: String,
    /// Label column it learns.
    pub target: String,
    /// What it predicts of it.
    pub objective: Objective,
    /// Its inputs in order, patterns expanded: columns and feature names.
    pub inputs: Vec<String>,
    /// Those of them that are categories, in the same order.
    pub categories: Vec<Category>,
    /// Its shape.
    pub network: Network,
    /// How it is trained.
    pub training: Training,
    /// What sets its decision threshold, where the file says so.
    pub alert: Option<AlertRule>,
    /// Where its name stands.
    pub span: Span,
}

/// Most inputs of a model that are categories.
pub const CATEGORIES_MAX: usize = 64;
/// Most words of a category.
pub const CATEGORY_WORDS_MAX: u32 = 10_000;
/// Most numbers that stand for a word.
pub const CATEGORY_DIMENSION_MAX: u32 = 64;

/// An input whose values are categories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// The input.
    pub input: String,
    /// Numbers that stand for a word; `None` leaves it to the number of words.
    pub dimension: Option<u32>,
    /// Most words; the most frequent ones stay.
    pub words_max: u32,
    /// How often a word must occur in the training rows.
    pub min_count: u64,
}

impl Category {
    /// One of which nothing else is said.
    pub(crate) fn new(input: &str, words_max: u32) -> Self {
        Self { input: input.to_owned(), dimension: None, words_max, min_count: 1 }
    }
}

/// What a model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// The probability that the target is 1 and not 0; where the label has classes, that it is the second.
    Binary,
    /// The probability of each class of the target.
    Multiclass,
    /// The target itself, a number.
    Regression,
}

/// What sets a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AlertRule {
    /// So many alerts a day.
    TopPerDay(u32),
    /// This score.
    Above(f64),
}

/// What training minimises, as far as the objective leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// What belongs to the objective: the likelihood of a class or of several, the square of an error.
    OfObjective,
    /// The absolute error.
    Absolute,
    /// The square up to so many deviations of the target, the absolute error beyond.
    Huber(f64),
    /// The error weighted so that this quantile is best.
    Quantile(f64),
}

/// The shape of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// One layer: logistic regression, for several classes the multinomial one.
    Linear,
    /// Dense layers of these widths, then one output, or one per class.
    Mlp(Vec<u32>),
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Passes over the data at most.
    pub epochs: u32,
    /// Rows per step.
    pub batch_size: u32,
    /// Step size.
    pub learning_rate: f64,
    /// Share of hidden units left out per step.
    pub dropout: f64,
    /// Weight decay.
    pub l2: f64,
    /// How rare labels are weighted.
    pub class_weight: ClassWeight,
    /// What it minimises.
    pub loss: Loss,
    /// How scores become probabilities.
    pub calibration: Calibration,
    /// Stop after this many epochs without a better validation loss; `None` runs all epochs.
    pub early_stopping_epochs: Option<u32>,
    /// Share of the training rows, the latest ones, kept for validation.
    pub validation_share: f64,
    /// Event time a training set spans.
    pub window_us: i64,
    /// Gap between the end of the training set and the cutoff: labels younger than that are not yet in.
    pub delay_us: i64,
    /// Seed of everything random.
    pub seed: u64,
}

/// How the scores of a class become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calibration {
    /// They are taken for what they are.
    None,
    /// By a sigmoid with slope and offset.
    Platt,
    /// By a sigmoid with a slope.
    Temperature,
    /// By a rising curve.
    Isotonic,
}

/// How rare labels are weighted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClassWeight {
    /// All rows count alike.
    None,
    /// All classes weigh the same in sum.
    Balanced,
    /// A positive row weighs this much, a negative one 1.
    Positive(f64),
}
