//! The artefact: the files of one model version, as a registry stores them.
//!
//! | file | content |
//! | --- | --- |
//! | `manifest.json` | everything about the model, with the digest of every other file |
//! | `manifest.sha256` | digest of the manifest, which is the model's digest |
//! | `weights.safetensors` | weights and biases |
//! | `profile.json` | reference for drift |
//! | `vocabularies.json` | words of the inputs that are categories, where there are such |
//! | `card.md` | the facts, for people |
//!
//! The manifest is the one thing to sign: whoever trusts its digest trusts the rest. A detached signature will be
//! `manifest.sig`; until keys exist the gate refuses that file rather than pretend to have checked it.

mod card;
mod classes;
mod gate;
mod manifest;
mod pack;
#[cfg(test)]
mod tests;
mod weights;

pub use gate::Model;
pub use manifest::{CategoryFacts, DatasetFacts, FileFacts, Golden, Manifest, Metric, NetworkFacts, Rule, Threshold};
pub use pack::Draft;

use crate::network;
use std::collections::BTreeMap;

/// The manifest's file name.
pub const MANIFEST_FILE: &str = "manifest.json";
/// File with the manifest's digest and a newline.
pub const DIGEST_FILE: &str = "manifest.sha256";
/// Reserved for a detached signature over the manifest.
pub const SIGNATURE_FILE: &str = "manifest.sig";
/// The weights' file name.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The reference profile's file name.
pub const PROFILE_FILE: &str = "profile.json";
/// File with the words of categories; only a model that reads such has it.
pub const VOCABULARIES_FILE: &str = "vocabularies.json";
/// The model card's file name.
pub const CARD_FILE: &str = "card.md";

/// Newest version of the layout and of the manifest's fields. A manifest has the lowest version that can say what it
/// says: 1 for a model that gives a probability and decides by a threshold, 4 for one that names its classes, 3 for one that
/// reads categories, 2 for others.
pub const FORMAT: u32 = 4;
/// Most bytes of any file but the weights.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Most bytes of the weights file; the largest layers allowed are a third of it.
pub const WEIGHTS_BYTES_MAX: usize = 64 << 20;
/// Most bytes of the header within the weights file.
pub const WEIGHTS_HEADER_BYTES_MAX: usize = 64 << 10;
/// Rows that the gate scores at every batch size from 1 to this.
pub const BATCH_ROWS_CHECKED: usize = 64;
/// Longest name of a class, in bytes of UTF-8.
pub const CLASS_BYTES_MAX: usize = 256;
/// Fewest golden vectors.
pub const GOLDEN_MIN: usize = 1;
/// Most golden vectors.
pub const GOLDEN_MAX: usize = 256;

/// Why an artefact cannot be made or must not be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The messages say what the fields are.
pub enum Error {
    #[error(
        "file {0} is missing, an artefact has manifest.json, manifest.sha256, weights.safetensors, profile.json and card.md"
    )]
    FileMissing(String),
    #[error("file {0} does not belong in an artefact, remove it")]
    FileUnknown(String),
    #[error(
        "file manifest.sig cannot be verified by this version, which knows no keys; remove it or use a newer version"
    )]
    SignatureUnsupported,
    #[error("file {file} has {bytes} bytes, allowed are {max_bytes}")]
    FileTooLarge { file: String, bytes: usize, max_bytes: usize },
    #[error("model digest is {actual}, expected {expected}; fetch the artefact again")]
    ModelDigest { expected: String, actual: String },
    #[error("file {file} has digest {actual}, the manifest says {expected}; fetch the artefact again")]
    FileDigest { file: String, expected: String, actual: String },
    #[error("manifest does not parse: {0}")]
    ManifestSyntax(String),
    #[error("manifest is not in its canonical form, so its digest would not be unique; write it with this program")]
    ManifestNotCanonical,
    #[error("artefact format {0} is not known to this version, which reads formats 1 to {FORMAT}")]
    Format(u32),
    #[error("numerics {0:?} are not those of this version ({expected:?}), scores would differ; retrain or use a matching version", expected = network::NUMERICS)]
    Numerics(String),
    #[error("manifest field {field} is {value}, {rule}")]
    Field { field: &'static str, value: String, rule: &'static str },
    #[error("weights file is damaged: {0}")]
    WeightsSyntax(String),
    #[error("weights header claims {bytes} bytes, allowed are {WEIGHTS_HEADER_BYTES_MAX}")]
    WeightsHeaderTooLarge { bytes: u64 },
    #[error("weights file names tensor {0} twice")]
    TensorDuplicate(String),
    #[error("weights file has tensor {0}, which the network of the manifest does not have")]
    TensorUnknown(String),
    #[error("weights file lacks tensor {0}")]
    TensorMissing(String),
    #[error("tensor {name} is {actual}, expected {expected}")]
    TensorShape { name: String, actual: String, expected: String },
    #[error("network is unusable: {0}")]
    Network(#[from] network::Error),
    #[error("reference profile is unusable: {0}")]
    Profile(String),
    #[error("vocabularies are unusable: {0}")]
    Vocabularies(String),
    #[error(
        "golden vector {index} scores {actual}, the manifest says {expected} (bits of f32); the weights or the arithmetic are not those that were tested"
    )]
    Golden { index: usize, expected: String, actual: String },
    #[error(
        "row {row} scores {actual} in a batch of {batch} and {expected} alone (bits of f32); this machine's arithmetic cannot be trusted"
    )]
    BatchDependent { row: usize, batch: usize, expected: String, actual: String },
    #[error(
        "row {row} scores {actual} with the {set} form and {expected} with the portable one (bits of f32); this machine's arithmetic cannot be trusted"
    )]
    SetDependent { row: usize, set: String, expected: String, actual: String },
}

/// The files of one model version, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    files: BTreeMap<String, Vec<u8>>,
    digest: String,
}

impl Artefact {
    /// The files, by name.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// The files, given away.
    #[must_use]
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.files
    }

    /// The model's digest: SHA-256 of the manifest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
