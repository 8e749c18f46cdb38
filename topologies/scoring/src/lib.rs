//! The scorer: items of the features log in, predictions out. Which model scores is decided by the fences of the log
//! alone, so a replay switches at the same event; before the first champion nothing is scored.
//!
//! [`Inputs`] defines how columns and features become what a network reads, online and offline.

mod champion;
pub mod handover;
mod inputs;
mod rows;
mod saved;
pub mod score;
mod scorer;
mod settings;
mod unknown;

pub use champion::{Models, check, check_classes};
pub use inputs::{Error as InputError, Inputs};
pub use scorer::Scorer;
pub use settings::Settings;
pub use unknown::Unknown;

#[cfg(test)]
mod tests;
