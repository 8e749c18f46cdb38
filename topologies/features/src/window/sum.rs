//! Sums that are exact, so that no history of adding and evicting can be told from the result.
//!
//! A [`Sum`] holds the exact sum of its values as two doubles: the nearest double and the rest, which is unique. Adding
//! or removing a value is three error-free additions (Knuth's TwoSum); as long as the last of them leaves no error,
//! nothing was lost. The squares of a standard deviation need up to 106 bits each and are kept as a 256-bit integer.
//! Values of one magnitude never need more: with 53-bit values, two doubles hold every sum below 2^53 times the
//! smallest. What does not fit (numbers 30 orders of magnitude apart, infinities, NaN) moves into a [`Wide`] that
//! holds anything, until it would fit again or the window is empty.
//!
//! Error bounds that follow: a sum is the exact one rounded once (half a unit in the last place). A mean is within one
//! unit. A standard deviation is within two units, however large the mean is beside it: where the difference of the
//! two moments cancels, it is computed from the exact integers. None of them depends on the order of the values.

use super::fixed::{self, SQUARE_LIMBS, SUM_BASE, SUM_LIMBS};
use super::wide::{Wide, Wides, exact_stddev};

/// Values whose square is neither too small nor too large for the 256-bit form: biased exponents.
const SQUARE_EXPONENTS: std::ops::RangeInclusive<u64> = (1_023 - 400)..=(1_023 + 400);
/// Bits kept free below the first square, for smaller values that come later.
const SQUARE_ROOM_BELOW: i32 = 64;
/// Highest bit at which a square may start: 106 bits of its own and 31 for the number of summands still fit.
const SQUARE_BIT_MAX: i32 = 256 - 1 - 106 - 31;

/// Exact sum of the values of one column inside one window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    /// Number of values.
    pub count: u32,
    /// Which [`Wide`] holds the sum instead, counted from 1; zero when `high` and `low` do.
    pub wide: u32,
    high: f64,
    low: f64,
}

/// Exact sum of the squares of the same values, in units of 2^`base`. Meaningless while the sum is wide.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Square {
    pub limbs: [u64; 4],
    pub base: i32,
}

/// The sum of two doubles and what rounding it lost.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The same for `a` at least as large as `b`, or zero.
#[inline(always)]
fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

impl Sum {
    /// Adds a value, which may be infinite or NaN.
    #[inline(always)]
    pub fn add(&mut self, square: Option<&mut Square>, value: f64, wides: &mut Wides) {
        self.shift(square, value, false, wides);
        self.count += 1;
    }

    /// Removes a value that was added before.
    #[inline(always)]
    pub fn remove(&mut self, square: Option<&mut Square>, value: f64, wides: &mut Wides) {
        if self.count == 1 {
            self.clear(square, wides);
        } else {
            self.shift(square, value, true, wides);
            self.count -= 1;
        }
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self, square: Option<&mut Square>, wides: &mut Wides) {
        if self.wide != 0 {
            wides.release(self.wide);
        }
        *self = Sum::default();
        if let Some(square) = square {
            *square = Square::default();
        }
    }

    #[inline(always)]
    fn shift(&mut self, mut square: Option<&mut Square>, value: f64, negative: bool, wides: &mut Wides) {
        if self.wide == 0 {
            let (sum, error) = two_sum(self.high, if negative { -value } else { value });
            let (rest, lost) = two_sum(self.low, error);
            // A NaN or infinity, or a sum beyond the largest double, makes `lost` NaN.
            if lost == 0.0 && square.as_mut().is_none_or(|square| square.shift(value, negative, self.count == 0)) {
                // `rest` is at most half a unit in the last place of what `high` was. Where that is more than nothing
                // beside `sum`, most of `high` has cancelled, `sum` is exact and a multiple of such units.
                (self.high, self.low) = quick_two_sum(sum, rest);
                return;
            }
        }
        self.shift_wide(square, value, negative, wides);
    }

    #[cold]
    fn shift_wide(&mut self, square: Option<&mut Square>, value: f64, negative: bool, wides: &mut Wides) {
        if self.wide == 0 {
            self.wide = wides.take(Wide::new(self.long(), square.as_deref().map(Square::long)));
        }
        let wide = wides.get_mut(self.wide);
        if wide.shift(value, negative)
            && let Some((high, low, narrow)) = wide.narrowed()
        {
            wides.release(self.wide);
            (self.wide, self.high, self.low) = (0, high, low);
            if let (Some(square), Some(narrow)) = (square, narrow) {
                *square = narrow;
            }
        }
    }

    /// The sum as a long number.
    fn long(&self) -> [u64; SUM_LIMBS] {
        let mut limbs = [0; SUM_LIMBS];
        fixed::add_double(&mut limbs, SUM_BASE, self.high, false);
        fixed::add_double(&mut limbs, SUM_BASE, self.low, false);
        limbs
    }

    /// The sum, rounded once; null without values.
    #[inline]
    pub fn sum(&self, wides: &Wides) -> Option<f64> {
        match (self.count, self.wide) {
            (0, _) => None,
            (_, 0) => Some(self.high),
            (_, wide) => Some(wides.get(wide).sum()),
        }
    }

    /// The mean; null without values.
    #[inline]
    pub fn avg(&self, wides: &Wides) -> Option<f64> {
        match (self.count, self.wide) {
            (0, _) => None,
            (count, 0) => Some(quotient(self.high, self.low, count)),
            (count, wide) => Some(wides.get(wide).avg(count)),
        }
    }

