//! Measures of probabilities per class. Rows of `probabilities` have one per class; a label is the position of its class,
//! and the prediction is the most probable one, the first of equals.

use super::calibration::CERTAINTY_MIN;
use super::{bootstrap_metric, mean_metric};
use crate::dataset::position;
use model::Metric;
use model::network::most_probable;

/// Mean negative log-likelihood of the label's class, in nats.
#[must_use]
pub fn class_log_loss(probabilities: &[f32], label: &[f32], classes: usize) -> Metric {
    let loss = |(row, label): (&[f32], &f32)| {
        let p = position(*label, classes).map_or(0.0, |class| f64::from(row[class]));
        -p.clamp(CERTAINTY_MIN, 1.0 - CERTAINTY_MIN).ln()
    };
    mean_metric(&probabilities.chunks_exact(classes).zip(label).map(loss).collect::<Vec<_>>())
}

/// Share of rows whose prediction is their label.
#[must_use]
pub fn class_accuracy(probabilities: &[f32], label: &[f32], classes: usize) -> Metric {
    let right =
        pairs(probabilities, label, classes).into_iter().map(|(label, found)| f64::from(u8::from(label == found)));
    mean_metric(&right.collect::<Vec<_>>())
}

/// Mean over the classes that labels have of the share of their rows that are predicted as such.
#[must_use]
pub fn balanced_accuracy(probabilities: &[f32], label: &[f32], classes: usize) -> Metric {
    resampled(&pairs(probabilities, label, classes), classes, |counts| {
        let recalls = counts.iter().enumerate().filter_map(|(class, row)| {
            let rows = row.iter().sum::<u64>();
            (rows > 0).then(|| row[class] as f64 / rows as f64)
        });
        mean(recalls)
    })
}

/// Mean of F1, the harmonic mean of precision and recall, over the classes that labels or predictions have.
#[must_use]
pub fn f1_macro(probabilities: &[f32], label: &[f32], classes: usize) -> Metric {
    resampled(&pairs(probabilities, label, classes), classes, |counts| {
        let f1 = (0..counts.len()).filter_map(|class| {
            let labelled = counts[class].iter().sum::<u64>();
            let predicted = counts.iter().map(|row| row[class]).sum::<u64>();
            (labelled + predicted > 0).then(|| 2.0 * counts[class][class] as f64 / (labelled + predicted) as f64)
        });
        mean(f1)
    })
}

/// Rows by label (outer) and prediction (inner).
#[must_use]
pub fn confusion(probabilities: &[f32], label: &[f32], classes: usize) -> Vec<Vec<u64>> {
    counted(pairs(probabilities, label, classes).into_iter(), classes)
}

/// Label and prediction of each row.
fn pairs(probabilities: &[f32], label: &[f32], classes: usize) -> Vec<(usize, usize)> {
    let rows = probabilities.chunks_exact(classes).zip(label);
    rows.filter_map(|(row, label)| Some((position(*label, classes)?, most_probable(row)))).collect()
}

fn counted(pairs: impl Iterator<Item = (usize, usize)>, classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes]; classes];
    pairs.for_each(|(label, found)| counts[label][found] += 1);
    counts
}

/// A measure of counts with the percentiles of a bootstrap over rows.
fn resampled(pairs: &[(usize, usize)], classes: usize, measure: impl Fn(&[Vec<u64>]) -> f64) -> Metric {
    let value = measure(&counted(pairs.iter().copied(), classes));
    bootstrap_metric(value, |random| {
        let drawn = (0..pairs.len()).map(|_| pairs[random.below(pairs.len())]);
        measure(&counted(drawn, classes))
    })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
