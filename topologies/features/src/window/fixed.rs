//! Exact arithmetic on long fixed-point numbers: what sums fall back to when two doubles cannot hold them.
//!
//! A number is an array of 64-bit limbs in two's complement, lowest first, times two to a base exponent. Any double is
//! a whole multiple of 2^-1074 and below 2^1024, its square a multiple of 2^-2148 and below 2^2048; with room for 2^31
//! summands [`SUM_LIMBS`] and [`SQUARE_LIMBS`] hold every possible sum without rounding.

/// Limbs of a sum of doubles in units of 2^[`SUM_BASE`].
pub(super) const SUM_LIMBS: usize = 34;
/// Exponent of the lowest bit of a sum.
pub(super) const SUM_BASE: i32 = -1_074;
/// Limbs of a sum of squares in units of 2^[`SQUARE_BASE`]; also those of the square of a sum.
pub(super) const SQUARE_LIMBS: usize = 68;
/// Exponent of the lowest bit of a sum of squares.
pub(super) const SQUARE_BASE: i32 = 2 * SUM_BASE;

/// Mantissa, exponent and sign of a finite double: ±mantissa · 2^exponent.
#[inline]
pub(super) fn decompose(x: f64) -> (u64, i32, bool) {
    let bits = x.to_bits();
    let (field, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let (mantissa, exponent) = if field == 0 { (fraction, SUM_BASE) } else { (fraction | 1 << 52, field - 1_075) };
    (mantissa, exponent, bits >> 63 == 1)
}

/// Adds or subtracts `mantissa` · 2^`bit`, counted from the lowest bit. A carry out of the top is two's complement's
/// own.
#[inline]
pub(super) fn add(limbs: &mut [u64], mantissa: u128, bit: usize, negative: bool) {
    let (at, shift) = (bit / 64, bit % 64);
    let shifted = mantissa << shift;
    let above = if shift == 0 { 0 } else { (mantissa >> (128 - shift)) as u64 };
    let parts = [shifted as u64, (shifted >> 64) as u64, above];
    let mut carry = false;
    for (index, limb) in limbs[at..].iter_mut().enumerate() {
        let part = parts.get(index).copied().unwrap_or(0);
        if index > 2 && !carry {
            break;
        }
        let (first, second);
        (*limb, first) = if negative { limb.overflowing_sub(part) } else { limb.overflowing_add(part) };
        (*limb, second) =
            if negative { limb.overflowing_sub(u64::from(carry)) } else { limb.overflowing_add(u64::from(carry)) };
        carry = first || second;
    }
}

/// Adds or subtracts a finite double; `base` is the exponent of the lowest bit, at most [`SUM_BASE`].
pub(super) fn add_double(limbs: &mut [u64], base: i32, x: f64, negative: bool) {
    let (mantissa, exponent, sign) = decompose(x);
    add(limbs, u128::from(mantissa), (exponent - base) as usize, sign != negative);
}

/// Adds or subtracts what [`round`] gave: a part of the same number, so its bits are whole ones here.
pub(super) fn add_scaled(limbs: &mut [u64], fraction: f64, exponent: i32, negative: bool) {
    let (mantissa, own, sign) = decompose(fraction);
    let bit = own + exponent;
    // A short number has its few bits at the mantissa's top; those below the lowest bit are zeros.
    let mantissa = if bit < 0 { mantissa.checked_shr(bit.unsigned_abs()).unwrap_or(0) } else { mantissa };
    add(limbs, u128::from(mantissa), bit.max(0) as usize, sign != negative);
}

pub(super) fn is_negative(limbs: &[u64]) -> bool {
    limbs.last().is_some_and(|limb| limb >> 63 == 1)
}

pub(super) fn negate(limbs: &mut [u64]) {
    let mut carry = true;
    for limb in limbs {
        (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
    }
}

/// Nearest double, ties to even, as (fraction, exponent) with the value fraction · 2^(exponent + base of `limbs`):
/// apart, because the value itself may lie beyond the range of doubles. Zero is (0, 0). `limbs` must not be negative.
fn round_magnitude(limbs: &[u64]) -> (f64, i32) {
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else {
        return (0.0, 0);
    };
    let zeros = limbs[top].leading_zeros();
    let below = if top > 0 { limbs[top - 1] } else { 0 };
    let window = (u128::from(limbs[top]) << 64 | u128::from(below)) << zeros;
    let rest = window as u64 != 0 || limbs[..top.saturating_sub(1)].iter().any(|limb| *limb != 0);
    // The lowest bit of 64 stands for all that is below it: converting then rounds once, to 53 bits, as it should.
    let leading = (window >> 64) as u64 | u64::from(rest);
    (leading as f64, 64 * top as i32 - zeros as i32)
}

/// Nearest double of a number of any sign, as fraction and exponent like [`round_magnitude`].
pub(super) fn round<const N: usize>(limbs: &[u64; N]) -> (f64, i32) {
    if !is_negative(limbs) {
        return round_magnitude(limbs);
    }
    let mut magnitude = *limbs;
    negate(&mut magnitude);
    let (fraction, exponent) = round_magnitude(&magnitude);
    (-fraction, exponent)
}

/// fraction · 2^exponent, rounded once at most; infinite beyond the range of doubles.
pub(super) fn scale(fraction: f64, exponent: i32) -> f64 {
    let power = |exponent: i32| f64::from_bits(((exponent + 1_023) as u64) << 52);
    // Halves keep each factor a normal number; only the last product can leave the normal range.
    let first = (exponent / 3).clamp(-1_000, 1_000);
    let second = ((exponent - first) / 2).clamp(-1_000, 1_000);
    let third = (exponent - first - second).clamp(-1_000, 1_000);
    fraction * power(first) * power(second) * power(third)
}

/// The product of two numbers that are not negative.
pub(super) fn square(limbs: &[u64; SUM_LIMBS]) -> [u64; SQUARE_LIMBS] {
    let mut product = [0; SQUARE_LIMBS];
    for (i, left) in limbs.iter().enumerate().filter(|(_, left)| **left != 0) {
        let mut carry = 0;
        for (j, right) in limbs.iter().enumerate() {
            let sum = u128::from(*left) * u128::from(*right) + u128::from(product[i + j]) + carry;
            product[i + j] = sum as u64;
            carry = sum >> 64;
        }
        product[i + SUM_LIMBS] = carry as u64;
    }
    product
}

/// Multiplies a number that is not negative by a small one.
pub(super) fn multiply(limbs: &mut [u64], factor: u32) {
    let mut carry = 0;
    for limb in limbs {
        let product = u128::from(*limb) * u128::from(factor) + carry;
        *limb = product as u64;
        carry = product >> 64;
    }
}

/// Subtracts `right` from `left`.
pub(super) fn subtract(left: &mut [u64], right: &[u64]) {
    let mut borrow = false;
    for (limb, part) in left.iter_mut().zip(right) {
        let (first, second);
        (*limb, first) = limb.overflowing_sub(*part);
        (*limb, second) = limb.overflowing_sub(u64::from(borrow));
        borrow = first || second;
    }
}

#[cfg(test)]
mod tests;