    /// The sample standard deviation; null below two values.
    pub fn stddev(&self, square: &Square, wides: &Wides) -> Option<f64> {
        match (self.count, self.wide) {
            (0 | 1, _) => None,
            (count, 0) => {
                let quick = quick_stddev(count, (self.high, self.low), square.rounded());
                quick.or_else(|| Some(exact_stddev(count, &self.long(), &square.long())))
            }
            (count, wide) => Some(wides.get(wide).stddev(count)),
        }
    }
}

impl Square {
    /// Adds or removes the square of `value`; false, with nothing changed, when it does not fit.
    #[inline]
    fn shift(&mut self, value: f64, negative: bool, first: bool) -> bool {
        if value == 0.0 {
            return true;
        }
        if !SQUARE_EXPONENTS.contains(&(value.to_bits() >> 52 & 0x7ff)) {
            return false;
        }
        let (mantissa, exponent, _) = fixed::decompose(value);
        if first || self.limbs == [0; 4] {
            self.base = 2 * exponent - SQUARE_ROOM_BELOW;
        }
        let bit = 2 * exponent - self.base;
        if !(0..=SQUARE_BIT_MAX).contains(&bit) {
            return false;
        }
        fixed::add(&mut self.limbs, u128::from(mantissa) * u128::from(mantissa), bit as usize, negative);
        true
    }

    /// The short form of a wide sum of squares, if its bits lie close enough together.
    pub fn from_wide(limbs: &[u64; SQUARE_LIMBS]) -> Option<Square> {
        let Some(lowest) = limbs.iter().position(|limb| *limb != 0) else {
            return Some(Square::default());
        };
        let from = lowest.saturating_sub(1);
        let mut short = [0; 4];
        short.iter_mut().zip(&limbs[from..]).for_each(|(short, limb)| *short = *limb);
        let rest_is_zero = limbs.iter().skip(from + 4).all(|limb| *limb == 0);
        let base = fixed::SQUARE_BASE + 64 * from as i32;
        (rest_is_zero && short[3] >> 32 == 0).then_some(Square { limbs: short, base })
    }

    /// The sum of squares as a long number.
    fn long(&self) -> [u64; SQUARE_LIMBS] {
        let mut limbs = [0; SQUARE_LIMBS];
        for (index, limb) in self.limbs.iter().enumerate().filter(|(_, limb)| **limb != 0) {
            let bit = self.base - fixed::SQUARE_BASE + 64 * index as i32;
            fixed::add(&mut limbs, u128::from(*limb), bit as usize, false);
        }
        limbs
    }

    /// The nearest double and the double nearest to the rest.
    fn rounded(&self) -> (f64, f64) {
        let (fraction, exponent) = fixed::round(&self.limbs);
        let mut rest = self.limbs;
        // The fraction's 53 bits are bits of the number, so the subtraction is exact; it may leave a negative rest.
        fixed::add_scaled(&mut rest, fraction, exponent, true);
        let (low, low_exponent) = fixed::round(&rest);
        (fixed::scale(fraction, exponent + self.base), fixed::scale(low, low_exponent + self.base))
    }
}

/// (high + low) / count, rounded once but for the last bits of the correction.
#[inline]
pub(super) fn quotient(high: f64, low: f64, count: u32) -> f64 {
    let divisor = f64::from(count);
    let quotient = high / divisor;
    // The remainder of a division is a double, and both ways give it without rounding. Below 2^21 the products of the
    // quotient's upper 21 and lower 32 bits fit a double each, which saves the call that a fused operation is where
    // the instruction cannot be taken for granted.
    let remainder = if count < 1 << 21 {
        let upper = f64::from_bits(quotient.to_bits() & !0xffff_ffff);
        (high - upper * divisor) - (quotient - upper) * divisor
    } else {
        (-quotient).mul_add(divisor, high)
    };
    quotient + (remainder + low) / divisor
}

/// The standard deviation from the sum and the sum of squares, each as a double and the rest; nothing when so much
/// cancels, or the range is so extreme, that the exact integers must be asked. It depends on the rounded moments
/// alone, so it gives the same bits whichever form they were held in.
pub(super) fn quick_stddev(count: u32, sum: (f64, f64), squares: (f64, f64)) -> Option<f64> {
    /// Smallest and largest sum of squares with products far from underflow and overflow.
    const RANGE: std::ops::Range<f64> = 1e-240..1e270;
    /// Least part of n·Σx² that may remain: with 102 good bits in the moments 62 good bits are left.
    const REMAINING_MIN: f64 = 1.0 / (1_u64 << 40) as f64;
    let n = f64::from(count);
    let scaled = n * squares.0;
    if !RANGE.contains(&squares.0) {
        return None;
    }
    let scaled_rest = n.mul_add(squares.0, -scaled) + n * squares.1;
    let product = sum.0 * sum.0;
    let product_rest = sum.0.mul_add(sum.0, -product) + 2.0 * sum.0 * sum.1;
    let (difference, error) = two_sum(scaled, -product);
    let moment = difference + (error + (scaled_rest - product_rest));
    (moment > scaled * REMAINING_MIN).then(|| (moment / (n * (n - 1.0))).sqrt())
}

#[cfg(test)]
mod tests;
