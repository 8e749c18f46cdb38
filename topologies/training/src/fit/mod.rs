//! Training itself: configuration, what both kinds of model share, and the two kinds.

mod calibrate;
mod category;
mod classes;
mod config;
mod linear;
mod loss;
mod mlp;
mod temperature;
#[cfg(test)]
mod tests;

pub use calibrate::{Calibrate, Method};
pub use category::CategoryConfig;
pub use classes::balanced;
pub use config::{Config, EarlyStopping, Kind};
pub use loss::Loss;

use crate::dataset::{self, Dataset, Task};
use crate::threshold::threshold;
use crate::trained::{Epoch, Trained};
use model::artefact::DatasetFacts;
use model::network::{INPUTS_MAX, most_probable};
use model::profile::SCORE;
use model::{Column, Dense, Head, Network, Profile, Standardisation, Vocabulary};
use std::borrow::Cow;

/// Rows of the training data that become golden vectors, spread over its length.
const GOLDEN_ROWS: usize = 16;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataset is unusable.
    #[error("dataset is unusable: {0}")]
    Dataset(#[from] dataset::Error),
    /// The rows kept aside do not serve.
    #[error("the newest rows, kept aside to calibrate on, do not serve: {0}; raise validation_share or the window")]
    Calibration(dataset::Error),
    /// A setting is out of range.
    #[error("setting {setting} is {value}, {rule}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// Candle refused an operation.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// The weights are not usable.
    #[error("training did not converge to a usable network, lower the learning rate: {0}")]
    Network(#[from] model::network::Error),
    /// The words of the rows are no vocabulary.
    #[error(transparent)]
    Vocabulary(#[from] model::vocabulary::Error),
    /// Vectors and other inputs are too many numbers.
    #[error("{0} numbers would enter the first layer, allowed are {INPUTS_MAX}; give categories fewer dimensions")]
    TooWide(usize),
    /// More weights than the linear solver takes.
    #[error(
        "the linear model would have {weights} weights, one per input or word of a category and each of its classes, allowed are {weights_max}; lower words_max, raise min_count, or train an mlp"
    )]
    TooManyWeights {
        /// Its weights.
        weights: usize,
        /// The limit.
        weights_max: usize,
    },
    /// A class without a row, whose best bias would be infinitely low.
    #[error("no row to fit has class {0:?}, and a linear model needs one of each; widen the window, or train an mlp")]
    NoRow(String),
    /// The linear solver met a matrix that it cannot solve.
    #[error("the linear fit has no unique solution, raise l2 above {0}")]
    Singular(f64),
}

/// Trains a model.
///
/// Rows kept for early stopping set the threshold when there are any, otherwise the training rows do.
pub fn train(config: &Config, dataset: &Dataset) -> Result<Trained, Error> {
    config.validate()?;
    let task = config.task();
    dataset.validate(task)?;
    let (mut fitted, mut held) = split(config, dataset);
    fitted.validate(task)?;
    // What is kept aside may have words that the rows to fit do not know, as a model's later events will.
    let vocabularies = category::vocabularies(&config.categories, &fitted)?;
    for rows in std::iter::once(&mut fitted).chain(&mut held).filter(|_| !vocabularies.is_empty()) {
        rows.rows = rows.cells(&vocabularies)?.into_owned();
    }
    let standardisation = standardisation(&fitted);
    let head = head(task, &fitted);
    let learnt = (learnt(&fitted, head), held.as_ref().map(|held| learnt(held, head)));
    let linear = (config.network == Kind::Linear).then_some(config.outputs());
    let mut embeddings = category::embeddings(&config.categories, &fitted, &vocabularies, linear)?;
    let (layers, history) = match &config.network {
        Kind::Linear => (vec![linear::fit(config, &learnt.0, &standardisation, &mut embeddings)?], Vec::new()),
        Kind::Mlp(hidden) => {
            mlp::fit(config, hidden, &learnt.0, learnt.1.as_deref(), &standardisation, &mut embeddings)?
        }
    };
    let network = Network::with_embeddings(standardisation, embeddings, layers, head)?;
    let network = calibrated(config, network, held.as_ref())?;
    let scores = confidence(&network, score(&network, &fitted));
    let threshold = match &held {
        Some(held) => threshold(config, &score(&network, held), &held.time_us),
        None => threshold(config, &scores, &fitted.time_us),
    };
    Ok(Trained {
        inputs: dataset.inputs.clone(),
        threshold,
        profile: profile(&fitted, &vocabularies, &scores),
        history,
        dataset: facts(dataset, config),
        config: config.clone(),
        golden_rows: golden_rows(&fitted),
        vocabularies,
        network,
    })
}

/// The rows to fit and those to validate on, which are the newest.
fn split(config: &Config, dataset: &Dataset) -> (Dataset, Option<Dataset>) {
    let early = match config.network {
        Kind::Linear => None,
        Kind::Mlp(_) => config.early_stopping.map(|early| early.share),
    };
    let Some(share) = early.or(config.calibrate.map(|calibrate| calibrate.share)) else {
        return (dataset.clone(), None);
    };
    let mut order: Vec<usize> = (0..dataset.len()).collect();
    order.sort_by_key(|&row| dataset.time_us[row]);
    let kept = ((1.0 - share) * dataset.len() as f64).ceil() as usize;
    (dataset.select(&order[..kept]), Some(dataset.select(&order[kept..])))
}

