//! Calibration: a curve from outputs to probabilities, fitted on rows that training did not see.

use super::Loss;
use crate::dataset::Dataset;
use model::network::{Calibration, sigmoid};
use serde::{Deserialize, Serialize};

/// Most Newton steps; from the identity a dozen is plenty.
const STEPS_MAX: usize = 100;
/// Stop when a step changes the parameters by less.
const TOLERANCE: f64 = 1e-12;

/// How to calibrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A sigmoid with slope and offset, on Platt's smoothed labels.
    Platt,
    /// A sigmoid with a slope.
    Temperature,
    /// The rising curve of least squares.
    Isotonic,
}

/// What to calibrate by, and on how much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// How.
    pub method: Method,
    /// Share of the rows kept aside for it, the newest; rows kept for early stopping serve.
    pub share: f64,
}

/// The calibration of outputs by the labels of their rows.
pub(super) fn fit(method: Method, outputs: &[f32], rows: &Dataset) -> Calibration {
    let labels = || rows.label.iter().map(|label| f64::from(*label));
    match method {
        Method::Platt => {
            let positives = rows.positives() as f64;
            let negatives = rows.len() as f64 - positives;
            let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
            let smoothed: Vec<f64> = labels().map(|label| if label == 1.0 { high } else { low }).collect();
            logistic(outputs, &smoothed, true)
        }
        Method::Temperature => logistic(outputs, &labels().collect::<Vec<_>>(), false),
        Method::Isotonic => curve(outputs, &labels().collect::<Vec<_>>()),
    }
}

/// Slope and offset of the greatest likelihood, by Newton's method with halved steps.
fn logistic(outputs: &[f32], labels: &[f64], with_offset: bool) -> Calibration {
    let rows = || outputs.iter().map(|z| f64::from(*z)).zip(labels.iter().copied());
    let loss = |a: f64, b: f64| -> f64 { rows().map(|(z, y)| Loss::Logistic.value(a * z + b, y)).sum() };
    let (mut a, mut b) = (1.0, 0.0);
    for _ in 0..STEPS_MAX {
        // A little curvature is added, so that classes that a threshold parts perfectly end somewhere.
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (z, y) in rows() {
            let (slope, curve) = Loss::Logistic.derivatives(a * z + b, y, 1.0);
            ga += slope * z;
            gb += slope;
            haa += curve * z * z;
            hab += curve * z;
            hbb += curve;
        }
        let (da, db) = match with_offset {
            true => {
                let determinant = haa * hbb - hab * hab;
                ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant)
            }
            false => (ga / haa, 0.0),
        };
        if !(da.is_finite() && db.is_finite()) || da.abs() + db.abs() < TOLERANCE {
            break;
        }
        let before = loss(a, b);
        let scale = (0..30).map(|halvings| 0.5_f64.powi(halvings)).find(|s| loss(a - s * da, b - s * db) < before);
        let Some(scale) = scale else { break };
        (a, b) = (a - scale * da, b - scale * db);
    }
    Calibration::Logistic { slope: a, offset: b }
}

/// A run of rows that share a value.
struct Block {
    first: f32,
    last: f32,
    sum: f64,
    rows: f64,
}

/// Neighbours that fall are pooled until none does; each pool keeps its first and last score.
fn curve(outputs: &[f32], labels: &[f64]) -> Calibration {
    let mut rows: Vec<(f32, f64)> = outputs.iter().map(|z| sigmoid(*z)).zip(labels.iter().copied()).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut blocks: Vec<Block> = Vec::new();
    for same in rows.chunk_by(|a, b| a.0 == b.0) {
        let mut block = Block {
            first: same[0].0,
            last: same[0].0,
            sum: same.iter().map(|row| row.1).sum(),
            rows: same.len() as f64,
        };
        while let Some(before) = blocks.pop_if(|before| before.sum / before.rows >= block.sum / block.rows) {
            block = Block { first: before.first, sum: before.sum + block.sum, rows: before.rows + block.rows, ..block };
        }
        blocks.push(block);
    }
    let (mut score, mut value) = (Vec::new(), Vec::new());
    for block in &blocks {
        for at in [block.first, block.last] {
            if score.last() != Some(&f64::from(at)) {
                score.push(f64::from(at));
                value.push(block.sum / block.rows);
            }
        }
    }
    Calibration::Curve { score, value }
}
