//! Training itself: configuration, what both kinds of model share, and the two kinds.

mod config;
mod linear;
mod mlp;
#[cfg(test)]
mod tests;

pub use config::{Config, EarlyStopping, Kind};

use crate::dataset::{self, Dataset};
use crate::threshold::top_per_day;
use crate::trained::{Epoch, Trained};
use model::artefact::DatasetFacts;
use model::profile::SCORE;
use model::{Column, Dense, Network, Profile, Standardisation};

/// Rows of the training data that become golden vectors, spread over its length.
const GOLDEN_ROWS: usize = 16;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataset is unusable.
    #[error("dataset is unusable: {0}")]
    Dataset(#[from] dataset::Error),
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
    /// The linear solver met a matrix that it cannot solve.
    #[error("the linear fit has no unique solution, raise l2 above {0}")]
    Singular(f64),
}

/// Trains a model.
///
/// Rows kept for early stopping set the threshold when there are any, otherwise the training rows do.
pub fn train(config: &Config, dataset: &Dataset) -> Result<Trained, Error> {
    config.validate()?;
    dataset.validate()?;
    let (fitted, held) = split(config, dataset);
    fitted.validate()?;
    let standardisation = standardisation(&fitted);
    let (layers, history) = match &config.network {
        Kind::Linear => (vec![linear::fit(config, &fitted, &standardisation)?], Vec::new()),
        Kind::Mlp(hidden) => mlp::fit(config, hidden, &fitted, held.as_ref(), &standardisation)?,
    };
    let network = Network::new(standardisation, layers)?;
    let scores = score(&network, &fitted);
    let threshold = match &held {
        Some(held) => top_per_day(&score(&network, held), &held.time_us, config.top_per_day),
        None => top_per_day(&scores, &fitted.time_us, config.top_per_day),
    };
    Ok(Trained {
        inputs: dataset.inputs.clone(),
        threshold,
        profile: profile(&fitted, &scores),
        history,
        dataset: facts(dataset),
        config: config.clone(),
        golden_rows: golden_rows(&fitted),
        network,
    })
}

/// The rows to fit and those to validate on, which are the newest.
fn split(config: &Config, dataset: &Dataset) -> (Dataset, Option<Dataset>) {
    let early = match config.network {
        Kind::Linear => None,
        Kind::Mlp(_) => config.early_stopping,
    };
    let Some(early) = early else {
        return (dataset.clone(), None);
    };
    let mut order: Vec<usize> = (0..dataset.len()).collect();
    order.sort_by_key(|&row| dataset.time_us[row]);
    let kept = ((1.0 - early.share) * dataset.len() as f64).ceil() as usize;
    (dataset.select(&order[..kept]), Some(dataset.select(&order[kept..])))
}

/// Mean and deviation per input over the values that are there; nulls become the mean.
fn standardisation(dataset: &Dataset) -> Standardisation {
    let width = dataset.inputs.len();
    let mut s = Standardisation { mean: vec![0.0; width], std: vec![1.0; width], fill: vec![0.0; width] };
    for input in 0..width {
        let column = dataset.rows.iter().skip(input).step_by(width).filter(|v| v.is_finite());
        let values: Vec<f64> = column.map(|&v| f64::from(v)).collect();
        if values.is_empty() {
            continue;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
        s.mean[input] = mean;
        s.fill[input] = mean;
        // Rounding leaves a constant column with a tiny deviation that must not blow it up.
        if variance.sqrt() > 1e-9 * mean.abs() && variance.is_normal() {
            s.std[input] = variance.sqrt();
        }
    }
    s
}

fn score(network: &Network, dataset: &Dataset) -> Vec<f32> {
    let mut scores = vec![0.0; dataset.len()];
    network.score(&dataset.rows, &mut scores);
    scores
}

fn profile(dataset: &Dataset, scores: &[f32]) -> Profile {
    let width = dataset.inputs.len();
    let column = |(at, name): (usize, &String)| Column::fit(name, dataset.rows.iter().skip(at).step_by(width).copied());
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

fn facts(dataset: &Dataset) -> DatasetFacts {
    DatasetFacts {
        digest: dataset.digest(),
        rows: dataset.len() as u64,
        positives: dataset.positives() as u64,
        first_us: dataset.time_us.iter().copied().min().unwrap_or_default(),
        last_us: dataset.time_us.iter().copied().max().unwrap_or_default(),
    }
}

/// What a fit yields: layers from input to output, and the course of training.
type Fitted = (Vec<Dense>, Vec<Epoch>);
