//! Linear models, solved by Newton's method in double precision.
#![allow(clippy::needless_range_loop)] // Matrices read best by row and column.

use super::{Config, Error, Loss};
use crate::dataset::Dataset;
use model::{Dense, Standardisation};

/// Most Newton steps; from zero weights ten are plenty, and losses with a kink take some dozens.
const STEPS_MAX: usize = 500;
/// Most halvings of one step.
const HALVINGS_MAX: usize = 30;
/// Stop when the squared Newton decrement is this small compared to the loss.
const TOLERANCE: f64 = 1e-12;

/// The unique weights that minimise the sum of (weighted) losses plus `l2` / 2 times the sum of squared weights.
pub(super) fn fit(config: &Config, dataset: &Dataset, s: &Standardisation) -> Result<Dense, Error> {
    let problem = Problem::new(config, dataset, s);
    let mut at = vec![0.0; problem.width + 1];
    let mut loss = problem.loss(&at);
    for _ in 0..STEPS_MAX {
        let (gradient, hessian) = problem.derivatives(&at);
        let step = solve(hessian, &gradient).ok_or(Error::Singular(config.l2))?;
        let decrement: f64 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
        if decrement <= TOLERANCE * loss.max(1.0) {
            break;
        }
        let mut scale = 1.0;
        for _ in 0..HALVINGS_MAX {
            let next: Vec<f64> = at.iter().zip(&step).map(|(a, s)| a - scale * s).collect();
            let next_loss = problem.loss(&next);
            if next_loss < loss {
                (at, loss) = (next, next_loss);
                break;
            }
            scale /= 2.0;
        }
    }
    let weight = at[..problem.width].iter().map(|&w| w as f32).collect();
    Ok(Dense { inputs: problem.width, outputs: 1, weight, bias: vec![at[problem.width] as f32] })
}

struct Problem<'a> {
    rows: Vec<f32>,
    label: &'a [f32],
    width: usize,
    positive_weight: f64,
    l2: f64,
    loss: Loss,
}

impl<'a> Problem<'a> {
    fn new(config: &Config, dataset: &'a Dataset, s: &Standardisation) -> Self {
        Self {
            rows: s.apply(&dataset.rows),
            label: &dataset.label,
            width: dataset.inputs.len(),
            positive_weight: config.positive_weight,
            l2: config.l2,
            loss: config.loss,
        }
    }

    /// Rows with their label and weight.
    fn examples(&self) -> impl Iterator<Item = (&[f32], f64, f64)> {
        let weight = |label: f32| if label == 1.0 { self.positive_weight } else { 1.0 };
        self.rows.chunks_exact(self.width).zip(self.label).map(move |(x, &y)| (x, f64::from(y), weight(y)))
    }

    fn logit(&self, at: &[f64], row: &[f32]) -> f64 {
        row.iter().zip(at).map(|(&x, w)| f64::from(x) * w).sum::<f64>() + at[self.width]
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let penalty = at[..self.width].iter().map(|w| w * w).sum::<f64>() * self.l2 / 2.0;
        let losses = self.examples().map(|(x, y, weight)| {
            let z = self.logit(at, x);
            weight * self.loss.value(z, y)
        });
        losses.sum::<f64>() + penalty
    }

    /// Gradient and lower triangle of the Hessian, row after row.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n = self.width + 1;
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let mut x = vec![1.0; n];
        for (row, y, weight) in self.examples() {
            let (slope, curve) = self.loss.derivatives(self.logit(at, row), y, weight);
            for (to, &from) in x.iter_mut().zip(row) {
                *to = f64::from(from);
            }
            for i in 0..n {
                gradient[i] += slope * x[i];
                let scaled = curve * x[i];
                for j in 0..=i {
                    hessian[i * n + j] += scaled * x[j];
                }
            }
        }
        for i in 0..self.width {
            gradient[i] += self.l2 * at[i];
            hessian[i * n + i] += self.l2;
        }
        (gradient, hessian)
    }
}

/// Solves `matrix` x = `right` by Cholesky's method, given the lower triangle of a symmetric matrix.
fn solve(mut matrix: Vec<f64>, right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            if i != j {
                matrix[i * n + j] = rest / matrix[j * n + j];
            } else if rest > 0.0 && rest.is_finite() {
                matrix[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut x = right.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| matrix[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| matrix[k * n + i] * x[k]).sum();
        x[i] = (x[i] - dot) / matrix[i * n + i];
    }
    Some(x)
}
