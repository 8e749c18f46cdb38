//! Inputs that are categories: each slot of one has a vector, which takes the input's place before the first layer.

#[cfg(test)]
mod tests;

use super::{Error, INPUTS_MAX, Standardisation, check_weights};
use crate::vocabulary::{FIRST_WORD, WORDS_MAX, slot};
use std::ops::Range;

/// Most numbers of a vector.
pub const DIMENSION_MAX: usize = 64;
/// Most inputs of a network that are categories.
pub const EMBEDDINGS_MAX: usize = 64;

/// The vectors of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Position of the input, from 0.
    pub input: usize,
    /// Numbers of a vector.
    pub dimension: usize,
    /// The vector of slot 0, then of slot 1, and so on.
    pub table: Vec<f32>,
}

impl Embedding {
    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.table.len() / self.dimension
    }

    fn vector(&self, cell: f32) -> &[f32] {
        &self.table[slot(cell, self.slots()) * self.dimension..][..self.dimension]
    }
}

/// What stands in a stretch of the vector that enters the first layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Inputs that are numbers, standardised.
    Numbers(Range<usize>),
    /// The vector of a category.
    Vector {
        /// Position of the embedding among all of them.
        embedding: usize,
        /// Position of its input.
        input: usize,
    },
}

/// The stretches in order: inputs as they come, and in place of each that is a category its vector. `categories` are the
/// positions of these, rising.
#[must_use]
pub fn places(inputs: usize, categories: &[usize]) -> Vec<Place> {
    let (mut places, mut from) = (Vec::new(), 0);
    let numbers = |range: Range<usize>| (!range.is_empty()).then_some(Place::Numbers(range));
    for (embedding, &input) in categories.iter().enumerate() {
        places.extend(numbers(from..input));
        places.push(Place::Vector { embedding, input });
        from = input + 1;
    }
    places.extend(numbers(from..inputs));
    places
}

/// The embeddings of a network, with where their vectors go.
#[derive(Debug, Clone, Default)]
pub(super) struct Embeddings {
    pub all: Vec<Embedding>,
    pub places: Vec<Place>,
}

impl Embeddings {
    /// Checks embeddings against the inputs of a network.
    pub fn new(all: Vec<Embedding>, s: &Standardisation) -> Result<Self, Error> {
        let inputs = s.mean.len();
        if all.len() > EMBEDDINGS_MAX {
            return Err(Error::Categories(all.len()));
        }
        for (at, embedding) in all.iter().enumerate() {
            let Embedding { input, dimension, table } = embedding;
            let refuse = |problem: String| Err(Error::Embedding { input: *input, problem });
            if *input >= inputs || all[..at].last().is_some_and(|before| before.input >= *input) {
                return refuse("inputs must rise and be there".to_owned());
            }
            if !(1..=DIMENSION_MAX).contains(dimension) {
                return refuse(format!("its vectors have {dimension} numbers, allowed are 1 to {DIMENSION_MAX}"));
            }
            let slots = table.len() / dimension;
            if !table.len().is_multiple_of(*dimension) || !(FIRST_WORD..=FIRST_WORD + WORDS_MAX).contains(&slots) {
                let most = FIRST_WORD + WORDS_MAX;
                return refuse(format!("{} numbers do not fill {FIRST_WORD} to {most} slots", table.len()));
            }
            if (s.mean[*input], s.std[*input], s.fill[*input]) != (0.0, 1.0, 0.0) {
                return refuse("a category has mean 0, deviation 1 and fill 0".to_owned());
            }
            check_weights(&format!("embedding of input {input}"), table)?;
        }
        let categories: Vec<usize> = all.iter().map(|one| one.input).collect();
        let embeddings = Self { places: places(inputs, &categories), all };
        match embeddings.width(inputs) {
            width if width > INPUTS_MAX => Err(Error::Places(width)),
            _ => Ok(embeddings),
        }
    }

    /// Length of the vector that enters the first layer.
    pub fn width(&self, inputs: usize) -> usize {
        inputs - self.all.len() + self.all.iter().map(|one| one.dimension).sum::<usize>()
    }

    /// The standardisation of that vector, which leaves vectors of categories as they are.
    pub fn widened(&self, s: &Standardisation) -> Standardisation {
        let widen = |values: &[f64], constant: f64| {
            let mut wide = Vec::new();
            for place in &self.places {
                match place {
                    Place::Numbers(range) => wide.extend_from_slice(&values[range.clone()]),
                    Place::Vector { embedding, .. } => {
                        wide.extend(std::iter::repeat_n(constant, self.all[*embedding].dimension));
                    }
                }
            }
            wide
        };
        Standardisation { mean: widen(&s.mean, 0.0), std: widen(&s.std, 1.0), fill: widen(&s.fill, 0.0) }
    }

    /// Appends a row with vectors in the places of categories.
    pub fn widen(&self, row: &[f32], to: &mut Vec<f32>) {
        for place in &self.places {
            match place {
                Place::Numbers(range) => to.extend_from_slice(&row[range.clone()]),
                Place::Vector { embedding, input } => to.extend_from_slice(self.all[*embedding].vector(row[*input])),
            }
        }
    }
}
