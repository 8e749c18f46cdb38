//! Sums in which a value weighs half after each half-life, exact before they are rounded a handful of times.
//!
//! With h the half-life and T the end of the windows (the event's time less the delay), an event at time t weighs
//! 2^((t - T) / h). Only powers of two can be taken out of a sum without rounding, so time is cut into blocks of
//! [`BLOCK_HALF_LIVES`] half-lives, and each block has the exact sum of its values times 2^((t - e) / h), e being the
//! block's end; each product is rounded once, and depends on its event alone. The feature is the sum of the blocks' sums
//! times 2^((e - T) / h), by Horner's rule from the oldest block to the newest: a block weighs exactly 2^-8 of the next. So
//! it depends on the events in its reach, and neither on the order in which they came nor on what has left it again.
//!
//! The reach is the longest window, at most [`HALF_LIVES`] half-lives: what lies further back would weigh less than
//! 2^-32 of what it did. So a fixed number of blocks is enough, and a place is used again when its block is out of reach.

use super::series::decode;
use super::sum::Sum;
use super::wide::Wides;

/// How many half-lives a value is looked at.
pub(super) const HALF_LIVES: i64 = 32;
/// Half-lives of a block. Weights within one spread by 2^8, so that two doubles still hold most sums.
const BLOCK_HALF_LIVES: i64 = 8;
/// What a block weighs as a part of the next: 2^-[`BLOCK_HALF_LIVES`], so that scaling by it is exact.
const BLOCK_WEIGHT: f64 = 1.0 / (1 << BLOCK_HALF_LIVES) as f64;
/// Blocks that a reach can touch.
pub(super) const BLOCKS: usize = (HALF_LIVES / BLOCK_HALF_LIVES) as usize + 1;

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighed {
    /// A one per event.
    Events,
    /// A one per event with something in that word.
    Present(usize),
    /// The values in that word.
    Values(usize),
}

/// One sum with weights of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fade {
    pub what: Weighed,
    pub half_life_us: i64,
    /// How far it reaches back.
    pub length_us: i64,
    /// Cursor of its first entry.
    pub cursor: usize,
    /// Where its [`BLOCKS`] sums start among the series'.
    pub sums: usize,
}

impl Fade {
    #[inline]
    fn block_us(&self) -> i64 {
        self.half_life_us.saturating_mul(BLOCK_HALF_LIVES)
    }

    /// The place of an entry's block, and what the entry adds to it.
    #[inline]
    fn part(&self, entry: &[u64]) -> Option<(usize, f64)> {
        let value = match self.what {
            Weighed::Events => 1.0,
            Weighed::Present(word) => decode(entry[word]).map(|_| 1.0)?,
            Weighed::Values(word) => decode(entry[word])?,
        };
        let (time_us, block_us) = (entry[0] as i64, self.block_us());
        let before_end_us = time_us.rem_euclid(block_us) - block_us;
        let weight = exp2(before_end_us as f64 / self.half_life_us as f64);
        Some((place(time_us, block_us), value * weight))
    }

    /// Adds an entry to its block; `sums` begin with those of the blocks.
    #[inline]
    pub fn add(&self, entry: &[u64], sums: &mut [Sum], wides: &mut Wides) {
        if let Some((place, part)) = self.part(entry) {
            sums[place].add(None, part, wides);
        }
    }

    /// Takes an entry out of its block.
    #[inline]
    pub fn remove(&self, entry: &[u64], sums: &mut [Sum], wides: &mut Wides) {
        if let Some((place, part)) = self.part(entry) {
            sums[place].remove(None, part, wides);
        }
    }

    /// The sum at a time. Over nothing it is null, or zero where ones are counted.
    pub fn value(&self, sums: &[Sum], upper_us: i64, wides: &Wides) -> Option<f64> {
        let block_us = self.block_us();
        let newest = upper_us.div_euclid(block_us);
        let mut total: Option<f64> = None;
        for age in (0..BLOCKS as i64).rev() {
            let sum = sums[(newest - age).rem_euclid(BLOCKS as i64) as usize].sum(wides);
            let older = total.map(|total| total * BLOCK_WEIGHT);
            total = match (older, sum) {
                (Some(older), Some(sum)) => Some(older + sum),
                (older, sum) => older.or(sum),
            };
        }
        let after_us = (i128::from(newest) + 1) * i128::from(block_us) - i128::from(upper_us);
        let total = total.map(|total| total * exp2(after_us as f64 / self.half_life_us as f64));
        match self.what {
            Weighed::Values(_) => total,
            _ => Some(total.unwrap_or(0.0)),
        }
    }
}

fn place(time_us: i64, block_us: i64) -> usize {
    time_us.div_euclid(block_us).rem_euclid(BLOCKS as i64) as usize
}

/// 2^x for moderate x, within two units in the last place. Our own: a library's differs between platforms.
pub(super) fn exp2(x: f64) -> f64 {
    /// Terms of the series: z^14 / 14! is below 2^-57 for the z here.
    const TERMS: i32 = 14;
    let whole = x.round();
    let z = (x - whole) * std::f64::consts::LN_2;
    let fraction = (1..TERMS).rev().fold(1.0, |sum, term| 1.0 + sum * z / f64::from(term));
    fraction * f64::from_bits(((whole as i64 + 1_023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::exp2;

    #[test]
    fn powers_of_two_are_near_those_of_the_library() {
        for step in -40_000..=8_000 {
            let x = f64::from(step) / 1_000.0;
            let (found, expected) = (exp2(x), x.exp2());
            assert!((found - expected).abs() <= 4.0 * f64::EPSILON * expected, "{x}: {found} for {expected}");
        }
        assert_eq!((exp2(0.0), exp2(-8.0), exp2(1.0)), (1.0, 1.0 / 256.0, 2.0));
    }
}
