//! From a score that ranks to one that is a probability.

use super::Error;
use super::head::Finish;
use serde::{Deserialize, Serialize};

/// Most points of a curve.
pub const POINTS_MAX: usize = 4_096;

/// How the output of a network of two classes becomes a probability, in place of the plain sigmoid; of more classes only
/// a temperature is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibration {
    /// The sigmoid of `slope` times the output plus `offset`: Platt's, and with offset 0 a temperature of 1 / slope.
    Logistic {
        /// Factor on the output.
        slope: f64,
        /// What is added to it.
        offset: f64,
    },
    /// The sigmoid goes through a rising curve of straight pieces, flat beyond its ends.
    Curve {
        /// Sigmoids, rising.
        score: Vec<f64>,
        /// The probabilities there, never falling.
        value: Vec<f64>,
    },
}

impl Calibration {
    /// What a softmax does with it: a temperature, as an offset on all outputs would change nothing.
    pub(super) fn finish_of_classes(&self) -> Result<Finish, Error> {
        match self {
            Calibration::Logistic { slope, offset: 0.0 } if (*slope as f32).is_finite() => {
                Ok(Finish::Softmax { slope: *slope as f32 })
            }
            _ => Err(Error::Calibration("that of more than two classes must be a finite slope, with offset 0")),
        }
    }

    /// In the precision of the forward pass; refuses what would not give probabilities.
    pub(super) fn finish(&self) -> Result<Finish, Error> {
        match self {
            Calibration::Logistic { slope, offset } => {
                let (slope, offset) = (*slope as f32, *offset as f32);
                match slope.is_finite() && offset.is_finite() {
                    true => Ok(Finish::Logistic { slope, offset }),
                    false => Err(Error::Calibration("its slope and offset must be finite")),
                }
            }
            Calibration::Curve { score, value } => {
                let narrow = |numbers: &[f64]| numbers.iter().map(|number| *number as f32).collect::<Box<[f32]>>();
                let (score, value) = (narrow(score), narrow(value));
                let sized = (1..=POINTS_MAX).contains(&score.len()) && score.len() == value.len();
                let rising = score.windows(2).all(|pair| pair[0] < pair[1]);
                let steady = value.windows(2).all(|pair| pair[0] <= pair[1]);
                let shares = score.iter().chain(&value).all(|number| (0.0..=1.0).contains(number));
                match sized && rising && steady && shares {
                    true => Ok(Finish::Curve { score, value }),
                    false => Err(Error::Calibration(
                        "its curve must have 1 to 4096 points from 0 to 1, scores rising, values never falling",
                    )),
                }
            }
        }
    }
}

/// The curve at a score: one fused multiply-add between two points, limited to their values.
#[inline(always)]
pub(super) fn along(score: &[f32], value: &[f32], at: f32) -> f32 {
    let above = score.partition_point(|known| *known <= at);
    if above == 0 || above == score.len() {
        return value[above.saturating_sub(1)];
    }
    let (low, high) = (value[above - 1], value[above]);
    let share = (at - score[above - 1]) / (score[above] - score[above - 1]);
    share.mul_add(high - low, low).clamp(low, high)
}
