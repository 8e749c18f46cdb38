//! What a training minimises, row by row.
//!
//! With z the network's output and y the label, 0 or 1 for classes and standardised for numbers, and r = y - z:
//!
//! | loss | formula |
//! | --- | --- |
//! | logistic | ln(1 + e^z) - z y |
//! | squared | r² / 2 |
//! | absolute | the absolute value of r |
//! | huber d | r² / 2 up to an absolute error of d, d (abs r - d / 2) beyond |
//! | quantile q | q r for r above 0, (q - 1) r below |

use crate::dataset::Task;
use candle_core::{Result, Tensor};
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
}

impl Loss {
    /// What labels must be.
    #[must_use]
    pub fn task(self) -> Task {
        match self {
            Loss::Logistic => Task::Binary,
            Loss::Squared | Loss::Absolute | Loss::Huber(_) | Loss::Quantile(_) => Task::Regression,
        }
    }

    /// Whether this is the loss of two classes, which manifests leave out.
    pub(crate) fn is_logistic(&self) -> bool {
        *self == Loss::Logistic
    }

    /// The loss of one output.
    pub(super) fn value(self, z: f64, y: f64) -> f64 {
        let r = y - z;
        match self {
            Loss::Logistic => z.max(0.0) - z * y + (-z.abs()).exp().ln_1p(),
            Loss::Squared => r * r / 2.0,
            Loss::Absolute => smooth(r),
            Loss::Huber(delta) if r.abs() > delta => delta * (r.abs() - delta / 2.0),
            Loss::Huber(_) => r * r / 2.0,
            Loss::Quantile(q) => smooth(r) / 2.0 + (q - 0.5) * r,
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
        }
    }

    /// The losses of outputs, each by itself.
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
        }
    }
}

/// The absolute value with its kink rounded off.
fn smooth(r: f64) -> f64 {
    r.hypot(KINK)
}
