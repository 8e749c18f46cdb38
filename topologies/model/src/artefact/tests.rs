//! The load gate: what it lets through, and that nothing damaged passes.
#![allow(clippy::unwrap_used)]

mod categories;
mod classes;

use super::*;
use crate::network::{Dense, Head, Network, Standardisation};
use crate::profile::{Column, Profile, SCORE};
use crate::{Draft, Metric, Model, Rule, Threshold, sha256_hex};
use expect_test::expect;

fn draft() -> Draft {
    let standardisation = Standardisation { mean: vec![10.0, 0.1], std: vec![3.0, 0.3], fill: vec![10.0, 0.1] };
    let layers = vec![
        Dense { inputs: 2, outputs: 3, weight: vec![0.5, -0.25, 1.0, 0.75, -0.5, 0.1], bias: vec![0.0, 0.1, -0.2] },
        Dense { inputs: 3, outputs: 1, weight: vec![1.5, -1.0, 0.3], bias: vec![-0.4] },
    ];
    let network = Network::new(standardisation, layers).unwrap();
    let golden_rows = vec![12.0, 0.0, 3.5, 1.0, f32::NAN, f32::NAN];
    let column = |name: &str| Column::fit(name, [1.0, 2.0, 3.0]);
    Draft {
        name: "fraud".into(),
        parent: None,
        dataset: DatasetFacts {
            digest: "d".repeat(64),
            rows: 3,
            positives: 1,
            class_rows: Vec::new(),
            first_us: 1,
            last_us: 3,
        },
        feature_set: "f".repeat(64),
        inputs: vec!["amount".into(), "risk".into()],
        network,
        vocabularies: Vec::new(),
        classes: Vec::new(),
        threshold: Some(Threshold { value: 0.1, rule: Rule::TopPerDay(100) }),
        metrics: [("roc_auc".into(), Metric { value: 0.9, low: 0.85, high: 0.95 })].into(),
        seed: 1,
        config: [("epochs".into(), "20".into())].into(),
        environment: [("target".into(), "any".into())].into(),
        profile: Profile { columns: vec![column("amount"), column("risk"), column(SCORE)] },
        golden_rows,
    }
}

type Files = BTreeMap<String, Vec<u8>>;

fn files() -> Files {
    Artefact::pack(draft()).unwrap().into_files()
}

/// Makes the digests right again after a change, so that what lies behind them is reached.
fn reseal(files: &mut Files) {
    let mut manifest: Manifest = serde_json::from_slice(&files[MANIFEST_FILE]).unwrap();
    for (name, facts) in &mut manifest.files {
        *facts = FileFacts { bytes: files[name].len() as u64, sha256: sha256_hex(&files[name]) };
    }
    seal(files, &manifest);
}

fn seal(files: &mut Files, manifest: &Manifest) {
    let bytes = manifest.to_bytes().unwrap();
    files.insert(DIGEST_FILE.into(), format!("{}\n", sha256_hex(&bytes)).into_bytes());
    files.insert(MANIFEST_FILE.into(), bytes);
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Files), message: &str) {
    refused_of(files(), change, message);
}

