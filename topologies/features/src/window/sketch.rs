//! Quantiles of all windows of a column, within a stated relative error.
//!
//! Each power of two is cut into 64 buckets of equal width, so a bucket is the sign, the exponent and the first six bits of
//! the fraction, and its middle is within 1/128 of every value in it. A window has the counts of its buckets in order, and
//! for each quantile the bucket where its rank lies now: one value more or less moves that by few buckets, so reading costs
//! nothing. Values leave with the window, as they do from an exact count. A bucket that is empty stays for the next value,
//! as long as not more than half of them are: coming and going would move all that stand behind it.
//!
//! The quantile q of n values is the one with rank floor(q (n - 1)) from 0 in ascending order. Zero and what is smaller
//! than the smallest normal number count as zero, infinities as themselves. NaN has no rank: with one in the window all its
//! quantiles are NaN.

/// Bits of a double below those that name its bucket.
const BELOW_BITS: u32 = 46;
/// Number of the bucket of the smallest normal number.
const NORMAL_MIN: i32 = 1 << 6;
/// Number of the bucket of infinity.
const INFINITE: i32 = 0x7ff << 6;
/// Empty buckets that a window may always have.
const EMPTY_KEPT: usize = 16;
/// A quantile's denominator.
pub(super) const MILLION: u64 = 1_000_000;

/// A column whose quantiles are wanted.
#[derive(Debug, Clone)]
pub(super) struct Sketched {
    /// Word of the entry with its value.
    pub word: usize,
    /// Number of windows.
    pub windows: usize,
    /// The quantiles, in millionths.
    pub millionths: Vec<u32>,
}

impl Sketched {
    /// What an entry may take at most.
    pub fn bytes(&self) -> usize {
        self.windows * size_of::<Bucket>()
    }
}

/// Values of one magnitude.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    number: i32,
    count: u32,
}

/// Where a quantile lies.
#[derive(Debug, Clone, Copy, Default)]
struct Pointer {
    /// Place of its bucket.
    at: usize,
    /// How many values the buckets before have.
    below: u64,
}

/// The values of a window.
#[derive(Debug, Default)]
struct Window {
    buckets: Vec<Bucket>,
    /// How many of them are empty.
    empty: usize,
    total: u64,
    nan: u32,
    pointers: Vec<Pointer>,
}

/// The values of one column of a key, window by window.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    windows: Box<[Window]>,
}

impl Sketch {
    /// Counts a value in all windows.
    pub fn add_all(&mut self, of: &Sketched, value: f64) {
        (0..of.windows).for_each(|window| self.add(of, value, window));
    }

    /// Counts a value in one window.
    pub fn add(&mut self, of: &Sketched, value: f64, window: usize) {
        if self.windows.is_empty() {
            self.windows = (0..of.windows).map(|_| Window::default()).collect();
        }
        let window = &mut self.windows[window];
        match bucket(value) {
            None => window.nan += 1,
            Some(number) => window.add(number, &of.millionths),
        }
    }

    /// Takes a value out of a window that was counted there.
    pub fn remove(&mut self, of: &Sketched, value: f64, window: usize) {
        let window = &mut self.windows[window];
        match bucket(value) {
            None => window.nan -= 1,
            Some(number) => window.remove(number, &of.millionths),
        }
    }

    /// Quantile number `pointer` of a window.
    pub fn get(&self, window: usize, pointer: usize) -> Option<f64> {
        let window = self.windows.get(window)?;
        if window.nan > 0 {
            return Some(f64::NAN);
        }
        let at = window.pointers.get(pointer).filter(|_| window.total > 0)?.at;
        window.buckets.get(at).map(|bucket| middle(bucket.number))
    }

    /// Memory beside itself.
    pub fn bytes(&self) -> usize {
        let own = |window: &Window| {
            window.buckets.capacity() * size_of::<Bucket>() + window.pointers.capacity() * size_of::<Pointer>()
        };
        self.windows.iter().map(|window| size_of::<Window>() + own(window)).sum()
    }
}

impl Window {
    fn add(&mut self, number: i32, millionths: &[u32]) {
        if self.pointers.is_empty() {
            self.pointers = vec![Pointer::default(); millionths.len()];
        }
        match self.find(number) {
            Ok(at) => {
                self.empty -= usize::from(self.buckets[at].count == 0);
                self.buckets[at].count += 1;
                self.pointers.iter_mut().filter(|pointer| at < pointer.at).for_each(|pointer| pointer.below += 1);
            }
            Err(at) => {
                self.buckets.insert(at, Bucket { number, count: 1 });
                let is_first = self.buckets.len() == 1;
                for pointer in self.pointers.iter_mut().filter(|pointer| !is_first && at <= pointer.at) {
                    *pointer = Pointer { at: pointer.at + 1, below: pointer.below + 1 };
                }
            }
        }
        self.total += 1;
        self.settle(millionths);
    }

