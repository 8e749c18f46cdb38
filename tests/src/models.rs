//! A small model, for tests of what is around it.

use std::collections::BTreeMap;

use flow::fence::ModelRef;
use model::artefact::DatasetFacts;
use model::{Artefact, Column, Dense, Draft, Head, Network, Profile, Rule, Standardisation, Threshold};
use registry::models::Models;
use registry::store::Store;

/// A model of one input, the amount, which it standardises and adds `bias` to. Its reference is what it makes of
/// `amounts`, and it says that it was trained on `feature_set`.
pub fn of_amount(feature_set: &str, bias: f32, amounts: &[f32]) -> Artefact {
    let standardisation = Standardisation { mean: vec![100.0], std: vec![50.0], fill: vec![100.0] };
    let dense = Dense { inputs: 1, outputs: 1, weight: vec![1.0], bias: vec![bias] };
    let network = Network::new(standardisation, vec![dense]).unwrap_or_else(|error| panic!("{error}"));
    let threshold = Some(Threshold { value: 0.9, rule: Rule::Fixed });
    packed("fraud", (feature_set, amounts), (network, threshold), &[])
}

/// A model of the amount that gives a probability to each of these classes, so called.
pub fn of_classes(name: &str, feature_set: &str, classes: &[&str]) -> Artefact {
    let standardisation = Standardisation { mean: vec![100.0], std: vec![50.0], fill: vec![100.0] };
    let weight = (0..classes.len()).map(|class| class as f32 - 1.0).collect();
    let dense = Dense { inputs: 1, outputs: classes.len(), weight, bias: vec![0.25; classes.len()] };
    let network = Network::with_head(standardisation, vec![dense], Head::Classes);
    let network = network.unwrap_or_else(|error| panic!("{error}"));
    packed(name, (feature_set, &[50.0, 100.0]), (network, None), classes)
}

fn packed(
    name: &str,
    (feature_set, amounts): (&str, &[f32]),
    (network, threshold): (Network, Option<Threshold>),
    classes: &[&str],
) -> Artefact {
    let mut scores = vec![0.0; amounts.len() * network.outputs()];
    network.score(amounts, &mut scores);
    let packed = Artefact::pack(Draft {
        name: name.into(),
        parent: None,
        dataset: DatasetFacts { digest: "0".repeat(64), rows: 1, last_us: 1, ..DatasetFacts::default() },
        feature_set: feature_set.into(),
        inputs: vec!["amount".into()],
        network,
        vocabularies: Vec::new(),
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        threshold,
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
