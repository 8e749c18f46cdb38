//! A dense network for tabular rows, with one definition of its forward pass.
//!
//! A row of inputs is standardised, goes through layers with rectified outputs, and ends in one sigmoid, for a number
//! in the target's units, and for classes in one softmax. What makes it fit for replay is that every number is *defined*, not left to whichever matrix
//! routine happens to run:
//!
//! - an input that is not finite is null and becomes the stored fill; any other becomes
//!   `fma(x, scale, shift)` limited to ±[`STANDARDISED_MAX`];
//! - an input that is a category is the number of a slot, and the vector of that slot takes its place as it is;
//! - an output of a layer starts from its bias and takes one fused multiply-add per input, in ascending order;
//! - a hidden output that is not above zero becomes `+0`;
//! - the sigmoid is our own polynomial (see [`sigmoid`]);
//! - a calibrated probability is the sigmoid of `fma(output, slope, offset)`, or goes along a curve of straight pieces;
//! - a number is `fma(output, deviation, mean)` of the target, limited to the finite numbers;
//! - the probability of a class is `exp(z - most)` over the sum of these in the order of the classes, by the sigmoid's
//!   polynomial, with `z` the output (times the slope, where it is calibrated).
//!
//! So the bits do not depend on the batch a row came in, on the instruction set, or on a maths library. The bounds on
//! inputs, weights, width and depth together keep every sum below the largest `f32`: a score is always a number.

mod calibration;
mod embedding;
mod head;
mod kernel;
mod lanes;
mod op;
mod sigmoid;
mod softmax;
#[cfg(test)]
mod tests;

pub use calibration::{Calibration, POINTS_MAX};
pub use embedding::{DIMENSION_MAX, EMBEDDINGS_MAX, Embedding, Place, places};
pub use head::Head;
pub use lanes::InstructionSet;
pub use op::{Stock, widened};
pub use sigmoid::sigmoid;
pub use softmax::most_probable;

use embedding::Embeddings;
use head::Finish;
use kernel::{Layer, Scaler};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Name of the arithmetic above. A change of any rule is a new name, and the load gate refuses the old one.
pub const NUMERICS: &str = "dense-fma-f32-v1";
/// Most inputs of a network, and most numbers that enter its first layer.
pub const INPUTS_MAX: usize = 1024;
/// Most outputs of a hidden layer.
pub const WIDTH_MAX: usize = 1024;
/// Fewest and most classes of a network that tells classes apart.
pub const CLASSES_MIN: usize = 2;
/// See [`CLASSES_MIN`].
pub const CLASSES_MAX: usize = 256;
/// Most layers, the output layer included.
pub const LAYERS_MAX: usize = 5;
/// Largest magnitude of a weight or bias.
pub const WEIGHT_ABS_MAX: f32 = 1_000.0;
/// Largest magnitude of a standardised input, in standard deviations.
pub const STANDARDISED_MAX: f32 = 1_000_000.0;
/// Rows with categories that are laid out at once.
const WIDENED_ROWS: usize = 256;

/// Why a network cannot be made from the given parts.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Too many or too few inputs.
    #[error("network has {0} inputs, allowed are 1 to {INPUTS_MAX}")]
    Inputs(usize),
    /// Too many layers, or none.
    #[error("network has {0} layers, allowed are 1 to {LAYERS_MAX}")]
    Depth(usize),
    /// A layer is too wide, or has no output, or the last has not as many as its head needs.
    #[error(
        "layer {layer} has {outputs} outputs, allowed are 1 to {WIDTH_MAX}, and in the last layer exactly 1, or {CLASSES_MIN} to {CLASSES_MAX} for classes"
    )]
    Width {
        /// Position of the layer, from 0.
        layer: usize,
        /// Its number of outputs.
        outputs: usize,
    },
    /// A vector has another length than the shape demands.
    #[error("{what} has {got} values, expected {expected}")]
    Length {
        /// Which vector.
        what: String,
        /// Its length.
        got: usize,
        /// The length that the shape demands.
        expected: usize,
    },
    /// A weight or bias is not finite or too large.
    #[error(
        "{what} has the value {value} at position {at}, allowed are finite values up to {WEIGHT_ABS_MAX} in magnitude"
    )]
    Weight {
        /// Which vector.
        what: String,
        /// Position within the vector.
        at: usize,
        /// The offending value.
        value: f32,
    },
    /// A mean, deviation or fill cannot be used.
    #[error(
        "standardisation of input {input} is unusable: mean {mean}, deviation {std}, fill {fill}; all must be finite and the deviation above zero"
    )]
    Standardisation {
        /// Position of the input.
        input: usize,
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        std: f64,
        /// What replaces a null.
        fill: f64,
    },
    /// Too many inputs are categories.
    #[error("network has {0} inputs that are categories, allowed are {EMBEDDINGS_MAX}")]
    Categories(usize),
    /// The vectors of categories cannot be used.
    #[error("the embedding of input {input} is unusable: {problem}")]
    Embedding {
        /// Position of the input.
        input: usize,
        /// What is wrong.
        problem: String,
    },
    /// The vectors of categories and the other inputs are too many numbers.
    #[error("{0} numbers enter the first layer, allowed are {INPUTS_MAX}; give categories fewer dimensions")]
    Places(usize),
    /// A calibration cannot be used.
    #[error("the calibration is unusable: {0}")]
    Calibration(&'static str),
    /// A target's mean or deviation cannot be used.
    #[error(
        "the target's mean {mean} and deviation {std} are unusable: both must fit a single-precision number, the deviation above zero"
    )]
    Target {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        std: f64,
    },
}

