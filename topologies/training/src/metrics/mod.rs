//! How good scores are: measures and their 95 % intervals.
//!
//! | measure | interval |
//! | --- | --- |
//! | ROC AUC | DeLong's variance, normal |
//! | average precision | percentiles of a seeded bootstrap over rows |
//! | log-loss, Brier score | standard error of a mean, normal |
//! | precision at k a day, by event and by entity | percentiles of a seeded bootstrap over days |

mod calibration;
mod capacity;
mod ranking;
#[cfg(test)]
mod tests;

pub use calibration::{brier, log_loss};
pub use capacity::{entity_precision, precision_at};
pub use ranking::{average_precision, roc_auc};

use crate::dataset::{Dataset, Error};
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
    dataset.validate()?;
    if scores.len() != dataset.len() {
        return Err(Error::Length { column: "scores", got: scores.len(), expected: dataset.len() });
    }
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
