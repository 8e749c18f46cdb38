//! What a pipeline says of training, in the words of training.

use flow::config::{ClassWeight, Model, Network};
use training::{Config, Dataset, EarlyStopping, Kind};

/// Alerts a day that a threshold leaves, where the pipeline says nothing.
pub(crate) const ALERTS_PER_DAY: u32 = 100;

/// The configuration for a model; weights of classes may depend on the rows.
pub fn config(model: &Model, rows: &Dataset) -> Config {
    let training = &model.training;
    let network = match &model.network {
        Network::Linear => Kind::Linear,
        Network::Mlp(hidden) => Kind::Mlp(hidden.iter().map(|width| *width as usize).collect()),
    };
    let positive_weight = match training.class_weight {
        ClassWeight::None => 1.0,
        ClassWeight::Positive(weight) => weight,
        ClassWeight::Balanced => (rows.len() - rows.positives()) as f64 / rows.positives().max(1) as f64,
    };
    let early_stopping = training
        .early_stopping_epochs
        .map(|patience| EarlyStopping { share: training.validation_share, patience: patience as usize });
    Config {
        network,
        seed: training.seed,
        positive_weight,
        top_per_day: model.alert_top_per_day.unwrap_or(ALERTS_PER_DAY),
        l2: training.l2,
        epochs: training.epochs as usize,
        batch_rows: training.batch_size as usize,
        learning_rate: training.learning_rate,
        weight_decay: training.l2,
        dropout: training.dropout,
        early_stopping,
    }
}