/// What the score is: numbers carry the target's mean and deviation over the rows to fit.
fn head(task: Task, dataset: &Dataset) -> Head {
    match task {
        Task::Binary => Head::Probability,
        Task::Multiclass(_) => Head::Classes,
        Task::Regression => {
            let (mean, std) = mean_and_deviation(dataset.label.iter().map(|&label| f64::from(label)));
            Head::Number { mean, std }
        }
    }
}

/// The rows with the labels that the network's output is to meet.
fn learnt(dataset: &Dataset, head: Head) -> Cow<'_, Dataset> {
    let Head::Number { mean, std } = head else { return Cow::Borrowed(dataset) };
    let label = dataset.label.iter().map(|&label| ((f64::from(label) - mean) / std) as f32).collect();
    Cow::Owned(Dataset { label, ..dataset.clone() })
}

/// The network with its outputs calibrated on the rows kept aside, where that was asked for.
fn calibrated(config: &Config, network: Network, held: Option<&Dataset>) -> Result<Network, Error> {
    let (Some(calibrate), Some(held)) = (config.calibrate, held) else { return Ok(network) };
    held.validate(config.task()).map_err(Error::Calibration)?;
    if network.head() == Head::Classes {
        let temperature = temperature::fit(&score(&network, held), &held.label, network.outputs());
        return Ok(network.calibrated(temperature)?);
    }
    // The outputs themselves are what a head that changes no number gives.
    let bare = network.headed(Head::Number { mean: 0.0, std: 1.0 })?;
    let calibration = calibrate::fit(calibrate.method, &score(&bare, held), held);
    Ok(network.calibrated(calibration)?)
}

/// Mean and deviation of at least one value; the deviation of what does not vary is 1.
fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
    // Rounding leaves a constant column with a tiny deviation that must not blow it up.
    let varies = variance.sqrt() > 1e-9 * mean.abs() && variance.is_normal();
    (mean, if varies { variance.sqrt() } else { 1.0 })
}

/// Mean and deviation per input over the values that are there; nulls become the mean. Categories stay what they are.
fn standardisation(dataset: &Dataset) -> Standardisation {
    let width = dataset.inputs.len();
    let mut s = Standardisation { mean: vec![0.0; width], std: vec![1.0; width], fill: vec![0.0; width] };
    for input in (0..width).filter(|input| dataset.categories.iter().all(|one| one.input != *input)) {
        let column = dataset.rows.iter().skip(input).step_by(width).filter(|v| v.is_finite());
        let values: Vec<f64> = column.map(|&v| f64::from(v)).collect();
        if values.is_empty() {
            continue;
        }
        let (mean, std) = mean_and_deviation(values.iter().copied());
        (s.mean[input], s.std[input], s.fill[input]) = (mean, std, mean);
    }
    s
}

fn score(network: &Network, dataset: &Dataset) -> Vec<f32> {
    let mut scores = vec![0.0; dataset.len() * network.outputs()];
    network.score(&dataset.rows, &mut scores);
    scores
}

/// One number per row: of classes the probability of the most probable one.
fn confidence(network: &Network, scores: Vec<f32>) -> Vec<f32> {
    match network.outputs() {
        1 => scores,
        outputs => scores.chunks_exact(outputs).map(|row| row[most_probable(row)]).collect(),
    }
}

fn profile(dataset: &Dataset, vocabularies: &[Vocabulary], scores: &[f32]) -> Profile {
    let width = dataset.inputs.len();
    let column = |(at, name): (usize, &String)| {
        let cells = dataset.rows.iter().skip(at).step_by(width).copied();
        match vocabularies.iter().find(|words| words.input() == name) {
            Some(words) => Column::fit_category(name, cells, words.words().len()),
            None => Column::fit(name, cells),
        }
    };
    let mut columns: Vec<Column> = dataset.inputs.iter().enumerate().map(column).collect();
    columns.push(Column::fit(SCORE, scores.iter().copied()));
    Profile { columns }
}

/// Rows at even distances, and one that is all null.
fn golden_rows(dataset: &Dataset) -> Vec<f32> {
    let count = GOLDEN_ROWS.min(dataset.len());
    let mut rows: Vec<f32> = (0..count).flat_map(|i| dataset.row(i * dataset.len() / count)).copied().collect();
    rows.extend(vec![f32::NAN; dataset.inputs.len()]);
    rows
}

fn facts(dataset: &Dataset, config: &Config) -> DatasetFacts {
    DatasetFacts {
        digest: dataset.digest(),
        rows: dataset.len() as u64,
        positives: if config.task() == Task::Binary { dataset.positives() as u64 } else { 0 },
        class_rows: dataset.class_rows(config.classes.len()),
        first_us: dataset.time_us.iter().copied().min().unwrap_or_default(),
        last_us: dataset.time_us.iter().copied().max().unwrap_or_default(),
    }
}

/// What a fit yields: layers from input to output, and the course of training.
type Fitted = (Vec<Dense>, Vec<Epoch>);
