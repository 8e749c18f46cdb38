//! How good scores are: measures and their 95 % intervals.
//!
//! | measure | interval |
//! | --- | --- |
//! | ROC AUC | DeLong's variance, normal |
//! | average precision | percentiles of a seeded bootstrap over rows |
//! | log-loss, Brier score | standard error of a mean, normal |
//! | precision at k a day, by event and by entity | percentiles of a seeded bootstrap over days |
//! | accuracy, mean absolute error, pinball loss | standard error of a mean, normal |
//! | root mean squared error | the interval of the mean squared error, rooted |
//! | log-loss and accuracy of more than two classes | standard error of a mean, normal |
//! | balanced accuracy, macro F1 | percentiles of a seeded bootstrap over rows |
//! | R² | percentiles of a seeded bootstrap over rows |

mod calibration;
mod capacity;
mod classes;
mod numbers;
mod ranking;
#[cfg(test)]
mod tests;

pub use calibration::{accuracy, brier, log_loss};
pub use capacity::{entity_precision, precision_at};
pub use classes::{balanced_accuracy, class_accuracy, class_log_loss, confusion, f1_macro};
pub use numbers::{mae, pinball, r2, rmse};
pub use ranking::{average_precision, roc_auc};

use crate::dataset::{Dataset, Error, Task};
use crate::random::{Purpose, Random};
use model::Metric;
use std::collections::BTreeMap;

/// Resamples behind a bootstrap interval.
pub const RESAMPLES: usize = 200;
/// Half width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;
/// Seed of the bootstrap: an interval is a function of the data, not of the model's seed.
const BOOTSTRAP_SEED: u64 = 0x7469_6465;

/// All measures by name: `roc_auc`, `average_precision`, `log_loss`, `brier`, `precision_at_<k>`,
/// `entity_precision_at_<k>`.
pub fn evaluate(scores: &[f32], dataset: &Dataset, per_day: u32) -> Result<BTreeMap<String, Metric>, Error> {
    check(scores, dataset, Task::Binary)?;
    let label = &dataset.label;
    let metrics = [
        ("roc_auc".to_owned(), roc_auc(scores, label)),
        ("average_precision".to_owned(), average_precision(scores, label)),
        ("log_loss".to_owned(), log_loss(scores, label)),
        ("brier".to_owned(), brier(scores, label)),
        (format!("precision_at_{per_day}"), precision_at(scores, dataset, per_day)),
        (format!("entity_precision_at_{per_day}"), entity_precision(scores, dataset, per_day)),
    ];
    Ok(metrics.into())
}

/// All measures of numbers by name: `mae`, `rmse`, `r2`, and for a quantile `pinball`.
pub fn evaluate_numbers(
    scores: &[f32],
    dataset: &Dataset,
    quantile: Option<f64>,
) -> Result<BTreeMap<String, Metric>, Error> {
    check(scores, dataset, Task::Regression)?;
    let label = &dataset.label;
    let metrics = [("mae", mae(scores, label)), ("rmse", rmse(scores, label)), ("r2", r2(scores, label))];
    let pinball = quantile.map(|quantile| ("pinball", pinball(scores, label, quantile)));
    Ok(metrics.into_iter().chain(pinball).map(|(name, metric)| (name.to_owned(), metric)).collect())
}

/// All measures of classes by name: `log_loss`, `accuracy`, `balanced_accuracy`, `f1_macro`.
pub fn evaluate_classes(
    probabilities: &[f32],
    dataset: &Dataset,
    classes: usize,
) -> Result<BTreeMap<String, Metric>, Error> {
    check(probabilities, dataset, Task::Multiclass(classes))?;
    let label = &dataset.label;
    let metrics = [
        ("log_loss", class_log_loss(probabilities, label, classes)),
        ("accuracy", class_accuracy(probabilities, label, classes)),
        ("balanced_accuracy", balanced_accuracy(probabilities, label, classes)),
        ("f1_macro", f1_macro(probabilities, label, classes)),
    ];
    Ok(metrics.map(|(name, metric)| (name.to_owned(), metric)).into())
}

fn check(scores: &[f32], dataset: &Dataset, task: Task) -> Result<(), Error> {
    dataset.validate(task)?;
    let per_row = if let Task::Multiclass(classes) = task { classes } else { 1 };
    match scores.len() == dataset.len() * per_row {
        true => Ok(()),
        false => Err(Error::Length { column: "scores", got: scores.len(), expected: dataset.len() * per_row }),
    }
}

/// A mean with a normal interval.
fn mean_metric(values: &[f64]) -> Metric {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0).max(1.0);
    let half = Z_95 * (variance / count).sqrt();
    Metric { value: mean, low: mean - half, high: mean + half }
}

/// A value with the 2.5 % and 97.5 % percentiles (nearest rank) of its resamples.
fn bootstrap_metric(value: f64, mut resample: impl FnMut(&mut Random) -> f64) -> Metric {
    let mut random = Random::new(BOOTSTRAP_SEED, Purpose::Bootstrap);
    let mut values: Vec<f64> = (0..RESAMPLES).map(|_| resample(&mut random)).collect();
    values.sort_unstable_by(f64::total_cmp);
    let rank = |share: f64| values[((share * RESAMPLES as f64).ceil() as usize).clamp(1, RESAMPLES) - 1];
    Metric { value, low: rank(0.025), high: rank(0.975) }
}
