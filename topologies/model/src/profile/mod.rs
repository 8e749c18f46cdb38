//! What the training data looked like: per input and for the score, ten quantile bins and their counts.
//!
//! Both sides of a drift statistic must bin alike, so the rule lives here and nowhere else. A value is first rounded to
//! `f32`, the precision in which a model sees it; it belongs to the bin after the last edge that lies below it, so an
//! edge is the largest value of its bin. Nulls are a bin of their own.

#[cfg(test)]
mod tests;

use crate::vocabulary::UNKNOWN;
use serde::{Deserialize, Serialize};

/// Number of quantile bins asked for; columns with few distinct values get fewer.
pub const BINS: usize = 10;
/// Most bins a stored column may have, which bounds what a profile can make a reader do.
pub const BINS_MAX: usize = 64;
/// Words of a category that have a bin of their own, the most frequent ones; all others share one.
pub const WORD_BINS: usize = 30;
/// The least share a bin counts with in [`Column::psi`], so that an empty bin gives a large number, not an infinite one.
pub const PSI_SHARE_MIN: f64 = 1e-4;
/// Name of the profile's column for the score.
pub const SCORE: &str = "score";

/// A reference for drift: one column per input, in the model's order, and last [`SCORE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The columns.
    pub columns: Vec<Column>,
}

/// One column of a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name of the input, or [`SCORE`].
    pub name: String,
    /// How many values were null.
    pub nulls: u64,
    /// Rising edges between the bins.
    pub edges: Vec<f64>,
    /// Values per bin, one more than there are edges.
    pub counts: Vec<u64>,
}

impl Profile {
    /// The column with this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

impl Column {
    /// Bins `values`; whatever is not finite counts as null.
    ///
    /// The edges are the nine deciles (the value at rank ⌈i n / 10⌉), without repeats and without the maximum, which
    /// would leave the last bin empty; at least one edge parts the maximum from the rest. A column that never varied gets bins below, at and above its value.
    #[must_use]
    pub fn fit(name: &str, values: impl IntoIterator<Item = f32>) -> Self {
        let mut sorted: Vec<f32> = values.into_iter().collect();
        let total = sorted.len();
        sorted.retain(|v| v.is_finite());
        // Adding zero turns -0 into +0, which compare equal but sort apart.
        sorted.iter_mut().for_each(|v| *v += 0.0);
        sorted.sort_unstable_by(f32::total_cmp);
        let nulls = (total - sorted.len()) as u64;
        let edges = edges(&sorted);
        let mut column = Self { name: name.into(), nulls, counts: vec![0; edges.len() + 1], edges };
        for value in sorted {
            let bin = column.bin(f64::from(value));
            column.counts[bin] += 1;
        }
        column
    }

    /// Bins the cells of an input that is a category (see [`crate::vocabulary`]): what is unknown, then each of the
    /// [`WORD_BINS`] most frequent of its `words`, then all others.
    #[must_use]
    pub fn fit_category(name: &str, cells: impl IntoIterator<Item = f32>, words: usize) -> Self {
        let last = UNKNOWN + words.saturating_sub(1).min(WORD_BINS);
        let edges: Vec<f64> = (UNKNOWN..=last).map(|slot| slot as f64).collect();
        let mut column = Self { name: name.into(), nulls: 0, counts: vec![0; edges.len() + 1], edges };
        for cell in cells {
            match cell.is_finite() {
                true => {
                    let bin = column.bin(f64::from(cell));
                    column.counts[bin] += 1;
                }
                false => column.nulls += 1,
            }
        }
        column
    }

    /// The bin of a finite value.
    #[must_use]
    pub fn bin(&self, value: f64) -> usize {
        let seen = f64::from(value as f32);
        self.edges.partition_point(|&edge| edge < seen)
    }

    /// Population stability index of other data, binned by [`Column::bin`], against this reference.
    ///
    /// The sum over bins, the null bin included, of (a - b) ln(a / b) with a and b the shares of the bin in the data
    /// and in the reference, each raised to at least [`PSI_SHARE_MIN`]; shares are not rescaled afterwards. By custom
    /// 0.1 is worth a look and 0.25 a shift. Zero when either side holds no values.
    #[must_use]
    pub fn psi(&self, counts: &[u64], nulls: u64) -> f64 {
        let total = |counts: &[u64], nulls: u64| (counts.iter().sum::<u64>() + nulls) as f64;
        let (current, reference) = (total(counts, nulls), total(&self.counts, self.nulls));
        if current == 0.0 || reference == 0.0 {
            return 0.0;
        }
        let mut sum = 0.0;
        let pairs = counts.iter().zip(&self.counts).chain(std::iter::once((&nulls, &self.nulls)));
        for (&now, &then) in pairs {
            let a = (now as f64 / current).max(PSI_SHARE_MIN);
            let b = (then as f64 / reference).max(PSI_SHARE_MIN);
            sum += (a - b) * (a / b).ln();
        }
        sum
    }

    /// Whether edges rise, are finite, and fit the counts.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let rising = self.edges.windows(2).all(|w| w[0] < w[1]);
        let finite = self.edges.iter().all(|e| e.is_finite());
        rising && finite && self.counts.len() == self.edges.len() + 1 && self.counts.len() <= BINS_MAX
    }
}

fn edges(sorted: &[f32]) -> Vec<f64> {
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    if least == most {
        return vec![f64::from(least.next_down()), f64::from(least)];
    }
    let mut edges: Vec<f32> = (1..BINS).map(|i| sorted[(i * sorted.len()).div_ceil(BINS) - 1]).collect();
    edges.dedup();
    edges.retain(|&e| e < most);
    if edges.is_empty() {
        // Nine in ten values are the maximum; keep them apart from the rest.
        edges.push(sorted[sorted.partition_point(|&v| v < most) - 1]);
    }
    edges.into_iter().map(f64::from).collect()
}