    fn remove(&mut self, number: i32, millionths: &[u32]) {
        let Ok(at) = self.find(number) else { return };
        self.buckets[at].count -= 1;
        self.empty += usize::from(self.buckets[at].count == 0);
        self.total -= 1;
        self.pointers.iter_mut().filter(|pointer| at < pointer.at).for_each(|pointer| pointer.below -= 1);
        if self.empty > EMPTY_KEPT && self.empty > self.buckets.len() / 2 {
            self.prune();
        }
        self.settle(millionths);
    }

    /// Takes the empty buckets out.
    #[cold]
    fn prune(&mut self) {
        self.buckets.retain(|bucket| bucket.count > 0);
        self.empty = 0;
        if self.buckets.len() < self.buckets.capacity() / 4 {
            self.buckets.shrink_to(2 * self.buckets.len());
        }
        self.pointers.fill(Pointer::default());
    }

    /// The place of a bucket, or where it would be. Buckets lie close together, so that it is looked for around the place
    /// that it would have if they were evenly spread.
    fn find(&self, number: i32) -> Result<usize, usize> {
        let buckets = &self.buckets;
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return Err(0) };
        if number <= first.number {
            return if number == first.number { Ok(0) } else { Err(0) };
        }
        if number > last.number {
            return Err(buckets.len());
        }
        let (way, whole) = ((number - first.number) as u64, (last.number - first.number) as u64);
        let guess = (way * (buckets.len() as u64 - 1) / whole) as usize;
        let (mut low, mut high, mut step) = (guess, guess + 1, 1);
        if buckets[guess].number <= number {
            while high < buckets.len() && buckets[high].number <= number {
                low = high;
                high = (high + step).min(buckets.len());
                step *= 2;
            }
        } else {
            high = guess;
            low = guess - 1;
            while buckets[low].number > number {
                high = low;
                step *= 2;
                low = low.saturating_sub(step);
            }
        }
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if buckets[middle].number <= number { low = middle } else { high = middle }
        }
        if buckets[low].number == number { Ok(low) } else { Err(low + 1) }
    }

    /// Moves the pointers to where their ranks lie.
    fn settle(&mut self, millionths: &[u32]) {
        let buckets = &self.buckets;
        if self.total == 0 {
            return self.pointers.fill(Pointer::default());
        }
        for (pointer, millionths) in self.pointers.iter_mut().zip(millionths) {
            let rank = rank(*millionths, self.total);
            while pointer.below > rank {
                pointer.at -= 1;
                pointer.below -= u64::from(buckets[pointer.at].count);
            }
            while pointer.below + u64::from(buckets[pointer.at].count) <= rank {
                pointer.below += u64::from(buckets[pointer.at].count);
                pointer.at += 1;
            }
        }
    }
}

/// The rank of a quantile among so many values.
pub(super) fn rank(millionths: u32, total: u64) -> u64 {
    u64::from(millionths) * total.saturating_sub(1) / MILLION
}

/// The bucket of a value; none for NaN. Greater values have the same number or a greater one.
pub(super) fn bucket(value: f64) -> Option<i32> {
    if value.is_nan() {
        return None;
    }
    let magnitude = (value.abs().to_bits() >> BELOW_BITS) as i32;
    let number = if magnitude < NORMAL_MIN { 0 } else { magnitude };
    Some(if value.is_sign_negative() { -number } else { number })
}

/// What stands for the values of a bucket.
pub(super) fn middle(number: i32) -> f64 {
    let magnitude = match number.abs() {
        0 => 0.0,
        INFINITE => f64::INFINITY,
        number => f64::from_bits((number as u64) << BELOW_BITS | 1 << (BELOW_BITS - 1)),
    };
    if number < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::{Sketch, Sketched, bucket, middle, rank};

    #[test]
    fn a_sliding_window_has_the_quantiles_of_its_values() {
        let of = Sketched { word: 1, windows: 1, millionths: vec![0, 500_000, 990_000, 1_000_000] };
        // Magnitudes of some thirty decades, dense in between, of both signs.
        let value = |at: usize| {
            let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let size = if at.is_multiple_of(7) { 15 } else { 2 };
            let sign = if at.is_multiple_of(5) { -1.0 } else { 1.0 };
            sign * 10_f64.powf(f64::from(size) * mixed as f64 / f64::from(1 << 23) - f64::from(size))
        };
        for live in [1, 9, 300, 2_000] {
            let mut sketch = Sketch::default();
            for at in 0..3 * live + 500 {
                sketch.add(&of, value(at), 0);
                if at >= live {
                    sketch.remove(&of, value(at - live), 0);
                }
                if at % 37 > 0 && live > 9 {
                    continue;
                }
                let first = (at + 1).saturating_sub(live);
                let mut buckets: Vec<i32> = (first..=at).filter_map(|at| bucket(value(at))).collect();
                buckets.sort_unstable();
                for (pointer, millionths) in of.millionths.iter().enumerate() {
                    let expected = middle(buckets[rank(*millionths, buckets.len() as u64) as usize]);
                    assert_eq!(sketch.get(0, pointer), Some(expected), "{millionths} of {live} at {at}");
                }
            }
        }
    }
}
