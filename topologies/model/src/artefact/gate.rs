//! The load gate: the only way from files to a model that may score.
//!
//! The order matters. Digests come before any parser but the manifest's, sizes before digests, and the arithmetic is
//! tried last, on a network whose every weight has been seen.

use super::manifest::{Manifest, hex_all, parse_hex};
use super::{Artefact, BATCH_ROWS_CHECKED, CARD_FILE, DIGEST_FILE, Error, MANIFEST_FILE, PROFILE_FILE};
use super::{SIGNATURE_FILE, TEXT_BYTES_MAX, VOCABULARIES_FILE, WEIGHTS_BYTES_MAX, WEIGHTS_FILE, weights};
use crate::network::{Head, InstructionSet, Network};
use crate::profile::{Profile, SCORE};
use crate::sha256_hex;
use crate::vocabulary::{FIRST_WORD, Vocabulary, Words};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model that passed the gate.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    network: Network,
    vocabularies: Vec<Arc<Vocabulary>>,
    profile: Profile,
    digest: String,
}

impl Model {
    /// The facts.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The words of its inputs that are categories, in the order of the inputs.
    #[must_use]
    pub fn vocabularies(&self) -> &[Arc<Vocabulary>] {
        &self.vocabularies
    }

    /// Names of its classes; none where it gives a number, or nobody named them. Where [`Network::outputs`] is above one
    /// these are the classes of its outputs, else the second of two is the one whose probability the score is.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.manifest.network.classes
    }

    /// The reference for drift.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The model's digest, which predictions name.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether a score makes its event an alert; never for a model that decides nothing.
    #[must_use]
    pub fn is_alert(&self, score: f32) -> bool {
        self.manifest.threshold.as_ref().is_some_and(|threshold| score >= threshold.value)
    }
}

impl Artefact {
    /// Opens files whose model digest is what they themselves claim; use [`Artefact::open_as`] where it is known.
    pub fn open(files: &BTreeMap<String, Vec<u8>>) -> Result<Model, Error> {
        let claimed = String::from_utf8_lossy(file(files, DIGEST_FILE)?).into_owned();
        Self::open_as(files, claimed.trim_end_matches('\n'))
    }

    /// Opens files that must be the model with this digest.
    pub fn open_as(files: &BTreeMap<String, Vec<u8>>, expected: &str) -> Result<Model, Error> {
        let digest = check_files(files, expected)?;
        let manifest = Manifest::from_bytes(file(files, MANIFEST_FILE)?)?;
        check_digests(files, &manifest)?;
        let vocabularies = read_vocabularies(files, &manifest)?;
        let (layers, embeddings) = weights::read(file(files, WEIGHTS_FILE)?, &shape(&manifest))?;
        if manifest.standardisation.mean.len() != manifest.inputs.len() {
            let value = format!("{} items", manifest.standardisation.mean.len());
            return Err(Error::Field { field: "standardisation", value, rule: "must have one value per input" });
        }
        let head = manifest.network.head.unwrap_or_default();
        let mut network = Network::with_embeddings(manifest.standardisation.clone(), embeddings, layers, head)?;
        if let Some(calibration) = &manifest.network.calibration {
            network = network.calibrated(calibration.clone())?;
        }
        let profile = read_profile(file(files, PROFILE_FILE)?, &manifest.inputs)?;
        check_golden(&network, &manifest)?;
        check_batches(&network)?;
        Ok(Model { manifest, network, vocabularies, profile, digest })
    }
}

/// What the manifest says of the weights.
fn shape(manifest: &Manifest) -> weights::Shape<'_> {
    let inputs = manifest.category_inputs().unwrap_or_default();
    let facts = inputs.into_iter().zip(&manifest.network.categories);
    weights::Shape {
        inputs: manifest.inputs.len(),
        hidden: &manifest.network.hidden,
        outputs: match manifest.network.head {
            Some(Head::Classes) => manifest.network.classes.len(),
            _ => 1,
        },
        embeddings: facts.map(|(input, one)| (input, one.words + FIRST_WORD, one.dimension)).collect(),
    }
}

/// The vocabularies, which must be those of the manifest's categories.
fn read_vocabularies(files: &BTreeMap<String, Vec<u8>>, manifest: &Manifest) -> Result<Vec<Arc<Vocabulary>>, Error> {
    let categories = &manifest.network.categories;
    if categories.is_empty() {
        return Ok(Vec::new());
    }
    let written: Vec<Words> = serde_json::from_slice(file(files, VOCABULARIES_FILE)?)
        .map_err(|error| Error::Vocabularies(error.to_string()))?;
    let told = written.iter().map(|one| (&one.input, one.words.len()));
    if !told.eq(categories.iter().map(|one| (&one.input, one.words))) {
        return Err(Error::Vocabularies("they are not those of the manifest's categories".to_owned()));
    }
    let made = written.into_iter().map(|Words { input, words }| Vocabulary::new(input, words).map(Arc::new));
    made.collect::<Result<_, _>>().map_err(|error| Error::Vocabularies(error.to_string()))
}

fn file<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &str) -> Result<&'a [u8], Error> {
    files.get(name).map(Vec::as_slice).ok_or_else(|| Error::FileMissing(name.into()))
}

