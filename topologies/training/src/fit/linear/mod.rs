//! Linear models, solved by Newton's method in double precision.
#![allow(clippy::needless_range_loop)] // Matrices read best by row and column.

mod classes;
mod design;
mod single;

use super::{Config, Error, Loss};
use crate::dataset::Dataset;
use design::Design;
use model::{Dense, Embedding, Standardisation};

/// Most Newton steps; from zero weights ten are plenty, and losses with a kink take some dozens.
const STEPS_MAX: usize = 500;
/// Most halvings of one step.
const HALVINGS_MAX: usize = 30;
/// Stop when the squared Newton decrement is this small compared to the loss.
const TOLERANCE: f64 = 1e-12;
/// Most weights, those of words included: a step takes time by their cube.
const WEIGHTS_MAX: usize = 2_048;

/// The unique weights that minimise the sum of (weighted) losses plus `l2` / 2 times the sum of squared weights. Each slot
/// of a category has a weight per output, which goes into its embedding; the layer adds it as it is.
pub(super) fn fit(
    config: &Config,
    dataset: &Dataset,
    s: &Standardisation,
    embeddings: &mut [Embedding],
) -> Result<Dense, Error> {
    let outputs = config.outputs();
    let design = Design::new(dataset, s, embeddings);
    let weights = design.weights() * outputs;
    if weights > WEIGHTS_MAX {
        return Err(Error::TooManyWeights { weights, weights_max: WEIGHTS_MAX });
    }
    let at = match config.loss {
        Loss::Softmax => {
            if let Some(class) = dataset.class_rows(outputs).iter().position(|rows| *rows == 0) {
                return Err(Error::NoRow(config.classes[class].clone()));
            }
            newton(&classes::Problem::new(config, dataset, &design), config.l2)?
        }
        _ => newton(&single::Problem::new(config, dataset, &design), config.l2)?,
    };
    let per_output: Vec<&[f64]> = at.chunks_exact(design.weights() + 1).collect();
    Ok(design.dense(&per_output, embeddings))
}

/// What is to be minimised; it is convex.
trait Objective {
    /// Number of parameters.
    fn parameters(&self) -> usize;
    /// The value at some parameters.
    fn loss(&self, at: &[f64]) -> f64;
    /// Gradient and lower triangle of the Hessian, row after row.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<f64>);
}

/// The parameters of the least value, from zero, by steps that are halved until they help.
fn newton(problem: &impl Objective, l2: f64) -> Result<Vec<f64>, Error> {
    let mut at = vec![0.0; problem.parameters()];
    let mut loss = problem.loss(&at);
    for _ in 0..STEPS_MAX {
        let (gradient, hessian) = problem.derivatives(&at);
        let step = solve(hessian, &gradient).ok_or(Error::Singular(l2))?;
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
    Ok(at)
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
