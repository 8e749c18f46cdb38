//! The sigmoid, from operations that every IEEE machine rounds the same way.

/// Below this the exponential would leave the normal numbers.
const EXPONENT_MIN: f32 = -87.0;
/// log2(e), and ln(2) in two parts whose first has few enough bits that `n * LN2_HIGH` is exact.
const LOG2_E: f32 = std::f32::consts::LOG2_E;
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding and subtracting 1.5 * 2^23 rounds a small `f32` to the nearest integer.
const ROUND: f32 = 12_582_912.0;

/// `1 / (1 + exp(-x))`, within 2 units in the last place, from additions, fused multiply-adds and one division.
///
/// A library's `exp` differs between platforms in the last bits; this one cannot.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    let e = exp_negative((-x.abs()).max(EXPONENT_MIN));
    let high = 1.0 / (1.0 + e);
    // For negative x, e / (1 + e) keeps the relative precision that 1 - high would lose. A select without a branch.
    (if x < 0.0 { e } else { 1.0 }) * high
}

/// `exp(x)` for x in [EXPONENT_MIN, 0]: x = n ln 2 + r with |r| <= ln 2 / 2, then the Taylor polynomial of r,
/// whose first left-out term, r^8 / 8!, is below 6e-9.
#[inline(always)]
pub(super) fn exp_negative(x: f32) -> f32 {
    let shifted = x.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let mut p = 1.0 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = r.mul_add(p, c);
    }
    // The last bits of `shifted` hold n, an integer in [-126, 0], so the biased exponent is in [1, 127].
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    p * f32::from_bits(n.wrapping_add(127) << 23)
}
