//! The journal: pairs events with the labels and predictions that concern them, writes outcomes, and sends labelled
//! events to the entities whose features derive from labels.
//!
//! Its log is keyed by event id and holds what the validator accepted (events, labels) and what the scorer said
//! (predictions). When event and label of an id are both there, whichever came first, the outcome is written, with the
//! prediction if that was there by then; a prediction that comes later is counted and changes nothing. The first copy of
//! an event counts, and copies that disagree are conflicts.
//!
//! A further label that says the same is a copy. One that says something else comes to nothing where the first one counts,
//! and corrects the outcome where the last one does: that which became known last, in whatever order they came. The
//! outcome is then written again, with a higher revision; labelled events are not, since entities have counted them.
//! Labels that come to nothing, those of events that nobody heard of within the horizon included, go to a topic of
//! refusals.
//!
//! Every item ends in one counter of the ledger: event, label and prediction of an outcome are *emitted*; copies are
//! *duplicate*; refused labels are *dead*; predictions after the outcome, and events and predictions that the horizon
//! passes unpaired, are *filtered*; the rest is waiting.

mod entry;
mod handover;
mod journal;
mod keys;
mod layout;
mod outcomes;
mod pairing;
mod predictions;
mod refusals;
mod saved;
mod settings;
mod slab;
mod table;

pub use handover::hand_over;
pub use journal::{Counts, Journal};
pub use settings::{Error, Settings, Target};

#[cfg(test)]
mod tests;