/// How raw inputs become standardised ones; one value per input in each vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardisation {
    /// Mean over the training rows.
    pub mean: Vec<f64>,
    /// Standard deviation over the training rows (1 where the input never varied).
    pub std: Vec<f64>,
    /// The value that stands in for a null; the mean unless a model says otherwise.
    pub fill: Vec<f64>,
}

impl Standardisation {
    /// Standardises rows given one after the other, with the bits that scoring sees.
    #[must_use]
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let scaler = Scaler::new(self);
        let mut vectors = vec![0.0; scaler.padded()];
        let mut standardised = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(self.mean.len()) {
            scaler.apply(row, &mut vectors);
            standardised.extend_from_slice(&vectors[..row.len()]);
        }
        standardised
    }
}

/// A dense layer as it was trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Weights of output 0, then of output 1, and so on: shape `[outputs, inputs]`.
    pub weight: Vec<f32>,
    /// One value per output.
    pub bias: Vec<f32>,
}

/// A network that is ready to score.
#[derive(Debug, Clone)]
pub struct Network {
    standardisation: Standardisation,
    embeddings: Embeddings,
    dense: Vec<Dense>,
    head: Head,
    calibration: Option<Calibration>,
    scaler: Scaler,
    layers: Vec<Layer>,
    finish: Finish,
    set: InstructionSet,
}

impl Network {
    /// A network whose score is a probability.
    pub fn new(standardisation: Standardisation, dense: Vec<Dense>) -> Result<Self, Error> {
        Self::with_head(standardisation, dense, Head::Probability)
    }

    /// A network whose inputs are all numbers.
    pub fn with_head(standardisation: Standardisation, dense: Vec<Dense>, head: Head) -> Result<Self, Error> {
        Self::with_embeddings(standardisation, Vec::new(), dense, head)
    }

    /// Checks the parts against each other and the limits, and lays the weights out for the forward pass. Embeddings come
    /// in the order of their inputs.
    pub fn with_embeddings(
        standardisation: Standardisation,
        embeddings: Vec<Embedding>,
        dense: Vec<Dense>,
        head: Head,
    ) -> Result<Self, Error> {
        let finish = head.finish()?;
        let inputs = standardisation.mean.len();
        if !(1..=INPUTS_MAX).contains(&inputs) {
            return Err(Error::Inputs(inputs));
        }
        if !(1..=LAYERS_MAX).contains(&dense.len()) {
            return Err(Error::Depth(dense.len()));
        }
        check_standardisation(&standardisation)?;
        let embeddings = Embeddings::new(embeddings, &standardisation)?;
        let mut width = embeddings.width(inputs);
        for (at, layer) in dense.iter().enumerate() {
            let allowed = if at + 1 == dense.len() { head.outputs() } else { 1..=WIDTH_MAX };
            check_layer(at, layer, width, allowed)?;
            width = layer.outputs;
        }
        let count = dense.len();
        let layers = dense.iter().enumerate().map(|(at, l)| Layer::new(l, at + 1 < count)).collect();
        let scaler = Scaler::new(&embeddings.widened(&standardisation));
        Ok(Self {
            standardisation,
            embeddings,
            dense,
            head,
            calibration: None,
            scaler,
            layers,
            finish,
            set: InstructionSet::best(),
        })
    }

