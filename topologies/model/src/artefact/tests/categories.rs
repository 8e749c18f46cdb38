//! A model that reads a category carries its words and vectors, and the gate lets nothing else in their place through.

use super::*;
use crate::network::Embedding;
use crate::vocabulary::Vocabulary;

/// The draft with a category for its second input: three words, two dimensions.
fn embedded() -> Draft {
    let standardisation = Standardisation { mean: vec![10.0, 0.0], std: vec![3.0, 1.0], fill: vec![10.0, 0.0] };
    let table = vec![0.0, 0.1, -0.5, 0.25, 1.0, -1.0, 0.3, 0.7, -0.2, 0.9];
    let embeddings = vec![Embedding { input: 1, dimension: 2, table }];
    let layers = vec![
        Dense { inputs: 3, outputs: 2, weight: vec![0.5, -0.25, 1.0, 0.75, -0.5, 0.1], bias: vec![0.0, 0.1] },
        Dense { inputs: 2, outputs: 1, weight: vec![1.5, -1.0], bias: vec![-0.4] },
    ];
    let network = Network::with_embeddings(standardisation, embeddings, layers, Head::Probability).unwrap();
    let column = Column::fit_category("city", [2.0, 2.0, 3.0], 3);
    let profile = Profile { columns: vec![draft().profile.columns[0].clone(), column, Column::fit(SCORE, [0.5])] };
    Draft {
        inputs: vec!["amount".into(), "city".into()],
        network,
        vocabularies: vec![words(&["Paris", "Köln", "\"Ur\""])],
        profile,
        golden_rows: vec![12.0, 2.0, 3.5, 4.0, 1.0, 1.0, f32::NAN, f32::NAN],
        ..draft()
    }
}

fn words(words: &[&str]) -> Vocabulary {
    Vocabulary::new("city", words.iter().map(|word| (*word).to_owned()).collect()).unwrap()
}

fn embedded_files() -> Files {
    Artefact::pack(embedded()).unwrap().into_files()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Files), message: &str) {
    let mut files = embedded_files();
    change(&mut files);
    let error = Artefact::open(&files).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

fn manifest(files: &Files) -> Manifest {
    serde_json::from_slice(&files[MANIFEST_FILE]).unwrap()
}

#[test]
fn words_and_vectors_come_back_with_the_same_bits() {
    let artefact = Artefact::pack(embedded()).unwrap();
    let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!(model.manifest().format, 3);
    assert_eq!(*model.vocabularies()[0], words(&["Paris", "Köln", "\"Ur\""]));
    assert_eq!(model.network().embeddings(), embedded().network.embeddings());
    let cell = |text| model.vocabularies()[0].cell(text);
    let rows = [None, Some("Paris"), Some("Köln"), Some("\"Ur\""), Some("Rom")].map(|text| [12.0, cell(text)]).concat();
    let scores = model.network().score_rows(&rows).unwrap();
    assert_eq!(scores, embedded().network.score_rows(&rows).unwrap());
    let distinct: std::collections::BTreeSet<u32> = scores.iter().map(|score| score.to_bits()).collect();
    assert_eq!(distinct.len(), 5, "each slot has its own vector: {scores:?}");
    assert_eq!(Artefact::pack(embedded()).unwrap(), artefact, "packing is a function of the draft");
    let card = String::from_utf8(artefact.files()[CARD_FILE].clone()).unwrap();
    assert!(card.contains("| city | 3 | 2 |") && !card.contains("| city | 0.0"), "{card}");
}

#[test]
fn the_vocabularies_are_readable() {
    let text = String::from_utf8(embedded_files()[VOCABULARIES_FILE].clone()).unwrap();
    expect![[r#"
        [
          {
            "input": "city",
            "words": [
              "Paris",
              "Köln",
              "\"Ur\""
            ]
          }
        ]
    "#]]
    .assert_eq(&text);
}

#[test]
fn any_flipped_byte_of_words_and_vectors_is_noticed() {
    let whole = embedded_files();
    for name in [VOCABULARIES_FILE, WEIGHTS_FILE] {
        for at in 0..whole[name].len() {
            let mut files = whole.clone();
            files.get_mut(name).unwrap()[at] ^= 0x20;
            let error = Artefact::open(&files).unwrap_err().to_string();
            assert!(error.starts_with(&format!("file {name} has digest")), "{name} at {at}: {error}");
        }
    }
}

#[test]
fn words_that_do_not_fit_are_refused() {
    let change = |from: &'static str, to: &'static str| {
        move |f: &mut Files| {
            let text = String::from_utf8(f[VOCABULARIES_FILE].clone()).unwrap().replacen(from, to, 1);
            f.insert(VOCABULARIES_FILE.into(), text.into_bytes());
            reseal(f);
        }
    };
    refused(change("Köln", "Paris"), "vocabularies are unusable: the vocabulary of city has \"Paris\" twice");
    refused(change("\"Köln\",", ""), "vocabularies are unusable: they are not those of the manifest");
    refused(change("city", "town"), "vocabularies are unusable: they are not those of the manifest");
    refused(change("[", "{"), "vocabularies are unusable");
    refused(|f| drop(f.remove(VOCABULARIES_FILE)), "file vocabularies.json is missing");
    super::refused(
        |f| drop(f.insert(VOCABULARIES_FILE.into(), b"[]".to_vec())),
        "file vocabularies.json does not belong",
    );
    let error = Artefact::pack(Draft { vocabularies: Vec::new(), ..embedded() }).unwrap_err().to_string();
    assert_eq!(error, "vocabularies are unusable: there are 0 for 1 embeddings");
}

#[test]
fn a_manifest_that_does_not_fit_its_categories_is_refused() {
    let refused_manifest = |change: fn(&mut Manifest), message: &str| {
        refused(
            |files| {
                let mut manifest = manifest(files);
                change(&mut manifest);
                seal(files, &manifest);
            },
            message,
        );
    };
    refused_manifest(|m| m.format = 2, "manifest field format is 2, must be the lowest");
    refused_manifest(|m| m.network.categories.clear(), "manifest field format is 3, must be the lowest");
    refused_manifest(|m| m.network.categories[0].input = "town".into(), "must be inputs, in their order");
    refused_manifest(|m| m.network.categories[0].dimension = 0, "allowed are up to 10000 words and 1 to 64 dimensions");
    refused_manifest(|m| m.network.categories[0].dimension = 3, "expected F32 [2, 4]");
    refused_manifest(|m| m.network.categories[0].words = 4, "they are not those of the manifest");
    refused_manifest(|m| m.standardisation.mean[1] = 0.5, "the embedding of input 1 is unusable");
    refused_manifest(|m| m.inputs.swap(0, 1), "the embedding of input 0 is unusable");
}
