//! What the outputs of a network say of a row: one number, or a class with the probabilities of all.

use model::network::most_probable;
use model::{Head, Network};

/// What a model says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score<'a> {
    /// The effective score; of a model with classes the probability of the one it names.
    pub value: f64,
    /// The most probable class by its place, the first of equals; none of a model without classes.
    pub class: Option<usize>,
    /// The outputs of the row: of a model with classes the probability of each.
    pub outputs: &'a [f32],
}

/// The scores of rows, from what [`Network::score`] has written of them.
pub fn scores<'a>(network: &Network, outputs: &'a [f32]) -> impl Iterator<Item = Score<'a>> {
    let is_of_classes = network.head() == Head::Classes;
    outputs.chunks_exact(network.outputs()).map(move |outputs| {
        let class = is_of_classes.then(|| most_probable(outputs));
        Score { value: f64::from(outputs[class.unwrap_or(0)]), class, outputs }
    })
}
