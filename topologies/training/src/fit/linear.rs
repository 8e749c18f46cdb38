//! Linear models, solved by Newton's method in double precision.
#![allow(clippy::needless_range_loop)] // Matrices read best by row and column.

use super::{Config, Error, Loss};
use crate::dataset::Dataset;
use model::vocabulary::slot;
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
/// of a category has a weight, which goes into its embedding; the layer adds it as it is.
pub(super) fn fit(
    config: &Config,
    dataset: &Dataset,
    s: &Standardisation,
    embeddings: &mut [Embedding],
) -> Result<Dense, Error> {
    let problem = Problem::new(config, dataset, s, embeddings);
    if problem.weights() > WEIGHTS_MAX {
        return Err(Error::TooManyWeights { weights: problem.weights(), weights_max: WEIGHTS_MAX });
    }
    let mut at = vec![0.0; problem.weights() + 1];
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
    let mut weight = vec![1.0; dataset.inputs.len()];
    problem.numbers.iter().zip(&at).for_each(|(input, w)| weight[*input] = *w as f32);
    for (one, embedding) in problem.categories.iter().zip(embeddings) {
        let weights = &at[one.first..];
        embedding.table.iter_mut().zip(weights).for_each(|(to, w)| *to = *w as f32);
    }
    Ok(Dense { inputs: weight.len(), outputs: 1, weight, bias: vec![at[problem.weights()] as f32] })
}

/// A category among the weights.
struct OneHot {
    /// Position of its input.
    input: usize,
    /// Position of the weight of its first slot.
    first: usize,
    slots: usize,
}

/// The weights in order: one per input that is a number, then one per slot of each category, then the bias.
struct Problem<'a> {
    rows: Vec<f32>,
    label: &'a [f32],
    inputs: usize,
    /// Positions of the inputs that are numbers.
    numbers: Vec<usize>,
    categories: Vec<OneHot>,
    positive_weight: f64,
    l2: f64,
    loss: Loss,
}

impl<'a> Problem<'a> {
    fn new(config: &Config, dataset: &'a Dataset, s: &Standardisation, embeddings: &[Embedding]) -> Self {
        let inputs = dataset.inputs.len();
        let is_category = |input: &usize| embeddings.iter().any(|one| one.input == *input);
        let numbers: Vec<usize> = (0..inputs).filter(|input| !is_category(input)).collect();
        let mut first = numbers.len();
        let one_hot = |one: &Embedding| {
            let found = OneHot { input: one.input, first, slots: one.slots() };
            first += found.slots;
            found
        };
        Self {
            rows: s.apply(&dataset.rows),
            label: &dataset.label,
            inputs,
            categories: embeddings.iter().map(one_hot).collect(),
            numbers,
            positive_weight: config.positive_weight,
            l2: config.l2,
            loss: config.loss,
        }
    }

    /// Number of weights, the bias not counted.
    fn weights(&self) -> usize {
        self.categories.last().map_or(self.numbers.len(), |last| last.first + last.slots)
    }

    /// Standardised inputs, label and weight of each row.
    fn examples(&self) -> impl Iterator<Item = (&[f32], f64, f64)> {
        self.rows.chunks_exact(self.inputs).zip(self.label).map(|(row, &label)| {
            let weight = if label == 1.0 { self.positive_weight } else { 1.0 };
            (row, f64::from(label), weight)
        })
    }

    /// What a row has other than zero, by rising position of the weight, the bias last.
    fn present(&self, row: &[f32], to: &mut Vec<(usize, f64)>) {
        to.clear();
        to.extend(self.numbers.iter().enumerate().map(|(at, input)| (at, f64::from(row[*input]))));
        to.extend(self.categories.iter().map(|one| (one.first + slot(row[one.input], one.slots), 1.0)));
        to.push((self.weights(), 1.0));
    }

    fn logit(present: &[(usize, f64)], at: &[f64]) -> f64 {
        present.iter().map(|(position, x)| x * at[*position]).sum()
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let penalty = at[..self.weights()].iter().map(|w| w * w).sum::<f64>() * self.l2 / 2.0;
        let mut present = Vec::new();
        let losses = self.examples().map(|(row, y, weight)| {
            self.present(row, &mut present);
            weight * self.loss.value(Self::logit(&present, at), y)
        });
        losses.sum::<f64>() + penalty
    }

    /// Gradient and lower triangle of the Hessian, row after row.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n = self.weights() + 1;
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let mut present = Vec::new();
        for (row, y, weight) in self.examples() {
            self.present(row, &mut present);
            let (slope, curve) = self.loss.derivatives(Self::logit(&present, at), y, weight);
            for (i, &(position, x)) in present.iter().enumerate() {
                gradient[position] += slope * x;
                let scaled = curve * x;
                for &(other, y) in &present[..=i] {
                    hessian[position * n + other] += scaled * y;
                }
            }
        }
        for i in 0..n - 1 {
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
