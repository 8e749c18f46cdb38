//! What may be said of classes, and the weights that balance them.

use super::{Config, Loss};
use crate::dataset::Dataset;
use model::network::{CLASSES_MAX, CLASSES_MIN};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// What a weight of a class may be.
const WEIGHTS: RangeInclusive<f64> = 1e-6..=1e6;

/// The first thing that is wrong with settings of classes: the setting, its value and what is allowed.
pub(super) fn problem(config: &Config) -> Option<(&'static str, String, &'static str)> {
    let Config { classes, class_weights, loss, .. } = config;
    let decides = config.top_per_day.is_some() || config.alert_above.is_some();
    let (count_ok, rule) = match loss {
        Loss::Softmax => ((CLASSES_MIN..=CLASSES_MAX).contains(&classes.len()), "allowed are 2 to 256 names"),
        Loss::Logistic => (classes.is_empty() || classes.len() == CLASSES_MIN, "allowed are two names or none"),
        _ => (classes.is_empty(), "a number has no classes"),
    };
    let distinct: BTreeSet<&String> = classes.iter().collect();
    if !count_ok {
        Some(("classes", format!("{} names", classes.len()), rule))
    } else if distinct.len() != classes.len() {
        Some(("classes", classes.join(", "), "names must differ"))
    } else if !class_weights.is_empty() && (*loss != Loss::Softmax || class_weights.len() != classes.len()) {
        Some(("class_weights", format!("{class_weights:?}"), "allowed is one per class, for more than two classes"))
    } else if class_weights.iter().any(|weight| !WEIGHTS.contains(weight)) {
        Some(("class_weights", format!("{class_weights:?}"), "allowed are 1e-6 to 1e6"))
    } else if *loss == Loss::Softmax && decides {
        let value = format!("{:?} a day, above {:?}", config.top_per_day, config.alert_above);
        Some(("alert", value, "nothing is decided of more than two classes"))
    } else {
        None
    }
}

/// Weights under which each class that occurs has the same share: rows / (classes that occur * rows of the class). What
/// does not occur has 1.
#[must_use]
pub fn balanced(rows: &Dataset, classes: usize) -> Vec<f64> {
    let counts = rows.class_rows(classes);
    let present = counts.iter().filter(|count| **count > 0).count() as f64;
    let total = counts.iter().sum::<u64>() as f64;
    let weight = |count: u64| if count == 0 { 1.0 } else { total / (present * count as f64) };
    counts.into_iter().map(|count| weight(count).clamp(*WEIGHTS.start(), *WEIGHTS.end())).collect()
}
