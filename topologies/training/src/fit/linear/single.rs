//! One output: two classes, or a number.

use super::design::{Design, output};
use super::{Config, Loss, Objective};
use crate::dataset::Dataset;

pub(super) struct Problem<'a> {
    design: &'a Design,
    label: &'a [f32],
    positive_weight: f64,
    l2: f64,
    loss: Loss,
}

impl<'a> Problem<'a> {
    pub fn new(config: &Config, dataset: &'a Dataset, design: &'a Design) -> Self {
        let Config { positive_weight, l2, loss, .. } = *config;
        Self { design, label: &dataset.label, positive_weight, l2, loss }
    }

    /// Standardised inputs, label and weight of each row.
    fn examples(&self) -> impl Iterator<Item = (&[f32], f64, f64)> {
        self.design.rows().zip(self.label).map(|(row, &label)| {
            let weight = if label == 1.0 { self.positive_weight } else { 1.0 };
            (row, f64::from(label), weight)
        })
    }
}

impl Objective for Problem<'_> {
    fn parameters(&self) -> usize {
        self.design.weights() + 1
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let penalty = at[..self.design.weights()].iter().map(|w| w * w).sum::<f64>() * self.l2 / 2.0;
        let mut present = Vec::new();
        let losses = self.examples().map(|(row, y, weight)| {
            self.design.present(row, &mut present);
            weight * self.loss.value(output(&present, at), y)
        });
        losses.sum::<f64>() + penalty
    }

    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n = self.parameters();
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let mut present = Vec::new();
        for (row, y, weight) in self.examples() {
            self.design.present(row, &mut present);
            let (slope, curve) = self.loss.derivatives(output(&present, at), y, weight);
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
