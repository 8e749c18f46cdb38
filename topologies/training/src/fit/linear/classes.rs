//! An output per class: the multinomial likelihood.
//!
//! A number added to the parameters of one input in all classes changes no probability. So half of the squared sum over
//! the classes is added per input, and per bias, which settles that sum at zero. The penalty on weights would do so by
//! itself; biases have none. Either way no optimum moves.

use super::design::{Design, output};
use super::{Config, Objective};
use crate::dataset::{Dataset, position};

pub(super) struct Problem<'a> {
    design: &'a Design,
    /// Class of each row.
    class: Vec<usize>,
    classes: usize,
    /// A weight per class.
    weights: Vec<f64>,
    l2: f64,
}

impl<'a> Problem<'a> {
    pub fn new(config: &Config, dataset: &Dataset, design: &'a Design) -> Self {
        let classes = config.outputs();
        let class = dataset.label.iter().map(|label| position(*label, classes).unwrap_or_default()).collect();
        let told = config.class_weights.clone();
        let weights = if told.is_empty() { vec![1.0; classes] } else { told };
        Self { design, class, classes, weights, l2: config.l2 }
    }

    /// Parameters of one class.
    fn width(&self) -> usize {
        self.design.weights() + 1
    }

    /// Sums over the classes, by position.
    fn sums(&self, at: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.width()];
        for of_class in at.chunks_exact(self.width()) {
            sums.iter_mut().zip(of_class).for_each(|(sum, x)| *sum += x);
        }
        sums
    }

    /// Probabilities in place of outputs, and the logarithm of the sum of their exponentials.
    fn softmax(outputs: &mut [f64]) -> f64 {
        let most = outputs.iter().copied().fold(f64::MIN, f64::max);
        outputs.iter_mut().for_each(|z| *z = (*z - most).exp());
        let sum: f64 = outputs.iter().sum();
        outputs.iter_mut().for_each(|p| *p /= sum);
        most + sum.ln()
    }

    fn outputs(&self, present: &[(usize, f64)], at: &[f64], to: &mut Vec<f64>) {
        to.clear();
        to.extend(at.chunks_exact(self.width()).map(|of_class| output(present, of_class)));
    }

    /// Adds a row's part to the lower triangle: for each pair of classes, the outer product of what the row has.
    fn curve(&self, present: &[(usize, f64)], p: &[f64], weight: f64, hessian: &mut [f64]) {
        let (width, n) = (self.width(), self.parameters());
        for class in 0..self.classes {
            for other in 0..=class {
                let same = f64::from(u8::from(class == other));
                let scale = weight * p[class] * (same - p[other]);
                for (i, &(at, x)) in present.iter().enumerate() {
                    let row = &mut hessian[(class * width + at) * n + other * width..];
                    let upto = if class == other { i + 1 } else { present.len() };
                    let scaled = scale * x;
                    present[..upto].iter().for_each(|&(at, y)| row[at] += scaled * y);
                }
            }
        }
    }
}

impl Objective for Problem<'_> {
    fn parameters(&self) -> usize {
        self.width() * self.classes
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let (mut present, mut z) = (Vec::new(), Vec::new());
        let losses = self.design.rows().zip(&self.class).map(|(row, class)| {
            self.design.present(row, &mut present);
            self.outputs(&present, at, &mut z);
            let own = z[*class];
            self.weights[*class] * (Self::softmax(&mut z) - own)
        });
        let losses: f64 = losses.sum();
        let weights = at.chunks_exact(self.width()).flat_map(|of_class| &of_class[..self.design.weights()]);
        let penalty = weights.map(|w| w * w).sum::<f64>() * self.l2 / 2.0;
        losses + penalty + self.sums(at).iter().map(|sum| sum * sum).sum::<f64>() / 2.0
    }

    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (width, n) = (self.width(), self.parameters());
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let (mut present, mut p) = (Vec::new(), Vec::new());
        for (row, own) in self.design.rows().zip(&self.class) {
            self.design.present(row, &mut present);
            self.outputs(&present, at, &mut p);
            Self::softmax(&mut p);
            let weight = self.weights[*own];
            for class in 0..self.classes {
                let slope = weight * (p[class] - f64::from(u8::from(class == *own)));
                present.iter().for_each(|&(position, x)| gradient[class * width + position] += slope * x);
            }
            self.curve(&present, &p, weight, &mut hessian);
        }
        let sums = self.sums(at);
        for i in 0..n {
            let position = i % width;
            gradient[i] += sums[position];
            (0..=i / width).for_each(|class| hessian[i * n + class * width + position] += 1.0);
            if position < width - 1 {
                gradient[i] += self.l2 * at[i];
                hessian[i * n + i] += self.l2;
            }
        }
        (gradient, hessian)
    }
}
