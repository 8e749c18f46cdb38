//! Measures of single scores against their class: as probabilities, and by what they decide.

use super::mean_metric;
use model::Metric;

/// Scores closer than this to 0 or 1 count as this close, so that one certain error is not an infinite loss.
pub(super) const CERTAINTY_MIN: f64 = f32::EPSILON as f64;

/// Mean negative log-likelihood, in nats.
#[must_use]
pub fn log_loss(scores: &[f32], label: &[f32]) -> Metric {
    let losses: Vec<f64> = pairs(scores, label)
        .map(|(p, y)| {
            let p = p.clamp(CERTAINTY_MIN, 1.0 - CERTAINTY_MIN);
            if y == 1.0 { -p.ln() } else { -(1.0 - p).ln() }
        })
        .collect();
    mean_metric(&losses)
}

/// Mean squared difference of score and label.
#[must_use]
pub fn brier(scores: &[f32], label: &[f32]) -> Metric {
    let losses: Vec<f64> = pairs(scores, label).map(|(p, y)| (p - y) * (p - y)).collect();
    mean_metric(&losses)
}

/// Share of rows that a threshold decides as their label says.
#[must_use]
pub fn accuracy(scores: &[f32], label: &[f32], threshold: f32) -> Metric {
    let right =
        scores.iter().zip(label).map(|(&score, &label)| f64::from(u8::from((score >= threshold) == (label == 1.0))));
    mean_metric(&right.collect::<Vec<_>>())
}

fn pairs<'a>(scores: &'a [f32], label: &'a [f32]) -> impl Iterator<Item = (f64, f64)> + 'a {
    scores.iter().zip(label).map(|(&p, &y)| (f64::from(p), f64::from(y)))
}
