//! What a pipeline says of training, in the words of training.

use flow::config::{AlertRule, Calibration, Category, ClassWeight, Model, Network, Objective};
use training::fit::balanced;
use training::{Calibrate, CategoryConfig, Config, Dataset, EarlyStopping, Kind, Loss, Method};

/// Alerts a day that a threshold leaves, where the pipeline says nothing.
pub(crate) const ALERTS_PER_DAY: u32 = 100;

fn category(category: &Category) -> CategoryConfig {
    CategoryConfig {
        input: category.input.clone(),
        dimension: category.dimension.map(|dimension| dimension as usize),
        words_max: category.words_max as usize,
        min_count: category.min_count,
    }
}

/// The configuration for a model of labels that have these classes; weights of classes may depend on the rows.
pub fn config(model: &Model, classes: &[String], rows: &Dataset) -> Config {
    let training = &model.training;
    let several = model.objective == Objective::Multiclass;
    let network = match &model.network {
        Network::Linear => Kind::Linear,
        Network::Mlp(hidden) => Kind::Mlp(hidden.iter().map(|width| *width as usize).collect()),
    };
    let positive_weight = match training.class_weight {
        ClassWeight::None => 1.0,
        _ if several => 1.0,
        ClassWeight::Positive(weight) => weight,
        ClassWeight::Balanced => (rows.len() - rows.positives()) as f64 / rows.positives().max(1) as f64,
    };
    let class_weights = match training.class_weight {
        ClassWeight::Balanced if several => balanced(rows, classes.len()),
        _ => Vec::new(),
    };
    let early_stopping = training
        .early_stopping_epochs
        .map(|patience| EarlyStopping { share: training.validation_share, patience: patience as usize });
    let loss = match (model.objective, training.loss) {
        (Objective::Binary, _) => Loss::Logistic,
        (Objective::Multiclass, _) => Loss::Softmax,
        (Objective::Regression, flow::config::Loss::OfObjective) => Loss::Squared,
        (Objective::Regression, flow::config::Loss::Absolute) => Loss::Absolute,
        (Objective::Regression, flow::config::Loss::Huber(delta)) => Loss::Huber(delta),
        (Objective::Regression, flow::config::Loss::Quantile(quantile)) => Loss::Quantile(quantile),
    };
    let method = match training.calibration {
        Calibration::None => None,
        Calibration::Platt => Some(Method::Platt),
        Calibration::Temperature => Some(Method::Temperature),
        Calibration::Isotonic => Some(Method::Isotonic),
    };
    let (top_per_day, alert_above) = match (model.alert, model.objective) {
        (Some(AlertRule::TopPerDay(count)), _) => (Some(count), None),
        (Some(AlertRule::Above(score)), _) => (None, Some(score)),
        (None, Objective::Binary) => (Some(ALERTS_PER_DAY), None),
        (None, Objective::Multiclass | Objective::Regression) => (None, None),
    };
    Config {
        network,
        loss,
        seed: training.seed,
        positive_weight,
        classes: classes.to_vec(),
        class_weights,
        top_per_day,
        alert_above,
        l2: training.l2,
        epochs: training.epochs as usize,
        batch_rows: training.batch_size as usize,
        learning_rate: training.learning_rate,
        weight_decay: training.l2,
        dropout: training.dropout,
        early_stopping,
        calibrate: method.map(|method| Calibrate { method, share: training.validation_share }),
        categories: model.categories.iter().map(category).collect(),
    }
}
