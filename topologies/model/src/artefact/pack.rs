//! From a trained network and the facts about it to files.

use super::manifest::{CategoryFacts, DatasetFacts, FileFacts, Golden, Manifest, Metric, NetworkFacts, Threshold};
use super::manifest::{hex, hex_all};
use super::{Artefact, CARD_FILE, DIGEST_FILE, Error, MANIFEST_FILE, PROFILE_FILE, VOCABULARIES_FILE, WEIGHTS_FILE};
use super::{card, weights};
use crate::network::{Head, NUMERICS, Network};
use crate::profile::Profile;
use crate::sha256_hex;
use crate::vocabulary::Vocabulary;
use std::collections::BTreeMap;

/// Everything that goes into an artefact; the fields are explained at [`Manifest`].
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Draft {
    pub name: String,
    pub parent: Option<String>,
    pub dataset: DatasetFacts,
    pub feature_set: String,
    pub inputs: Vec<String>,
    pub network: Network,
    /// Of the inputs that are categories, in the order of the network's embeddings.
    pub vocabularies: Vec<Vocabulary>,
    /// Names of the classes, in the order of the network's outputs, where they have some.
    pub classes: Vec<String>,
    pub threshold: Option<Threshold>,
    pub metrics: BTreeMap<String, Metric>,
    pub seed: u64,
    pub config: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    pub profile: Profile,
    /// Rows that become golden vectors, one after the other.
    pub golden_rows: Vec<f32>,
}

impl Artefact {
    /// Writes the files, and passes them through the load gate, so what comes out can be opened.
    pub fn pack(draft: Draft) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        files.insert(WEIGHTS_FILE.to_owned(), weights::write(draft.network.dense(), draft.network.embeddings())?);
        files.insert(PROFILE_FILE.to_owned(), profile_bytes(&draft.profile)?);
        if !draft.vocabularies.is_empty() {
            files.insert(VOCABULARIES_FILE.to_owned(), vocabularies_bytes(&draft.vocabularies)?);
        }
        let mut manifest = manifest(draft)?;
        manifest.validate()?;
        files.insert(CARD_FILE.to_owned(), card::render(&manifest).into_bytes());
        for (name, bytes) in &files {
            let facts = FileFacts { bytes: bytes.len() as u64, sha256: sha256_hex(bytes) };
            manifest.files.insert(name.clone(), facts);
        }
        let bytes = manifest.to_bytes()?;
        let digest = sha256_hex(&bytes);
        files.insert(MANIFEST_FILE.to_owned(), bytes);
        files.insert(DIGEST_FILE.to_owned(), format!("{digest}\n").into_bytes());
        Self::open(&files)?;
        Ok(Self { files, digest })
    }
}

fn profile_bytes(profile: &Profile) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(profile).map_err(|e| Error::Profile(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn vocabularies_bytes(vocabularies: &[Vocabulary]) -> Result<Vec<u8>, Error> {
    let written: Vec<_> = vocabularies.iter().map(Vocabulary::as_written).collect();
    let mut bytes = serde_json::to_vec_pretty(&written).map_err(|e| Error::Vocabularies(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn categories(draft: &Draft) -> Result<Vec<CategoryFacts>, Error> {
    let (embeddings, vocabularies) = (draft.network.embeddings(), &draft.vocabularies);
    if embeddings.len() != vocabularies.len() {
        let (embeddings, vocabularies) = (embeddings.len(), vocabularies.len());
        return Err(Error::Vocabularies(format!("there are {vocabularies} for {embeddings} embeddings")));
    }
    let facts = |(words, embedding): (&Vocabulary, &crate::Embedding)| CategoryFacts {
        input: words.input().to_owned(),
        words: words.words().len(),
        dimension: embedding.dimension,
    };
    Ok(vocabularies.iter().zip(embeddings).map(facts).collect())
}

fn manifest(draft: Draft) -> Result<Manifest, Error> {
    let (width, outputs) = (draft.network.inputs(), draft.network.outputs());
    if draft.network.head() == Head::Classes && draft.classes.len() != outputs {
        let value = format!("{} items", draft.classes.len());
        return Err(Error::Field { field: "network.classes", value, rule: "must be one name per output" });
    }
    let rows = draft.golden_rows.len() / width;
    let mut scores = vec![0.0; rows * outputs];
    draft.network.score(&draft.golden_rows[..rows * width], &mut scores);
    let golden = draft.golden_rows.chunks_exact(width).zip(scores.chunks_exact(outputs));
    let golden =
        golden.map(|(row, scores)| Golden { inputs: row.iter().map(|&v| hex(v)).collect(), score: hex_all(scores) });
    let head = Some(draft.network.head()).filter(|head| *head != Head::Probability);
    let calibration = draft.network.calibration().cloned();
    let categories = categories(&draft)?;
    let (hidden, numerics) = (draft.network.hidden(), NUMERICS.into());
    let network = NetworkFacts { hidden, numerics, head, calibration, categories, classes: draft.classes };
    Ok(Manifest {
        format: Manifest::lowest_format(&network, draft.threshold.as_ref()),
        name: draft.name,
        parent: draft.parent,
        dataset: draft.dataset,
        feature_set: draft.feature_set,
        inputs: draft.inputs,
        network,
        standardisation: draft.network.standardisation().clone(),
        threshold: draft.threshold,
        metrics: draft.metrics,
        seed: draft.seed,
        config: draft.config,
        environment: draft.environment,
        golden: golden.collect(),
        files: BTreeMap::new(),
    })
}
