//! What a training minimises, row by row.
//!
//! With z the network's output and y the label, 0 or 1 for two classes and standardised for numbers, and r = y - z:
//!
//! | loss | formula |
//! | --- | --- |
//! | logistic | ln(1 + e^z) - z y |
//! | squared | r² / 2 |
//! | absolute | the absolute value of r |
//! | huber d | r² / 2 up to an absolute error of d, d (abs r - d / 2) beyond |
//! | quantile q | q r for r above 0, (q - 1) r below |
//! | softmax | ln(sum of e^z over the classes) - z of the row's class |

use crate::dataset::Task;
use candle_core::{D, DType, Result, Tensor};
use serde::{Deserialize, Serialize};

/// Where the linear solver takes a kink for a parabola, in deviations of the target.
const KINK: f64 = 1e-4;

/// A loss.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// For two classes: the negative log-likelihood of a probability.
    #[default]
    Logistic,
    /// For numbers; the best prediction is the mean.
    Squared,
    /// For numbers; the best prediction is the median.
    Absolute,
    /// For numbers: squared up to so many deviations of the target, absolute beyond.
    Huber(f64),
    /// For numbers; the best prediction is this quantile.
    Quantile(f64),
    /// For any number of classes: the negative log-likelihood of their probabilities.
    Softmax,
}

impl Loss {
    /// What labels must be, where there are so many classes.
    #[must_use]
    pub fn task(self, classes: usize) -> Task {
        match self {
            Loss::Logistic => Task::Binary,
            Loss::Softmax => Task::Multiclass(classes),
            Loss::Squared | Loss::Absolute | Loss::Huber(_) | Loss::Quantile(_) => Task::Regression,
        }
    }

    /// Whether this is the loss of two classes, which manifests leave out.
    pub(crate) fn is_logistic(&self) -> bool {
        *self == Loss::Logistic
    }

    /// The loss of one output. A softmax of one output is always one, and costs nothing; of several it is
    /// [`super::linear`]'s.
    pub(super) fn value(self, z: f64, y: f64) -> f64 {
        let r = y - z;
        match self {
            Loss::Logistic => z.max(0.0) - z * y + (-z.abs()).exp().ln_1p(),
            Loss::Squared => r * r / 2.0,
            Loss::Absolute => smooth(r),
            Loss::Huber(delta) if r.abs() > delta => delta * (r.abs() - delta / 2.0),
            Loss::Huber(_) => r * r / 2.0,
            Loss::Quantile(q) => smooth(r) / 2.0 + (q - 0.5) * r,
            Loss::Softmax => 0.0,
        }
    }

    /// Slope and curvature at one output, of the loss times a weight. At a kink the curvature is that of the parabola
    /// that touches the loss here and lies above it elsewhere.
    pub(super) fn derivatives(self, z: f64, y: f64, weight: f64) -> (f64, f64) {
        let r = y - z;
        match self {
            Loss::Logistic => {
                let p = 1.0 / (1.0 + (-z).exp());
                (weight * (p - y), weight * p * (1.0 - p))
            }
            Loss::Squared => (-r, 1.0),
            Loss::Absolute => (-r / smooth(r), 1.0 / smooth(r)),
            Loss::Huber(delta) => (-r.clamp(-delta, delta), (delta / r.abs()).min(1.0)),
            Loss::Quantile(q) => (-r / smooth(r) / 2.0 - (q - 0.5), 0.5 / smooth(r)),
            Loss::Softmax => (0.0, 0.0),
        }
    }

    /// The losses of rows, each by itself: outputs have a row per row and a column per output, labels one column.
    pub(super) fn tensor(self, outputs: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let residuals = || labels - outputs;
        match self {
            // Written so that no exponential overflows.
            Loss::Logistic => {
                let soft = (outputs.abs()?.neg()?.exp()? + 1.0)?.log()?;
                (outputs.relu()? + soft)? - (outputs * labels)?
            }
            Loss::Squared => residuals()?.sqr()? * 0.5,
            Loss::Absolute => residuals()?.abs(),
            Loss::Huber(delta) => {
                let error = residuals()?.abs()?;
                let inner = error.minimum(delta)?;
                (inner.sqr()? * 0.5)? + ((error - inner)? * delta)?
            }
            Loss::Quantile(q) => {
                let residuals = residuals()?;
                (residuals.abs()? * 0.5)? + (residuals * (q - 0.5))?
            }
            Loss::Softmax => {
                // The greatest is subtracted so that no exponential overflows; as a constant, for it moves no slope.
                let most = outputs.max_keepdim(D::Minus1)?.detach();
                let below = outputs.broadcast_sub(&most)?;
                let all = below.exp()?.sum_keepdim(D::Minus1)?.log()?;
                all - below.gather(&labels.to_dtype(DType::U32)?.contiguous()?, D::Minus1)?
            }
        }
    }
}

/// The absolute value with its kink rounded off.
fn smooth(r: f64) -> f64 {
    r.hypot(KINK)
}
