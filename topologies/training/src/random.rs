//! Seeded randomness with definitions of our own, so that no library update changes a model.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream of random numbers is for; streams of one seed are independent.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// First weights.
    Weights = 0,
    /// Order of rows in an epoch.
    Order = 1,
    /// Which values dropout removes.
    Dropout = 2,
    /// Resampling for confidence intervals.
    Bootstrap = 3,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `seed` for one purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(purpose as u64);
        Self(stream)
    }

    /// Uniform in [-limit, limit), in steps of `limit` / 2^23.
    pub fn symmetric(&mut self, limit: f32) -> f32 {
        let unit = (self.0.next_u32() >> 8) as f32 / 8_388_608.0;
        (unit - 1.0) * limit
    }

    /// Uniform in 0..bound, by the high half of a product; the bias is below bound / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Dropout's factors: 0 with probability `rate` (in steps of 1/65536), else 1 / (1 - rate).
    pub fn dropout(&mut self, rate: f64, count: usize) -> Vec<f32> {
        let limit = (rate * 65_536.0) as u16;
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mut bytes = vec![0; 2 * count];
        self.0.fill_bytes(&mut bytes);
        let factor = |b: &[u8; 2]| if u16::from_le_bytes(*b) < limit { 0.0 } else { kept };
        bytes.as_chunks::<2>().0.iter().map(factor).collect()
    }
}
