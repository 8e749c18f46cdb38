//! The temperature of more than two classes, fitted on rows that training did not see.

use crate::dataset::position;
use model::network::Calibration;

/// Most Newton steps; from the identity a dozen is plenty.
const STEPS_MAX: usize = 100;
/// Most halvings of one step.
const HALVINGS_MAX: i32 = 30;
/// Stop when a step changes the slope by less.
const TOLERANCE: f64 = 1e-12;

/// The slope before the softmax of the greatest likelihood, by Newton's method with halved steps.
///
/// The logarithms of probabilities stand for the outputs: a row's differ from them by one number, which a softmax does not
/// see whatever the slope is.
pub(super) fn fit(probabilities: &[f32], label: &[f32], classes: usize) -> Calibration {
    let outputs: Vec<f64> = probabilities.iter().map(|p| f64::from(*p).ln()).collect();
    let rows: Vec<(&[f64], usize)> = outputs
        .chunks_exact(classes)
        .zip(label)
        .map(|(row, label)| (row, position(*label, classes).unwrap_or_default()))
        .collect();
    let loss =
        |slope: f64| -> f64 { rows.iter().map(|(row, class)| partition(row, slope).0 - slope * row[*class]).sum() };
    let mut slope = 1.0;
    for _ in 0..STEPS_MAX {
        // A little curvature is added, so that classes that the outputs part perfectly end somewhere.
        let (mut gradient, mut curve) = (0.0, 1e-9);
        for (row, class) in &rows {
            let (_, mean, variance) = partition(row, slope);
            gradient += mean - row[*class];
            curve += variance;
        }
        let step = gradient / curve;
        if !step.is_finite() || step.abs() < TOLERANCE {
            break;
        }
        let before = loss(slope);
        let Some(scale) = (0..HALVINGS_MAX).map(|n| 0.5_f64.powi(n)).find(|scale| loss(slope - scale * step) < before)
        else {
            break;
        };
        slope -= scale * step;
    }
    Calibration::Logistic { slope, offset: 0.0 }
}

/// The logarithm of the sum of `exp(slope z)`, and mean and variance of z under that softmax.
fn partition(row: &[f64], slope: f64) -> (f64, f64, f64) {
    let most = row.iter().fold(f64::MIN, |most, z| most.max(slope * z));
    let weight = |z: &f64| (slope * z - most).exp();
    let sum: f64 = row.iter().map(weight).sum();
    let mean = row.iter().map(|z| weight(z) * z).sum::<f64>() / sum;
    let variance = row.iter().map(|z| weight(z) * (z - mean) * (z - mean)).sum::<f64>() / sum;
    (most + sum.ln(), mean, variance)
}
