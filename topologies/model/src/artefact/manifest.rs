//! The manifest: what there is to know about a model, in one canonical JSON document.
//!
//! Canonical means that the bytes are what this program writes for the content: fields in the order below, maps by key,
//! two spaces of indentation, shortest decimals that read back to the same bits, a final newline. It holds no time and
//! no version number, so the same training gives the same digest wherever and whenever it runs.

use super::{Error, FORMAT, GOLDEN_MAX, GOLDEN_MIN, classes};
use crate::network::{
    Calibration, DIMENSION_MAX, EMBEDDINGS_MAX, Head, INPUTS_MAX, LAYERS_MAX, NUMERICS, Standardisation, WIDTH_MAX,
};
use crate::vocabulary::WORDS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Facts about a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// The model's name; lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// Digest of the model that this one is meant to replace.
    pub parent: Option<String>,
    /// What it was trained on.
    pub dataset: DatasetFacts,
    /// Digest of the feature set that computes the inputs.
    pub feature_set: String,
    /// Names of the inputs, in order.
    pub inputs: Vec<String>,
    /// The network's shape and arithmetic.
    pub network: NetworkFacts,
    /// How inputs are standardised.
    pub standardisation: Standardisation,
    /// From which score on an event is an alert; null for a model that decides nothing.
    pub threshold: Option<Threshold>,
    /// Named measurements, each on rows that training did not see or named so that one can tell.
    pub metrics: BTreeMap<String, Metric>,
    /// Seed of the training.
    pub seed: u64,
    /// Settings of the training.
    pub config: BTreeMap<String, String>,
    /// Where it was trained: versions, target, instruction set.
    pub environment: BTreeMap<String, String>,
    /// Rows and the exact bits of their scores.
    pub golden: Vec<Golden>,
    /// Every other file.
    pub files: BTreeMap<String, FileFacts>,
}

/// Facts about the training data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetFacts {
    /// Its digest.
    pub digest: String,
    /// Rows.
    pub rows: u64,
    /// Rows with a positive label; 0 where labels are numbers or more than two classes.
    pub positives: u64,
    /// Rows of each class; absent where classes have no names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_rows: Vec<u64>,
    /// Event time of the first row.
    pub first_us: i64,
    /// Event time of the last row.
    pub last_us: i64,
}

/// The network's shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFacts {
    /// Widths of the hidden layers; none for a linear model.
    pub hidden: Vec<usize>,
    /// Name of the arithmetic.
    pub numerics: String,
    /// What the score is; absent for a probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// How its scores were calibrated; absent where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Inputs that are categories, in the order of the inputs; absent where all are numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryFacts>,
    /// Names of the classes, in the order of the outputs; of a single probability the second is the one that it is of.
    /// Absent where they have no names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// An input that is a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryFacts {
    /// Its name.
    pub input: String,
    /// Words of its vocabulary.
    pub words: usize,
    /// Numbers that stand for a word.
    pub dimension: usize,
}

/// A decision rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// An event whose score is at least this is an alert.
    pub value: f32,
    /// Where the value comes from.
    pub rule: Rule,
}

/// Where a threshold comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// So many alerts a day on average, a capacity.
    TopPerDay(u32),
    /// Given by hand.
    Fixed,
}

/// A measurement with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The measured value.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// A row and its score, as bits of `f32` in eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Raw inputs, nulls as NaN.
    pub inputs: Vec<String>,
    /// The score; for classes their probabilities, one behind the other.
    pub score: String,
}

