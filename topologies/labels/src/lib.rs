//! The journal: pairs events with the labels and predictions that concern them, writes outcomes, and sends labelled
//! events to the entities whose features derive from labels.
//!
//! Its log is keyed by event id and holds what the validator accepted (events, labels) and what the scorer said
//! (predictions). When event and label of an id are both there, whichever came first, the outcome is written once, with
//! the prediction if that was there by then; a prediction that comes later is counted and changes nothing. The first
//! label of an event counts, the first copy of an event counts, and copies that disagree are conflicts.
//!
//! Every item ends in one counter of the ledger: event, label and prediction of an outcome are *emitted*; copies and
//! further labels are *duplicate*; predictions after the outcome, and whatever the horizon passes unpaired, are
//! *filtered*; the rest is waiting.

mod entry;
mod handover;
mod journal;
mod keys;
mod layout;
mod outcomes;
mod pairing;
mod predictions;
mod saved;
mod settings;
mod slab;
mod table;

pub use handover::hand_over;
pub use journal::{Counts, Journal};
pub use settings::{Error, Settings, Target};

#[cfg(test)]
mod tests;
