//! The population stability index.
//!
//! With shares a of the data and b of the reference in each bin, the index is the sum over bins of (a - b) ln(a / b),
//! each share raised to at least [`model::profile::PSI_SHARE_MIN`] so that an empty bin gives a large number and not an
//! infinite one. Values that are absent or not finite are a bin of their own. The rule for bins is that of
//! [`model::Column`].

use crate::report::Level;
use crate::sketch::ColumnSketch;
use flow::config::Psi;
use model::Column;

/// The index of a sketch against its reference.
pub(crate) fn psi(reference: &Column, sketch: &ColumnSketch) -> f64 {
    reference.psi(&sketch.counts, sketch.nulls + sketch.nans)
}

/// The index of one sample against another, over the deciles of the reference.
#[must_use]
pub fn two_sample_psi(reference: &[f64], current: &[f64]) -> f64 {
    let reference = Column::fit("reference", reference.iter().map(|value| *value as f32));
    let mut sketch = ColumnSketch::new(&reference);
    current.iter().for_each(|value| sketch.add(&reference, Some(*value)));
    psi(&reference, &sketch)
}

/// How far an index is from its reference.
pub(crate) fn level(value: f64, limits: &Psi) -> Level {
    if value >= limits.alarm {
        Level::Alarm
    } else if value >= limits.warn {
        Level::Warn
    } else {
        Level::None
    }
}