#[track_caller]
fn refused_of(mut files: Files, change: impl FnOnce(&mut Files), message: &str) {
    change(&mut files);
    let error = Artefact::open(&files).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[track_caller]
fn refused_manifest(change: impl FnOnce(&mut Manifest), message: &str) {
    refused_manifest_of(files(), change, message);
}

#[track_caller]
fn refused_manifest_of(files: Files, change: impl FnOnce(&mut Manifest), message: &str) {
    refused_of(
        files,
        |files| {
            let mut manifest: Manifest = serde_json::from_slice(&files[MANIFEST_FILE]).unwrap();
            change(&mut manifest);
            seal(files, &manifest);
        },
        message,
    );
}

/// Replaces the weights' header, whose length stays right.
fn with_header(files: &mut Files, change: impl FnOnce(String) -> String) {
    let bytes = &files[WEIGHTS_FILE];
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = change(String::from_utf8(bytes[8..8 + length].to_vec()).unwrap());
    let mut new = (header.len() as u64).to_le_bytes().to_vec();
    new.extend(header.as_bytes());
    new.extend(&bytes[8 + length..]);
    files.insert(WEIGHTS_FILE.into(), new);
    reseal(files);
}

#[test]
fn packed_model_opens_and_scores_the_same_bits() {
    let artefact = Artefact::pack(draft()).unwrap();
    let model: Model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    let (rows, mut scores) = ([12.0, 0.0, 3.5, 1.0], [0.0; 2]);
    draft().network.score(&rows, &mut scores);
    assert_eq!(model.network().score_rows(&rows).unwrap(), scores);
    assert_eq!(model.digest(), sha256_hex(&artefact.files()[MANIFEST_FILE]));
    assert!(model.is_alert(0.1) && !model.is_alert(0.099));
    assert_eq!(model.profile(), &draft().profile);
    assert_eq!(Artefact::pack(draft()).unwrap(), artefact, "packing is a function of the draft");
}

/// The draft with a network that gives a number and decides nothing.
fn regression() -> Draft {
    let probability = draft();
    let (standardisation, dense) =
        (probability.network.standardisation().clone(), probability.network.dense().to_vec());
    let network = Network::with_head(standardisation, dense, Head::Number { mean: 190.0, std: 180.0 }).unwrap();
    Draft { network, threshold: None, ..probability }
}

#[test]
fn a_model_of_a_number_carries_its_target_and_opens() {
    let artefact = Artefact::pack(regression()).unwrap();
    let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!(model.network().head(), Head::Number { mean: 190.0, std: 180.0 });
    assert_eq!(model.manifest().format, 2);
    assert!(!model.is_alert(f32::MAX), "it decides nothing");
    let rows = [12.0, 0.0, 3.5, 1.0];
    let expected = regression().network.score_rows(&rows).unwrap();
    assert_eq!(model.network().score_rows(&rows).unwrap(), expected);
    let card = String::from_utf8(artefact.files()[CARD_FILE].clone()).unwrap();
    assert!(card.contains("a number in the target's units") && card.contains("decides nothing"), "{card}");
    // A target that no f32 can hold is refused before anything is scored.
    let (standardisation, dense) = (draft().network.standardisation().clone(), draft().network.dense().to_vec());
    let error = Network::with_head(standardisation, dense, Head::Number { mean: 1e300, std: 1.0 }).unwrap_err();
    assert!(error.to_string().contains("mean"), "{error}");
}

#[test]
fn a_calibrated_model_carries_its_calibration_and_opens() {
    let calibration = crate::Calibration::Curve { score: vec![0.2, 0.8], value: vec![0.1, 0.9] };
    let network = draft().network.calibrated(calibration.clone()).unwrap();
    let artefact = Artefact::pack(Draft { network: network.clone(), ..draft() }).unwrap();
    let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!((model.manifest().format, model.network().calibration()), (2, Some(&calibration)));
    let rows = [12.0, 0.0, 3.5, 1.0];
    assert_eq!(model.network().score_rows(&rows).unwrap(), network.score_rows(&rows).unwrap());
    assert_ne!(model.network().score_rows(&rows).unwrap(), draft().network.score_rows(&rows).unwrap());
}

#[test]
fn a_manifest_of_the_first_format_keeps_its_bytes() {
    let artefact = Artefact::pack(draft()).unwrap();
    let manifest = String::from_utf8(artefact.files()[MANIFEST_FILE].clone()).unwrap();
    assert!(manifest.contains("\"format\": 1,") && !manifest.contains("head"), "{manifest}");
    assert!(!manifest.contains("categories") && !manifest.contains("vocabularies"), "{manifest}");
    // What this draft had before there were categories: a model's digest is for good.
    assert_eq!(artefact.digest(), "524f9b92ba5db1ac8619a3bfe5e4ac1ee97fb1e3e8f0f62fdd37fed4b503a256");
}

#[test]
fn manifest_is_readable() {
    let files = files();
    let manifest = String::from_utf8(files[MANIFEST_FILE].clone()).unwrap();
    let head: Vec<&str> = manifest.lines().take(14).collect();
    expect![[r#"
        {
          "format": 1,
          "name": "fraud",
          "parent": null,
          "dataset": {
            "digest": "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
            "rows": 3,
            "positives": 1,
            "first_us": 1,
            "last_us": 3
          },
          "feature_set": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "inputs": [
            "amount","#]]
    .assert_eq(&head.join("\n"));
}

#[test]
fn card_states_the_facts() {
    let card = String::from_utf8(files()[CARD_FILE].clone()).unwrap();
    for fact in
        ["hidden layers of 3", "| roc_auc | 0.9000 | 0.8500 | 0.9500 |", "100 alerts a day", "| amount | 10.000000"]
    {
        assert!(card.contains(fact), "{fact} is not in\n{card}");
    }
}

#[test]
fn any_flipped_byte_of_any_file_is_noticed() {
    let whole = files();
    for (name, bytes) in &whole {
        for at in 0..bytes.len() {
            let mut files = whole.clone();
            files.get_mut(name).unwrap()[at] ^= 0x20;
            let error = Artefact::open(&files).unwrap_err().to_string();
            let named = match name.as_str() {
                MANIFEST_FILE | DIGEST_FILE => "model digest is".to_owned(),
                other => format!("file {other} has digest"),
            };
            assert!(error.starts_with(&named), "{name} at {at}: {error}");
        }
    }
}

#[test]
fn missing_surplus_and_oversize_files_are_refused() {
    for name in [MANIFEST_FILE, DIGEST_FILE, WEIGHTS_FILE, PROFILE_FILE, CARD_FILE] {
        refused(|f| drop(f.remove(name)), &format!("file {name} is missing"));
    }
    refused(|f| drop(f.insert("../x".into(), vec![])), "file ../x does not belong in an artefact");
    refused(|f| drop(f.insert(SIGNATURE_FILE.into(), vec![])), "manifest.sig cannot be verified");
    refused(|f| drop(f.insert(CARD_FILE.into(), vec![0; TEXT_BYTES_MAX + 1])), "file card.md has 4194305 bytes");
}

#[test]
fn another_model_than_asked_for_is_refused() {
    let error = Artefact::open_as(&files(), &"0".repeat(64)).unwrap_err().to_string();
    assert!(error.contains("expected 0000"), "{error}");
}

#[test]
fn manifest_that_does_not_fit_is_refused() {
    refused_manifest(|m| m.format = 5, "artefact format 5 is not known");
    refused_manifest(|m| m.format = 4, "manifest field format is 4, must be the lowest");
    refused_manifest(|m| m.format = 3, "manifest field format is 3, must be the lowest");
    refused_manifest(|m| m.format = 2, "manifest field format is 2, must be the lowest");
    refused_manifest(|m| m.threshold = None, "manifest field format is 1, must be the lowest");
    refused_manifest(|m| m.network.head = Some(Head::Number { mean: 0.0, std: 1.0 }), "manifest field format is 1");
    refused_manifest(|m| m.network.numerics = "other".into(), "numerics \"other\" are not those of this version");
    refused_manifest(|m| m.name = "Fraud/..".into(), "manifest field name is Fraud/..");
    refused_manifest(|m| m.inputs[1] = "amount".into(), "names must differ");
    refused_manifest(|m| m.network.hidden = vec![0], "allowed are widths 1 to 1024");
    refused_manifest(|m| m.network.hidden = vec![1; 5], "allowed are up to 4");
    refused_manifest(|m| m.golden.clear(), "manifest field golden is 0 items");
    refused_manifest(|m| m.golden[0].inputs[0] = "zz".into(), "must be eight hexadecimal digits");
    refused_manifest(|m| m.standardisation.mean.push(0.0), "manifest field standardisation is 3 items");
    refused_manifest(|m| m.standardisation.std[0] = -1.0, "standardisation of input 0 is unusable");
    refused_manifest(|m| m.standardisation.mean[0] = 11.0, "golden vector 0 scores");
    refused_manifest(|m| drop(m.files.remove(CARD_FILE)), "manifest field files is");
    refused(
        |files| {
            let mut bytes = files[MANIFEST_FILE].clone();
            bytes.push(b'\n');
            files.insert(DIGEST_FILE.into(), format!("{}\n", sha256_hex(&bytes)).into_bytes());
            files.insert(MANIFEST_FILE.into(), bytes);
        },
        "manifest is not in its canonical form",
    );
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let bias = "layers.0.bias";
    refused(|f| with_header(f, |h| h.replace(bias, "layers.0.bigs")), "has tensor layers.0.bigs, which the network");
    refused(|f| with_header(f, |h| h.replace(bias, "layers.1.bias")), "names tensor layers.1.bias twice");
    refused(|f| with_header(f, |h| h.replace("\"shape\":[3,2]", "\"shape\":[2,3]")), "expected F32 [3, 2]");
    refused(|f| with_header(f, |h| h.replace("F32", "I32")), "expected F32");
    refused(|f| with_header(f, |h| h.replace('{', "[")), "weights file is damaged");
    refused(|f| with_header(f, |h| h.replacen('{', "{\"__metadata__\":{\"a\":\"b\"},", 1)), "has tensor __metadata__");
    refused(|f| with_header(f, |h| h + &" ".repeat(WEIGHTS_HEADER_BYTES_MAX)), "weights header claims");
    refused(
        |f| {
            f.get_mut(WEIGHTS_FILE).unwrap().truncate(7);
            reseal(f);
        },
        "7 bytes are too few",
    );
    refused(
        |f| {
            f.get_mut(WEIGHTS_FILE).unwrap().pop();
            reseal(f);
        },
        "weights file is damaged",
    );
    refused(|f| set_last_weight(f, f32::INFINITY), "has the value inf");
    refused(|f| set_last_weight(f, 1e6), "has the value 1000000");
    refused(|f| set_last_weight(f, 0.9), "golden vector 1 scores");
    refused_manifest(|m| m.network.hidden.push(3), "weights file lacks tensor layers.2.bias");
}

/// The last tensor of the file by name is a weight; changes its last value.
fn set_last_weight(files: &mut Files, value: f32) {
    let bytes = files.get_mut(WEIGHTS_FILE).unwrap();
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&value.to_le_bytes());
    reseal(files);
}

#[test]
fn profile_that_does_not_fit_is_refused() {
    let change = |from: &'static str, to: &'static str| {
        move |f: &mut Files| {
            let text = String::from_utf8(f[PROFILE_FILE].clone()).unwrap().replacen(from, to, 1);
            f.insert(PROFILE_FILE.into(), text.into_bytes());
            reseal(f);
        }
    };
    refused(change("\"risk\"", "\"cost\""), "columns must be the inputs in order, then score");
    refused(change("1.0", "9.0"), "the bins of amount make no sense");
    refused(change("{", "["), "reference profile is unusable");
}
