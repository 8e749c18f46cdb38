//! Measures of predicted numbers, in the target's units.

use super::{bootstrap_metric, mean_metric};
use model::Metric;

/// Mean absolute error.
#[must_use]
pub fn mae(scores: &[f32], label: &[f32]) -> Metric {
    mean_metric(&errors(scores, label).map(f64::abs).collect::<Vec<_>>())
}

/// Root of the mean squared error; its interval is that of the mean squared error, rooted.
#[must_use]
pub fn rmse(scores: &[f32], label: &[f32]) -> Metric {
    let squares = mean_metric(&errors(scores, label).map(|error| error * error).collect::<Vec<_>>());
    let root = |square: f64| square.max(0.0).sqrt();
    Metric { value: root(squares.value), low: root(squares.low), high: root(squares.high) }
}

/// Share of the labels' variance that the scores explain: 1 is perfect, 0 no better than the labels' own mean.
///
/// Where labels do not vary it is 1 for perfect scores and otherwise 0, as scikit-learn has it.
#[must_use]
pub fn r2(scores: &[f32], label: &[f32]) -> Metric {
    let pairs: Vec<(f64, f64)> = scores.iter().zip(label).map(|(&s, &y)| (f64::from(s), f64::from(y))).collect();
    let explained = |rows: &mut dyn Iterator<Item = usize>| {
        let rows: Vec<(f64, f64)> = rows.map(|row| pairs[row]).collect();
        let mean = rows.iter().map(|(_, y)| y).sum::<f64>() / rows.len() as f64;
        let left: f64 = rows.iter().map(|(s, y)| (y - s) * (y - s)).sum();
        let total: f64 = rows.iter().map(|(_, y)| (y - mean) * (y - mean)).sum();
        match (left == 0.0, total == 0.0) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - left / total,
        }
    };
    let count = pairs.len();
    let value = explained(&mut (0..count));
    bootstrap_metric(value, |random| explained(&mut (0..count).map(|_| random.below(count))))
}

/// Mean pinball loss of a quantile: q for each unit too low, 1 - q for each too high.
#[must_use]
pub fn pinball(scores: &[f32], label: &[f32], quantile: f64) -> Metric {
    let loss = |error: f64| if error >= 0.0 { quantile * error } else { (quantile - 1.0) * error };
    mean_metric(&errors(scores, label).map(loss).collect::<Vec<_>>())
}

/// Label less score.
fn errors<'a>(scores: &'a [f32], label: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    scores.iter().zip(label).map(|(&score, &label)| f64::from(label) - f64::from(score))
}
