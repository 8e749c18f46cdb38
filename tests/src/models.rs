//! A small model, for tests of what is around it.

use std::collections::BTreeMap;

use flow::fence::ModelRef;
use model::artefact::DatasetFacts;
use model::{Artefact, Column, Dense, Draft, Network, Profile, Rule, Standardisation, Threshold};
use registry::models::Models;
use registry::store::Store;

/// A model of one input, the amount, which it standardises and adds `bias` to. Its reference is what it makes of
/// `amounts`, and it says that it was trained on `feature_set`.
pub fn of_amount(feature_set: &str, bias: f32, amounts: &[f32]) -> Artefact {
    let standardisation = Standardisation { mean: vec![100.0], std: vec![50.0], fill: vec![100.0] };
    let dense = Dense { inputs: 1, outputs: 1, weight: vec![1.0], bias: vec![bias] };
    let network = Network::new(standardisation, vec![dense]).unwrap_or_else(|error| panic!("{error}"));
    let mut scores = vec![0.0; amounts.len()];
    network.score(amounts, &mut scores);
    let packed = Artefact::pack(Draft {
        name: "fraud".into(),
        parent: None,
        dataset: DatasetFacts {
            digest: "0".repeat(64),
            rows: 1,
            positives: 0,
            class_rows: Vec::new(),
            first_us: 0,
            last_us: 1,
        },
        feature_set: feature_set.into(),
        inputs: vec!["amount".into()],
        network,
        vocabularies: Vec::new(),
        classes: Vec::new(),
        threshold: Some(Threshold { value: 0.9, rule: Rule::Fixed }),
        metrics: BTreeMap::new(),
        seed: 1,
        config: BTreeMap::new(),
        environment: BTreeMap::new(),
        profile: Profile { columns: vec![Column::fit("amount", amounts.to_vec()), Column::fit("score", scores)] },
        golden_rows: vec![100.0],
    });
    packed.unwrap_or_else(|error| panic!("{error}"))
}

/// Puts a model into the registry of a store, where promotions find it.
pub fn publish(store: &Store, artefact: &Artefact) -> ModelRef {
    let published = Models::new(store.clone()).publish("fraud", artefact.files());
    let published = published.unwrap_or_else(|error| panic!("{error}"));
    ModelRef { name: published.name, version: published.version, digest: artefact.digest().to_owned() }
}