/// A file's size and digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl Manifest {
    /// The canonical bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| Error::ManifestSyntax(e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads canonical bytes and checks every field that other code relies on.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| Error::ManifestSyntax(e.to_string()))?;
        if !(1..=FORMAT).contains(&manifest.format) {
            return Err(Error::Format(manifest.format));
        }
        manifest.validate()?;
        if manifest.to_bytes()? != bytes {
            return Err(Error::ManifestNotCanonical);
        }
        Ok(manifest)
    }

    /// The lowest version of the layout that can say this.
    pub(super) fn lowest_format(network: &NetworkFacts, threshold: Option<&Threshold>) -> u32 {
        if !network.classes.is_empty() {
            return 4;
        }
        if !network.categories.is_empty() {
            return 3;
        }
        if network.head.is_some() || network.calibration.is_some() || threshold.is_none() { 2 } else { 1 }
    }

    /// Positions of the inputs that are categories; none unless they rise.
    pub(super) fn category_inputs(&self) -> Option<Vec<usize>> {
        let position = |one: &CategoryFacts| self.inputs.iter().position(|input| *input == one.input);
        let found: Vec<usize> = self.network.categories.iter().map(position).collect::<Option<_>>()?;
        found.is_sorted_by(|a, b| a < b).then_some(found)
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.network.numerics != NUMERICS {
            return Err(Error::Numerics(self.network.numerics.clone()));
        }
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let name_ok = (1..=64).contains(&self.name.len()) && self.name.chars().all(named);
        let distinct: BTreeSet<_> = self.inputs.iter().collect();
        let hidden = &self.network.hidden;
        let value = self.threshold.as_ref().map_or(0.0, |threshold| threshold.value);
        let lowest = Self::lowest_format(&self.network, self.threshold.as_ref());
        let finite = self.metrics.values().all(|m| [m.value, m.low, m.high].iter().all(|v| v.is_finite()));
        let golden_ok = self.golden.iter().all(|g| g.inputs.len() == self.inputs.len());
        let categories = &self.network.categories;
        let category_ok = |one: &CategoryFacts| one.words <= WORDS_MAX && (1..=DIMENSION_MAX).contains(&one.dimension);
        let rules: [(bool, &'static str, String, &'static str); 14] = [
            (self.format == lowest, "format", self.format.to_string(), "must be the lowest that can say what it says"),
            (
                self.network.head != Some(Head::Probability),
                "network.head",
                "probability".into(),
                "must be absent for a probability",
            ),
            (name_ok, "name", self.name.clone(), "allowed are 1 to 64 of a-z, 0-9, _ and -"),
            ((1..=INPUTS_MAX).contains(&self.inputs.len()), "inputs", count(&self.inputs), "allowed are 1 to 1024"),
            (distinct.len() == self.inputs.len(), "inputs", format!("{:?}", self.inputs), "names must differ"),
            (hidden.len() < LAYERS_MAX, "network.hidden", count(hidden), "allowed are up to 4"),
            (
                hidden.iter().all(|w| (1..=WIDTH_MAX).contains(w)),
                "network.hidden",
                format!("{hidden:?}"),
                "allowed are widths 1 to 1024",
            ),
            (categories.len() <= EMBEDDINGS_MAX, "network.categories", count(categories), "allowed are up to 64"),
            (
                self.category_inputs().is_some(),
                "network.categories",
                format!("{:?}", categories.iter().map(|one| &one.input).collect::<Vec<_>>()),
                "must be inputs, in their order",
            ),
            (
                categories.iter().all(category_ok),
                "network.categories",
                format!("{categories:?}"),
                "allowed are up to 10000 words and 1 to 64 dimensions",
            ),
            (value.is_finite(), "threshold.value", value.to_string(), "must be finite"),
            (finite, "metrics", format!("{:?}", self.metrics), "must be finite"),
            (
                (GOLDEN_MIN..=GOLDEN_MAX).contains(&self.golden.len()),
                "golden",
                count(&self.golden),
                "allowed are 1 to 256",
            ),
            (golden_ok, "golden", count(&self.golden), "each must have one value per input"),
        ];
        let broken = rules.into_iter().find(|rule| !rule.0).map(|(_, field, value, rule)| (field, value, rule));
        match broken.or_else(|| classes::problem(self)) {
            Some((field, value, rule)) => Err(Error::Field { field, value, rule }),
            None => Ok(()),
        }
    }
}

fn count<T>(items: &[T]) -> String {
    format!("{} items", items.len())
}

/// Bits as text.
pub(super) fn hex(value: f32) -> String {
    format!("{:08x}", value.to_bits())
}

/// Bits of some values as text, one behind the other.
pub(super) fn hex_all(values: &[f32]) -> String {
    values.iter().map(|value| hex(*value)).collect()
}

/// Text as bits.
pub(super) fn parse_hex(text: &str) -> Result<f32, Error> {
    let bad = || Error::Field { field: "golden", value: text.into(), rule: "must be eight hexadecimal digits" };
    if text.len() != 8 {
        return Err(bad());
    }
    u32::from_str_radix(text, 16).map(f32::from_bits).map_err(|_| bad())
}
