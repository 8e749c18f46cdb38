//! What becomes of the last layer's outputs: a probability, a number in the target's units, or a probability per class.

use super::Error;
use super::calibration::along;
use super::sigmoid::sigmoid;
use super::softmax::softmax;
use super::{CLASSES_MAX, CLASSES_MIN};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// What a score is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Head {
    /// A probability: the sigmoid of the output.
    #[default]
    Probability,
    /// A number: the output, which is a standardised target, brought back to the target's units.
    Number {
        /// Mean of the target over the training rows.
        mean: f64,
        /// Its standard deviation there (1 where it never varied).
        std: f64,
    },
    /// A probability per class: the softmax of the outputs, of which there is one per class.
    Classes,
}

impl Head {
    /// The head as the forward pass uses it; refuses what does not fit an `f32`.
    pub(super) fn finish(self) -> Result<Finish, Error> {
        match self {
            Head::Probability => Ok(Finish::Sigmoid),
            Head::Classes => Ok(Finish::Softmax { slope: 1.0 }),
            Head::Number { mean, std } => {
                let (scale, shift) = (std as f32, mean as f32);
                match scale.is_normal() && scale > 0.0 && shift.is_finite() {
                    true => Ok(Finish::Affine { scale, shift }),
                    false => Err(Error::Target { mean, std }),
                }
            }
        }
    }

    /// How many outputs the last layer may have.
    pub(super) fn outputs(self) -> RangeInclusive<usize> {
        match self {
            Head::Probability | Head::Number { .. } => 1..=1,
            Head::Classes => CLASSES_MIN..=CLASSES_MAX,
        }
    }
}

/// A head in the precision of the forward pass.
#[derive(Debug, Clone)]
pub(super) enum Finish {
    Sigmoid,
    Logistic { slope: f32, offset: f32 },
    Curve { score: Box<[f32]>, value: Box<[f32]> },
    Affine { scale: f32, shift: f32 },
    Softmax { slope: f32 },
}

impl Finish {
    /// Writes what becomes of the outputs of a row. One fused multiply-add of finite numbers is never NaN; what would leave
    /// the numbers of `f32` stays at their end.
    #[inline(always)]
    pub fn row(&self, outputs: &[f32], to: &mut [f32]) {
        let output = outputs[0];
        to[0] = match self {
            Finish::Sigmoid => sigmoid(output),
            Finish::Logistic { slope, offset } => sigmoid(output.mul_add(*slope, *offset).clamp(-f32::MAX, f32::MAX)),
            Finish::Curve { score, value } => along(score, value, sigmoid(output)),
            Finish::Affine { scale, shift } => output.mul_add(*scale, *shift).clamp(-f32::MAX, f32::MAX),
            Finish::Softmax { slope } => return softmax(outputs, *slope, to),
        };
    }
}
