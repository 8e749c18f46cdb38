//! Sums of anything: exact over the whole range of doubles, with infinities and NaN counted apart.
//!
//! Rare and large, so they live beside the states, in a slab with reuse.

use super::fixed::{self, SQUARE_BASE, SQUARE_LIMBS, SUM_BASE, SUM_LIMBS};
use super::sum::{Square, quick_stddev, quotient};

/// Changes after which a wide sum is first asked whether it would fit into two doubles again; doubled each time.
const NARROW_AFTER: u32 = 64;

/// The exact sum of a window's values and of their squares.
#[derive(Debug, Clone)]
pub(super) struct Wide {
    nan: u32,
    positive: u32,
    negative: u32,
    changes: u32,
    ask_at: u32,
    sum: [u64; SUM_LIMBS],
    squares: Option<Box<[u64; SQUARE_LIMBS]>>,
}

impl Wide {
    /// Starts from a sum, and a sum of squares if one is wanted.
    pub fn new(sum: [u64; SUM_LIMBS], squares: Option<[u64; SQUARE_LIMBS]>) -> Wide {
        let squares = squares.map(Box::new);
        Wide { nan: 0, positive: 0, negative: 0, changes: 0, ask_at: NARROW_AFTER, sum, squares }
    }

    /// Adds or removes a value; true when it is time to ask whether the sum has become narrow.
    pub fn shift(&mut self, value: f64, negative: bool) -> bool {
        let step = if negative { u32::MAX } else { 1 };
        if value.is_nan() {
            self.nan = self.nan.wrapping_add(step);
        } else if value == f64::INFINITY {
            self.positive = self.positive.wrapping_add(step);
        } else if value == f64::NEG_INFINITY {
            self.negative = self.negative.wrapping_add(step);
        } else {
            fixed::add_double(&mut self.sum, SUM_BASE, value, negative);
            if let Some(squares) = &mut self.squares {
                let (mantissa, exponent, _) = fixed::decompose(value);
                let square = u128::from(mantissa) * u128::from(mantissa);
                fixed::add(&mut squares[..], square, (2 * exponent - SQUARE_BASE) as usize, negative);
            }
        }
        self.changes += 1;
        let ask = self.changes >= self.ask_at;
        if ask {
            self.changes = 0;
            self.ask_at = self.ask_at.saturating_mul(2);
        }
        ask
    }

    /// The sum as two doubles, and the squares in their short form, if both fit.
    pub fn narrowed(&self) -> Option<(f64, f64, Option<Square>)> {
        if self.nan + self.positive + self.negative > 0 {
            return None;
        }
        let (high, low, rest) = self.rounded();
        let exact = high.is_finite() && rest.iter().all(|limb| *limb == 0);
        let square = match &self.squares {
            None => None,
            Some(squares) => Some(Square::from_wide(squares)?),
        };
        exact.then_some((high, low, square))
    }

    /// The sum of the finite values as nearest double, double nearest to the rest, and what is left.
    fn rounded(&self) -> (f64, f64, [u64; SUM_LIMBS]) {
        let mut rest = self.sum;
        let (fraction, exponent) = fixed::round(&rest);
        fixed::add_scaled(&mut rest, fraction, exponent, true);
        let (low, low_exponent) = fixed::round(&rest);
        fixed::add_scaled(&mut rest, low, low_exponent, true);
        (fixed::scale(fraction, exponent + SUM_BASE), fixed::scale(low, low_exponent + SUM_BASE), rest)
    }

