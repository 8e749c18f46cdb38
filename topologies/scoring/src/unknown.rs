//! Categories that a model met and does not know, counted for whoever runs its tasks. No prediction depends on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counts by `model.input`, as metrics name it.
#[derive(Debug, Default)]
pub struct Unknown(Mutex<BTreeMap<String, u64>>);

impl Unknown {
    /// Counts what a run of rows had.
    pub(crate) fn add<'a>(&self, model: &str, counts: impl Iterator<Item = (&'a str, u64)>) {
        for (input, count) in counts {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *all.entry(format!("{model}.{input}")).or_default() += count;
        }
    }

    /// What was counted since the last call.
    pub fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