/// Names and sizes of all files, and the manifest's digest, which is returned.
fn check_files(files: &BTreeMap<String, Vec<u8>>, expected: &str) -> Result<String, Error> {
    for (name, bytes) in files {
        let max_bytes = match name.as_str() {
            WEIGHTS_FILE => WEIGHTS_BYTES_MAX,
            MANIFEST_FILE | DIGEST_FILE | PROFILE_FILE | CARD_FILE | VOCABULARIES_FILE => TEXT_BYTES_MAX,
            SIGNATURE_FILE => return Err(Error::SignatureUnsupported),
            _ => return Err(Error::FileUnknown(name.clone())),
        };
        if bytes.len() > max_bytes {
            return Err(Error::FileTooLarge { file: name.clone(), bytes: bytes.len(), max_bytes });
        }
    }
    let actual = sha256_hex(file(files, MANIFEST_FILE)?);
    let claimed = String::from_utf8_lossy(file(files, DIGEST_FILE)?).into_owned();
    // Both are compared, so that a damaged digest file is noticed even by a caller who knows better.
    if actual != expected || format!("{actual}\n") != claimed {
        let expected = if actual == expected { claimed.trim_end().to_owned() } else { expected.to_owned() };
        return Err(Error::ModelDigest { expected, actual });
    }
    Ok(actual)
}

fn check_digests(files: &BTreeMap<String, Vec<u8>>, manifest: &Manifest) -> Result<(), Error> {
    let listed: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
    let has_words = !manifest.network.categories.is_empty();
    let mut expected = vec![CARD_FILE, PROFILE_FILE, WEIGHTS_FILE];
    if has_words {
        expected.insert(2, VOCABULARIES_FILE);
    }
    if listed != expected {
        let rule =
            "must be card.md, profile.json and weights.safetensors, and vocabularies.json where there are categories";
        return Err(Error::Field { field: "files", value: format!("{listed:?}"), rule });
    }
    if !has_words && files.contains_key(VOCABULARIES_FILE) {
        return Err(Error::FileUnknown(VOCABULARIES_FILE.to_owned()));
    }
    for (name, facts) in &manifest.files {
        let bytes = file(files, name)?;
        let actual = sha256_hex(bytes);
        if actual != facts.sha256 || bytes.len() as u64 != facts.bytes {
            return Err(Error::FileDigest { file: name.clone(), expected: facts.sha256.clone(), actual });
        }
    }
    Ok(())
}

fn read_profile(bytes: &[u8], inputs: &[String]) -> Result<Profile, Error> {
    let profile: Profile = serde_json::from_slice(bytes).map_err(|e| Error::Profile(e.to_string()))?;
    let names = profile.columns.iter().map(|c| c.name.as_str());
    if !names.eq(inputs.iter().map(String::as_str).chain([SCORE])) {
        return Err(Error::Profile(format!("its columns must be the inputs in order, then {SCORE}")));
    }
    match profile.columns.iter().find(|c| !c.is_sound()) {
        Some(column) => Err(Error::Profile(format!("the bins of {} make no sense", column.name))),
        None => Ok(profile),
    }
}

fn check_golden(network: &Network, manifest: &Manifest) -> Result<(), Error> {
    for (index, golden) in manifest.golden.iter().enumerate() {
        let row: Vec<f32> = golden.inputs.iter().map(|v| parse_hex(v)).collect::<Result<_, _>>()?;
        let mut scores = vec![0.0; network.outputs()];
        network.score(&row, &mut scores);
        if hex_all(&scores) != golden.score {
            return Err(Error::Golden { index, expected: golden.score.clone(), actual: hex_all(&scores) });
        }
    }
    Ok(())
}

/// Every row must have the same bits alone, in batches of every size, and in every form this machine offers.
fn check_batches(network: &Network) -> Result<(), Error> {
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let rows = pseudo_rows(network);
    let unscored = || vec![0.0; BATCH_ROWS_CHECKED * outputs];
    let mut alone = unscored();
    for (row, scores) in rows.chunks_exact(inputs).zip(alone.chunks_exact_mut(outputs)) {
        network.score(row, scores);
    }
    for batch in 2..=BATCH_ROWS_CHECKED {
        let mut scores = unscored();
        for (rows, scores) in rows.chunks(batch * inputs).zip(scores.chunks_mut(batch * outputs)) {
            network.score(rows, scores);
        }
        if let Some((row, expected, actual)) = differing(&alone, &scores, outputs) {
            return Err(Error::BatchDependent { row, batch, expected, actual });
        }
    }
    for set in InstructionSet::available() {
        let mut scores = unscored();
        network.score_with(set, &rows, &mut scores);
        if let Some((row, expected, actual)) = differing(&alone, &scores, outputs) {
            return Err(Error::SetDependent { row, set: format!("{set:?}"), expected, actual });
        }
    }
    Ok(())
}

/// The first row whose bits differ, and both of them.
fn differing(a: &[f32], b: &[f32], outputs: usize) -> Option<(usize, String, String)> {
    let both = a.chunks_exact(outputs).map(hex_all).zip(b.chunks_exact(outputs).map(hex_all));
    both.enumerate().find(|(_, (a, b))| a != b).map(|(row, (a, b))| (row, a, b))
}

/// Rows around the training mean, four deviations to either side, every eleventh value null. A category takes all of its
/// slots, and what is no slot.
fn pseudo_rows(network: &Network) -> Vec<f32> {
    let s = network.standardisation();
    let mut state = 0u64;
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let slots = |input: usize| network.embeddings().iter().find(|one| one.input == input).map(|one| one.slots());
    let slots: Vec<Option<usize>> = (0..network.inputs()).map(slots).collect();
    let values = (0..BATCH_ROWS_CHECKED * network.inputs()).map(|at| {
        let input = at % network.inputs();
        let bits = next();
        if let Some(slots) = slots[input] {
            return if bits % 11 == 0 { f32::NAN } else { ((bits >> 24) % (slots as u64 + 1)) as f32 };
        }
        let deviations = (bits >> 40) as f64 / f64::from(1 << 21) - 4.0;
        if bits % 11 == 0 { f32::NAN } else { (s.mean[input] + deviations * s.std[input]) as f32 }
    });
    values.collect()
}
