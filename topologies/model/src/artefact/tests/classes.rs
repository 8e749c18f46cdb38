//! A model that tells classes apart carries their names, and the gate checks them with every probability of its rows.

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The draft with three classes for its output.
fn multiclass() -> Draft {
    let good = draft();
    let mut dense = good.network.dense().to_vec();
    let weight = vec![1.5, -1.0, 0.3, -0.2, 0.8, 1.1, 0.4, 0.1, -0.9];
    dense[1] = Dense { inputs: 3, outputs: 3, weight, bias: vec![-0.4, 0.2, 0.1] };
    let network = Network::with_head(good.network.standardisation().clone(), dense, Head::Classes).unwrap();
    let dataset = DatasetFacts { positives: 0, class_rows: vec![1, 2, 0], ..good.dataset.clone() };
    Draft { network, dataset, classes: names(&["bus", "tram", "train"]), threshold: None, ..good }
}

#[track_caller]
fn refused_manifest(change: impl FnOnce(&mut Manifest), message: &str) {
    refused_manifest_of(Artefact::pack(multiclass()).unwrap().into_files(), change, message);
}

#[test]
fn a_model_of_classes_carries_their_names_and_opens() {
    let artefact = Artefact::pack(multiclass()).unwrap();
    let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!((model.manifest().format, model.network().outputs()), (4, 3));
    assert_eq!(model.classes(), ["bus", "tram", "train"]);
    let rows = [12.0, 0.0, 3.5, 1.0];
    let scores = model.network().score_rows(&rows).unwrap();
    assert_eq!(scores, multiclass().network.score_rows(&rows).unwrap());
    assert_eq!(scores.len(), 6);
    assert!(!model.is_alert(1.0), "it decides nothing");
    let golden = &model.manifest().golden[0].score;
    let bits: String = scores[..3].iter().map(|score| format!("{:08x}", score.to_bits())).collect();
    assert_eq!(*golden, bits, "all probabilities of a row are checked");
    let card = String::from_utf8(artefact.files()[CARD_FILE].clone()).unwrap();
    assert!(
        card.contains("the most probable of 3 classes") && card.contains("| class tram | 2 (66.667 %) |"),
        "{card}"
    );
    assert!(!card.contains("positive") && !card.contains("alert"), "{card}");
}

#[test]
fn a_calibrated_model_of_classes_opens() {
    let calibration = crate::Calibration::Logistic { slope: 0.5, offset: 0.0 };
    let network = multiclass().network.calibrated(calibration).unwrap();
    let artefact = Artefact::pack(Draft { network: network.clone(), ..multiclass() }).unwrap();
    let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    let rows = [12.0, 0.0];
    assert_eq!(model.network().score_rows(&rows).unwrap(), network.score_rows(&rows).unwrap());
    assert_ne!(model.network().score_rows(&rows).unwrap(), multiclass().network.score_rows(&rows).unwrap());
}

#[test]
fn one_probability_may_name_its_two_classes() {
    let classes = names(&["genuine", "fraud"]);
    let artefact = Artefact::pack(Draft { classes: classes.clone(), ..draft() }).unwrap();
    let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!((model.manifest().format, model.network().outputs(), model.classes()), (4, 1, &classes[..]));
}

#[test]
fn classes_that_do_not_fit_are_refused() {
    refused_manifest(|m| drop(m.network.classes.pop()), "must be one number per class");
    refused_manifest(|m| m.network.classes[0] = "tram".into(), "names must differ");
    refused_manifest(|m| m.network.classes[1].clear(), "names must have 1 to 256 bytes");
    refused_manifest(|m| m.network.classes[2] = "x".repeat(257), "names must have 1 to 256 bytes");
    refused_manifest(|m| m.network.head = None, "must be two names or none for one probability");
    refused_manifest(|m| m.network.classes.truncate(1), "network.classes is [\"bus\"], must be 2 to 256 names");
    refused_manifest(|m| m.network.head = Some(Head::Number { mean: 0.0, std: 1.0 }), "must be absent where");
    refused_manifest(|m| m.network.classes.clear(), "format is 4, must be the lowest");
    refused_manifest(|m| m.threshold = draft().threshold, "threshold is Some(0.1), must be null for classes");
    refused_manifest(
        |m| {
            m.dataset.class_rows.clear();
            m.network.classes.push("ferry".into());
        },
        "expected F32 [4, 3]",
    );
    // The names alone say nothing about weights; a swap is a different model, which its digest tells.
    let mut swapped = multiclass();
    swapped.classes.swap(0, 1);
    let (one, other) = (Artefact::pack(multiclass()).unwrap(), Artefact::pack(swapped).unwrap());
    assert_ne!(one.digest(), other.digest());
    let error = Artefact::pack(Draft { classes: Vec::new(), ..multiclass() }).unwrap_err().to_string();
    assert_eq!(error, "manifest field network.classes is 0 items, must be one name per output");
}

#[test]
fn a_golden_row_checks_the_last_probability_too() {
    refused_manifest(
        |m| {
            let score = &mut m.golden[0].score;
            let last = score.pop().unwrap();
            score.push(if last == '0' { '1' } else { '0' });
        },
        "golden vector 0 scores",
    );
    refused_manifest(|m| m.golden[1].score.truncate(8), "golden vector 1 scores");
}