    /// NaN or an infinity, when the values that are not finite decide.
    fn special(&self) -> Option<f64> {
        match (self.nan, self.positive, self.negative) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The sum rounded once.
    pub fn sum(&self) -> f64 {
        self.special().unwrap_or_else(|| self.rounded().0)
    }

    /// The mean.
    pub fn avg(&self, count: u32) -> f64 {
        if let Some(special) = self.special() {
            return special;
        }
        let (high, low, _) = self.rounded();
        if high.is_finite() {
            return quotient(high, low, count);
        }
        // The sum is beyond the largest double but the mean is not: divide a 2^64th of it.
        let (fraction, exponent) = fixed::round(&self.sum);
        let mut rest = self.sum;
        fixed::add_scaled(&mut rest, fraction, exponent, true);
        let (low, low_exponent) = fixed::round(&rest);
        let part = |fraction, exponent: i32| fixed::scale(fraction, exponent + SUM_BASE - 64);
        fixed::scale(quotient(part(fraction, exponent), part(low, low_exponent), count), 64)
    }

    /// The sample standard deviation of at least two values; NaN as soon as one of them is not finite.
    pub fn stddev(&self, count: u32) -> f64 {
        if self.special().is_some() {
            return f64::NAN;
        }
        let Some(squares) = &self.squares else {
            return f64::NAN;
        };
        let (high, low, _) = self.rounded();
        let (fraction, exponent) = fixed::round(squares);
        let mut rest = **squares;
        fixed::add_scaled(&mut rest, fraction, exponent, true);
        let (rest_fraction, rest_exponent) = fixed::round(&rest);
        let scale = |fraction, exponent: i32| fixed::scale(fraction, exponent + SQUARE_BASE);
        let rounded = (scale(fraction, exponent), scale(rest_fraction, rest_exponent));
        quick_stddev(count, (high, low), rounded).unwrap_or_else(|| exact_stddev(count, &self.sum, squares))
    }
}

/// The standard deviation from n·Σx² - (Σx)² in integers.
#[cold]
pub(super) fn exact_stddev(count: u32, sum: &[u64; SUM_LIMBS], squares: &[u64; SQUARE_LIMBS]) -> f64 {
    let mut magnitude = *sum;
    if fixed::is_negative(&magnitude) {
        fixed::negate(&mut magnitude);
    }
    let mut moment = *squares;
    fixed::multiply(&mut moment, count);
    fixed::subtract(&mut moment, &fixed::square(&magnitude));
    let (fraction, exponent) = fixed::round(&moment);
    let exponent = exponent + SQUARE_BASE;
    // The root halves the exponent, so an odd one lends its last power of two to the fraction.
    let odd = exponent.rem_euclid(2);
    let fraction = if odd == 1 { 2.0 * fraction } else { fraction };
    let n = f64::from(count);
    fixed::scale((fraction / (n * (n - 1.0))).sqrt(), (exponent - odd) / 2)
}

/// All wide sums of an engine. They are numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Wides {
    slots: Vec<Wide>,
    free: Vec<u32>,
}

impl Wides {
    /// Keeps a wide sum and numbers it.
    pub fn take(&mut self, wide: Wide) -> u32 {
        if let Some(number) = self.free.pop() {
            self.slots[number as usize - 1] = wide;
            return number;
        }
        self.slots.push(wide);
        self.slots.len() as u32
    }

    /// Takes a number back.
    pub fn release(&mut self, number: u32) {
        self.free.push(number);
    }

    pub fn get(&self, number: u32) -> &Wide {
        &self.slots[number as usize - 1]
    }

    pub fn get_mut(&mut self, number: u32) -> &mut Wide {
        &mut self.slots[number as usize - 1]
    }

    /// How many are in use.
    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// About what those in use take, with squares.
    #[inline]
    pub fn used_bytes(&self) -> usize {
        (self.slots.len() - self.free.len()) * (size_of::<Wide>() + SQUARE_LIMBS * size_of::<u64>())
    }

    /// Memory they take.
    pub fn bytes(&self) -> usize {
        let squares = self.slots.iter().filter(|wide| wide.squares.is_some()).count() * SQUARE_LIMBS * size_of::<u64>();
        self.slots.capacity() * size_of::<Wide>() + squares
    }
}
