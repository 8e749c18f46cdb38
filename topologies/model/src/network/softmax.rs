//! The softmax, from the operations of the sigmoid.

use super::sigmoid::exp_negative;

/// An exponential below this counts as this. It is so far above the least normal number that a share of it among
/// [`super::CLASSES_MAX`] classes is normal, too.
const EXPONENT_MIN: f32 = -80.0;

/// `exp(slope z) / sum of exp(slope z)` for each of the outputs. The greatest is subtracted first, so that no exponential
/// overflows, and the sum runs over the classes in their order.
///
/// Outputs are finite, as the bounds on weights see to. Where the slope takes one out of the numbers of `f32` it stays
/// at their end.
#[inline(always)]
pub(super) fn softmax(outputs: &[f32], slope: f32, to: &mut [f32]) {
    let mut most = -f32::MAX;
    for (to, output) in to.iter_mut().zip(outputs) {
        *to = (output * slope).clamp(-f32::MAX, f32::MAX);
        most = if *to > most { *to } else { most };
    }
    let mut sum = 0.0;
    for to in to.iter_mut() {
        *to = exp_negative((*to - most).max(EXPONENT_MIN));
        sum += *to;
    }
    to.iter_mut().for_each(|to| *to /= sum);
}

/// The position of the most probable class, the first of equals.
#[must_use]
pub fn most_probable(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (at, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = at;
        }
    }
    best
}
