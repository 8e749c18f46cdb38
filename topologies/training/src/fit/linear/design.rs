//! The rows as a linear model sees them: numbers standardised, and a one for the slot of each category.

use crate::dataset::Dataset;
use model::vocabulary::slot;
use model::{Dense, Embedding, Standardisation};

/// A category among the weights.
struct OneHot {
    /// Position of its input.
    input: usize,
    /// Position of the weight of its first slot.
    first: usize,
    slots: usize,
}

/// The weights of an output in order: one per input that is a number, then one per slot of each category, then the bias.
pub(super) struct Design {
    rows: Vec<f32>,
    inputs: usize,
    /// Positions of the inputs that are numbers.
    numbers: Vec<usize>,
    categories: Vec<OneHot>,
}

impl Design {
    pub fn new(dataset: &Dataset, s: &Standardisation, embeddings: &[Embedding]) -> Self {
        let inputs = dataset.inputs.len();
        let is_category = |input: &usize| embeddings.iter().any(|one| one.input == *input);
        let numbers: Vec<usize> = (0..inputs).filter(|input| !is_category(input)).collect();
        let mut first = numbers.len();
        let one_hot = |one: &Embedding| {
            let found = OneHot { input: one.input, first, slots: one.slots() };
            first += found.slots;
            found
        };
        let categories = embeddings.iter().map(one_hot).collect();
        Self { rows: s.apply(&dataset.rows), inputs, categories, numbers }
    }

    /// Number of weights of an output, the bias not counted.
    pub fn weights(&self) -> usize {
        self.categories.last().map_or(self.numbers.len(), |last| last.first + last.slots)
    }

    /// Standardised inputs of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.rows.chunks_exact(self.inputs)
    }

    /// What a row has other than zero, by rising position of the weight, the bias last.
    pub fn present(&self, row: &[f32], to: &mut Vec<(usize, f64)>) {
        to.clear();
        to.extend(self.numbers.iter().enumerate().map(|(at, input)| (at, f64::from(row[*input]))));
        to.extend(self.categories.iter().map(|one| (one.first + slot(row[one.input], one.slots), 1.0)));
        to.push((self.weights(), 1.0));
    }

    /// The layer of parameters per output, with the weights of words in their embeddings: a number of the vector is the
    /// weight for one output, and only that one adds it.
    pub fn dense(&self, outputs: &[&[f64]], embeddings: &mut [Embedding]) -> Dense {
        let (mut weight, mut numbers) = (Vec::new(), self.numbers.len());
        for (one, embedding) in self.categories.iter().zip(embeddings) {
            let weights = (0..one.slots).flat_map(|slot| outputs.iter().map(move |at| at[one.first + slot] as f32));
            embedding.table.iter_mut().zip(weights).for_each(|(to, w)| *to = w);
            numbers += outputs.len();
        }
        for (output, at) in outputs.iter().enumerate() {
            let mut of_numbers = at.iter();
            for input in 0..self.inputs {
                match self.numbers.contains(&input) {
                    true => weight.extend(of_numbers.next().map(|w| *w as f32)),
                    false => weight.extend((0..outputs.len()).map(|other| f32::from(u8::from(other == output)))),
                }
            }
        }
        Dense {
            inputs: numbers,
            outputs: outputs.len(),
            weight,
            bias: outputs.iter().map(|at| at[self.weights()] as f32).collect(),
        }
    }
}

/// The output for what a row has.
pub(super) fn output(present: &[(usize, f64)], at: &[f64]) -> f64 {
    present.iter().map(|(position, x)| x * at[*position]).sum()
}
