//! What training hands over, and the way from there to an artefact.

use crate::fit::Config;
use model::artefact::{DatasetFacts, Error};
use model::{Artefact, Draft, InstructionSet, Metric, Network, Profile, Threshold, Vocabulary};
use std::collections::BTreeMap;

/// How an epoch went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Mean loss over the epoch's rows, with dropout, while weights changed.
    pub training_loss: f64,
    /// Loss on the rows kept for validation, after the epoch.
    pub validation_loss: Option<f64>,
}

/// A trained model with the facts that training knows.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The network.
    pub network: Network,
    /// Words of its inputs that are categories.
    pub vocabularies: Vec<Vocabulary>,
    /// Names of its inputs.
    pub inputs: Vec<String>,
    /// From which score on an event is an alert; none where nothing is decided.
    pub threshold: Option<Threshold>,
    /// Reference for drift, from the training rows.
    pub profile: Profile,
    /// The course of training.
    pub history: Vec<Epoch>,
    /// Facts about the dataset.
    pub dataset: DatasetFacts,
    /// The configuration.
    pub config: Config,
    /// Rows for golden vectors.
    pub golden_rows: Vec<f32>,
}

/// What only the caller knows about a model.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The model's name.
    pub name: String,
    /// Digest of the model it is meant to replace.
    pub parent: Option<String>,
    /// Digest of the feature set.
    pub feature_set: String,
    /// Measurements, see [`crate::evaluate`].
    pub metrics: BTreeMap<String, Metric>,
}

impl Trained {
    /// Scores rows given one after the other, with slots for categories: as many numbers per row as the network has
    /// outputs.
    #[must_use]
    pub fn score(&self, rows: &[f32]) -> Vec<f32> {
        let mut scores = vec![0.0; rows.len() / self.network.inputs() * self.network.outputs()];
        self.network.score(rows, &mut scores);
        scores
    }

    /// Packs the model; the result has passed the load gate.
    pub fn artefact(&self, facts: Facts) -> Result<Artefact, Error> {
        Artefact::pack(Draft {
            name: facts.name,
            parent: facts.parent,
            dataset: self.dataset.clone(),
            feature_set: facts.feature_set,
            inputs: self.inputs.clone(),
            network: self.network.clone(),
            vocabularies: self.vocabularies.clone(),
            classes: self.config.classes.clone(),
            threshold: self.threshold.clone(),
            metrics: facts.metrics,
            seed: self.config.seed,
            config: self.config.to_facts(),
            environment: environment(),
            profile: self.profile.clone(),
            golden_rows: self.golden_rows.clone(),
        })
    }
}

/// What the bits of a trained model depend on beside dataset, configuration and seed.
fn environment() -> BTreeMap<String, String> {
    let facts = [
        ("instruction_set", format!("{:?}", InstructionSet::best()).to_lowercase()),
        ("target", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    facts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}
