//! Inputs that are categories: what may be said of them, and the vectors that a training starts from and ends with.

use super::{Config, Error, Kind};
use crate::dataset::{self, Dataset};
use crate::random::Random;
use model::network::{DIMENSION_MAX, EMBEDDINGS_MAX, INPUTS_MAX};
use model::vocabulary::WORDS_MAX;
use model::{Embedding, Vocabulary};
use serde::{Deserialize, Serialize};

/// Most dimensions that a vector gets where nothing is said.
const DIMENSION_DEFAULT_MAX: usize = 16;

/// What is said of an input that is a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryConfig {
    /// The input.
    pub input: String,
    /// Numbers that stand for a word; where nothing is said see [`dimension`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// Most words; the rest is unknown.
    pub words_max: usize,
    /// What occurs in fewer of the rows is unknown.
    pub min_count: u64,
}

impl CategoryConfig {
    /// A setting that is out of range, and what is allowed.
    fn problem(&self, linear: bool) -> Option<&'static str> {
        match self.dimension {
            Some(dimension) if linear && dimension != 1 => Some("a linear model has one weight per word"),
            Some(dimension) if !(1..=DIMENSION_MAX).contains(&dimension) => Some("allowed are dimensions 1 to 64"),
            _ if !(1..=WORDS_MAX).contains(&self.words_max) => Some("allowed are 1 to 10000 words"),
            _ if self.min_count == 0 => Some("allowed is a min_count of at least 1"),
            _ => None,
        }
    }
}

/// The first thing that is wrong with settings of categories: the setting and what is allowed.
pub(super) fn problem(config: &Config) -> Option<(String, &'static str)> {
    let (categories, linear) = (&config.categories, config.network == Kind::Linear);
    if categories.len() > EMBEDDINGS_MAX {
        return Some((format!("{} inputs", categories.len()), "allowed are up to 64"));
    }
    if linear && !categories.is_empty() && config.l2 == 0.0 {
        return Some(("without l2".to_owned(), "a linear model of categories needs an l2 above 0 to be unique"));
    }
    if linear && !categories.is_empty() && config.outputs() > DIMENSION_MAX {
        let value = format!("beside {} classes", config.outputs());
        return Some((value, "a linear model of categories has up to 64 classes; train an mlp"));
    }
    let problem = |one: &CategoryConfig| Some((format!("{one:?}"), one.problem(linear)?));
    categories.iter().find_map(problem)
}

/// Numbers of a vector for so many words: the least whose square is no smaller, at most 16.
fn dimension(words: usize) -> usize {
    let root = words.isqrt();
    (root + usize::from(root * root < words)).clamp(1, DIMENSION_DEFAULT_MAX)
}

/// The vocabularies that rows give, one per category, in the order of the inputs.
pub(super) fn vocabularies(configs: &[CategoryConfig], rows: &Dataset) -> Result<Vec<Vocabulary>, Error> {
    let inputs = || rows.categories.iter().map(|one| rows.inputs[one.input].as_str());
    let find = |input: &str| configs.iter().find(|config| config.input == input);
    if inputs().any(|input| find(input).is_none()) || rows.categories.len() != configs.len() {
        let wanted = configs.iter().map(|config| config.input.as_str());
        return Err(dataset::Error::categories(inputs(), wanted).into());
    }
    let learn = |one: &dataset::Category| {
        let input = rows.inputs[one.input].as_str();
        let limits = find(input).map_or((WORDS_MAX, 1), |config| (config.words_max, config.min_count));
        Vocabulary::learnt(input, one.present(), limits).map_err(Error::Vocabulary)
    };
    rows.categories.iter().map(learn).collect()
}

/// Embeddings of these vocabularies with zeros in them; a linear model has a weight per word and each of so many outputs.
pub(super) fn embeddings(
    configs: &[CategoryConfig],
    rows: &Dataset,
    vocabularies: &[Vocabulary],
    linear: Option<usize>,
) -> Result<Vec<Embedding>, Error> {
    let of = |(one, words): (&dataset::Category, &Vocabulary)| {
        let told = configs.iter().find(|config| config.input == words.input()).and_then(|config| config.dimension);
        let dimension = linear.or(told).unwrap_or_else(|| dimension(words.words().len()));
        Embedding { input: one.input, dimension, table: vec![0.0; words.slots() * dimension] }
    };
    let found: Vec<Embedding> = rows.categories.iter().zip(vocabularies).map(of).collect();
    match rows.inputs.len() - found.len() + found.iter().map(|one| one.dimension).sum::<usize>() {
        width if width > INPUTS_MAX => Err(Error::TooWide(width)),
        _ => Ok(found),
    }
}

/// First vectors, uniform within ±1/√dimension.
pub(super) fn draw(embedding: &Embedding, random: &mut Random) -> Vec<f32> {
    let limit = (1.0 / embedding.dimension as f32).sqrt();
    (0..embedding.table.len()).map(|_| random.symmetric(limit)).collect()
}

/// Gives slots that no row fell into the mean of all rows' vectors: what was never seen is taken for what is usual.
/// `cells` are the slots of the rows.
pub(super) fn fill_unseen(embedding: &mut Embedding, cells: impl Iterator<Item = f32>) {
    let Embedding { dimension, table, .. } = embedding;
    let slots = table.len() / *dimension;
    let mut counts = vec![0_u64; slots];
    cells.for_each(|cell| counts[model::vocabulary::slot(cell, slots)] += 1);
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let mut mean = vec![0.0_f64; *dimension];
    for (vector, count) in table.chunks_exact(*dimension).zip(&counts) {
        mean.iter_mut().zip(vector).for_each(|(mean, &x)| *mean += f64::from(x) * *count as f64 / total);
    }
    for (vector, _) in table.chunks_exact_mut(*dimension).zip(&counts).filter(|(_, count)| **count == 0) {
        vector.iter_mut().zip(&mean).for_each(|(x, &mean)| *x = mean as f32);
    }
}
