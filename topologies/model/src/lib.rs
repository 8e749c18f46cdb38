//! What a model is: a dense network whose forward pass has the same bits everywhere, and the artefact it travels in.
//!
//! [`Network`] computes scores. [`Artefact`] is the set of files a registry keeps. [`Artefact::open`] is the load gate
//! between the two: nothing scores an event that has not passed it. [`Profile`] is what the training data looked like,
//! for whoever watches for drift. A [`Vocabulary`] makes numbers of categories.

pub mod artefact;
pub mod network;
pub mod profile;
pub mod vocabulary;

mod digest;

pub use artefact::{Artefact, Draft, Manifest, Metric, Model, Rule, Threshold};
pub use digest::sha256_hex;
pub use network::{Calibration, Dense, Embedding, Head, InstructionSet, Network, Standardisation};
pub use profile::{Column, Profile};
pub use vocabulary::Vocabulary;