    /// Number of inputs of a row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.standardisation.mean.len()
    }

    /// Numbers that a row gives: one, or as many as there are classes.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.dense.last().map_or(1, |layer| layer.outputs)
    }

    /// Widths of the hidden layers; empty for a linear model.
    #[must_use]
    pub fn hidden(&self) -> Vec<usize> {
        self.dense[..self.dense.len() - 1].iter().map(|l| l.outputs).collect()
    }

    /// The vectors of the inputs that are categories, in the order of these.
    #[must_use]
    pub fn embeddings(&self) -> &[Embedding] {
        &self.embeddings.all
    }

    /// The layers as trained.
    #[must_use]
    pub fn dense(&self) -> &[Dense] {
        &self.dense
    }

    /// What its score is.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// The same network with another head, and not calibrated.
    pub fn headed(&self, head: Head) -> Result<Self, Error> {
        Self::with_embeddings(self.standardisation.clone(), self.embeddings.all.clone(), self.dense.clone(), head)
    }

    /// The same network with calibrated scores, which only probabilities can be.
    pub fn calibrated(self, calibration: Calibration) -> Result<Self, Error> {
        let finish = match self.head {
            Head::Probability => calibration.finish()?,
            Head::Classes => calibration.finish_of_classes()?,
            Head::Number { .. } => return Err(Error::Calibration("only a probability can be calibrated")),
        };
        Ok(Self { finish, calibration: Some(calibration), ..self })
    }

    /// How its scores were calibrated.
    #[must_use]
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// How inputs are standardised.
    #[must_use]
    pub fn standardisation(&self) -> &Standardisation {
        &self.standardisation
    }

    /// Scores rows, given one after the other in `rows` with NaN for a null and slots for categories, into
    /// [`Network::outputs`] numbers per row, row after row.
    ///
    /// # Panics
    /// If `rows` does not hold exactly one value per row and input, or `out` one per row and output.
    pub fn score(&self, rows: &[f32], out: &mut [f32]) {
        self.score_with(self.set, rows, out);
    }

    /// [`Network::score`] in the form for one instruction set, to prove that all forms agree.
    ///
    /// # Panics
    /// If this machine lacks the instruction set, or `rows` has the wrong length.
    pub fn score_with(&self, set: InstructionSet, rows: &[f32], out: &mut [f32]) {
        let outputs = self.outputs();
        let parts = kernel::Parts { scaler: &self.scaler, layers: &self.layers, finish: &self.finish, outputs };
        if self.embeddings.all.is_empty() {
            return kernel::forward(set, &parts, rows, out);
        }
        let inputs = self.inputs();
        assert_eq!(rows.len() * outputs, out.len() * inputs, "rows must hold one value per row and input");
        let mut wide = Vec::with_capacity((rows.len() / inputs).min(WIDENED_ROWS) * self.embeddings.width(inputs));
        for (rows, out) in rows.chunks(WIDENED_ROWS * inputs).zip(out.chunks_mut(WIDENED_ROWS * outputs)) {
            wide.clear();
            rows.chunks_exact(inputs).for_each(|row| self.embeddings.widen(row, &mut wide));
            kernel::forward(set, &parts, &wide, out);
        }
    }
}

fn check_standardisation(s: &Standardisation) -> Result<(), Error> {
    let expected = s.mean.len();
    for (what, got) in [("standard deviation", s.std.len()), ("fill", s.fill.len())] {
        if got != expected {
            return Err(Error::Length { what: what.into(), got, expected });
        }
    }
    for (input, ((&mean, &std), &fill)) in s.mean.iter().zip(&s.std).zip(&s.fill).enumerate() {
        let usable = mean.is_finite() && fill.is_finite() && std.is_finite() && std > 0.0;
        let folded = [1.0 / std, -mean / std, (fill - mean) / std].map(|v| v as f32);
        if !usable || folded.iter().any(|v| !v.is_finite()) {
            return Err(Error::Standardisation { input, mean, std, fill });
        }
    }
    Ok(())
}

fn check_layer(at: usize, layer: &Dense, inputs: usize, allowed: RangeInclusive<usize>) -> Result<(), Error> {
    if !allowed.contains(&layer.outputs) {
        return Err(Error::Width { layer: at, outputs: layer.outputs });
    }
    let parts = [
        ("inputs", layer.inputs, inputs),
        ("weight", layer.weight.len(), inputs * layer.outputs),
        ("bias", layer.bias.len(), layer.outputs),
    ];
    for (part, got, expected) in parts {
        if got != expected {
            return Err(Error::Length { what: format!("layer {at} {part}"), got, expected });
        }
    }
    check_weights(&format!("layer {at} weight"), &layer.weight)?;
    check_weights(&format!("layer {at} bias"), &layer.bias)
}

fn check_weights(what: &str, values: &[f32]) -> Result<(), Error> {
    match values.iter().position(|v| !v.is_finite() || v.abs() > WEIGHT_ABS_MAX) {
        Some(at) => Err(Error::Weight { what: what.to_owned(), at, value: values[at] }),
        None => Ok(()),
    }
}
