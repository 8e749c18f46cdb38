//! What a training may be told.

use super::{Calibrate, CategoryConfig, Error, Loss, Method, category, classes};
use crate::dataset::Task;
use model::network::{LAYERS_MAX, WIDTH_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most epochs a configuration may ask for.
pub const EPOCHS_MAX: usize = 10_000;
/// Most rows of a batch.
pub const BATCH_ROWS_MAX: usize = 1 << 20;

/// The kind of network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Logistic regression.
    Linear,
    /// Hidden layers of these widths.
    Mlp(Vec<usize>),
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Share of the rows kept aside: the newest, for a model meets newer events than it learnt from.
    pub share: f64,
    /// Epochs without a better validation loss before stopping; the best epoch's weights are kept.
    pub patience: usize,
}

/// A training configuration. The settings from `epochs` to `early_stopping` concern networks with hidden layers only;
/// a linear model is solved to its optimum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What to train.
    pub network: Kind,
    /// What it minimises, which also says whether labels are classes or numbers.
    #[serde(default, skip_serializing_if = "Loss::is_logistic")]
    pub loss: Loss,
    /// Seed of everything random.
    pub seed: u64,
    /// Factor on the loss of positive rows; 1 leaves scores calibrated.
    pub positive_weight: f64,
    /// Names of the classes, by the position that labels have: two for [`Loss::Logistic`] where they have names, all for
    /// [`Loss::Softmax`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Factors on the losses of rows by their class, for [`Loss::Softmax`]; none leaves all at 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f64>,
    /// Alerts a day that the receivers can handle, which sets the threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_per_day: Option<u32>,
    /// The threshold itself, which then is not set by the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_above: Option<f64>,
    /// Strength of the penalty on squared weights of a linear model, half of it times the sum of squares, against the
    /// sum of losses over the rows (scikit-learn's 1/C).
    pub l2: f64,
    /// Passes over the data.
    pub epochs: usize,
    /// Rows per step.
    pub batch_rows: usize,
    /// Adam's rate of the first step; it falls to zero along half a cosine.
    pub learning_rate: f64,
    /// Decoupled weight decay: each step shrinks weights (not biases) by this times the rate.
    pub weight_decay: f64,
    /// Share of hidden values that a step leaves out.
    pub dropout: f64,
    /// When to stop early, if at all.
    pub early_stopping: Option<EarlyStopping>,
    /// How scores are calibrated, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrate: Option<Calibrate>,
    /// The inputs that are categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryConfig>,
}

impl Config {
    /// The settings that did best for rare positives, found as follows.
    ///
    /// On the fraud handbook's transactions, six splits whose test weeks all end before 2018-06-18 (training weeks from
    /// 10, 14, 17, 21, 24 and 28 May), two seeds each, a 15-64-32-1 network. Constant rate 0.001 without dropout, the
    /// usual choice, gave an average precision of 0.66 over three of them; a rate of 0.01 falling along a cosine,
    /// dropout 0.2 and weight decay 0.1 gave 0.70 and led in card precision too, with AUC up by 0.007. Rates of 0.003 to
    /// 0.02, dropout 0.1 to 0.3, decay 0.05 to 0.5, 10 to 40 epochs, batches of 128 to 512, weighted positives and
    /// averaged weights were tried; none was better in more than one of the three measures.
    #[must_use]
    pub fn recommended(network: Kind, seed: u64, top_per_day: u32) -> Self {
        Self {
            network,
            loss: Loss::Logistic,
            seed,
            positive_weight: 1.0,
            classes: Vec::new(),
            class_weights: Vec::new(),
            top_per_day: Some(top_per_day),
            alert_above: None,
            l2: 1.0,
            epochs: 20,
            batch_rows: 256,
            learning_rate: 0.01,
            weight_decay: 0.1,
            dropout: 0.2,
            early_stopping: None,
            calibrate: None,
            categories: Vec::new(),
        }
    }

    /// What labels must be.
    #[must_use]
    pub fn task(&self) -> Task {
        self.loss.task(self.classes.len())
    }

    /// Outputs of the network.
    pub(super) fn outputs(&self) -> usize {
        if self.loss == Loss::Softmax { self.classes.len() } else { 1 }
    }

    /// The settings as text, for the manifest, which has seed and classes elsewhere.
    pub(crate) fn to_facts(&self) -> BTreeMap<String, String> {
        let value = serde_json::to_value(self).unwrap_or_default();
        let fields = value.as_object().into_iter().flatten().filter(|(key, _)| *key != "seed" && *key != "classes");
        fields.map(|(key, value)| (key.clone(), value.to_string())).collect()
    }

    fn shape_ok(&self) -> bool {
        match &self.network {
            Kind::Linear => true,
            Kind::Mlp(hidden) => {
                (1..LAYERS_MAX).contains(&hidden.len()) && hidden.iter().all(|w| (1..=WIDTH_MAX).contains(w))
            }
        }
    }

    fn calibrates_by(&self, method: Method) -> bool {
        match self.task() {
            Task::Binary => true,
            Task::Multiclass(_) => method == Method::Temperature,
            Task::Regression => false,
        }
    }

    fn loss_ok(&self) -> bool {
        match self.loss {
            Loss::Logistic => true,
            Loss::Softmax => self.positive_weight == 1.0,
            Loss::Squared | Loss::Absolute => self.positive_weight == 1.0,
            Loss::Huber(delta) => self.positive_weight == 1.0 && (1e-3..=1e3).contains(&delta),
            Loss::Quantile(q) => self.positive_weight == 1.0 && (0.001..=0.999).contains(&q),
        }
    }

    /// Checks every setting.
    pub fn validate(&self) -> Result<(), Error> {
        let within = |v: f64, min: f64, max: f64| v >= min && v <= max;
        let early = self.early_stopping;
        let rules: [(bool, &'static str, String, &'static str); 11] = [
            (
                self.calibrate.is_none_or(|c| within(c.share, 0.01, 0.9) && self.calibrates_by(c.method)),
                "calibrate",
                format!("{:?}", self.calibrate),
                "allowed are a share of 0.01 to 0.9, and only for classes; of more than two only the temperature",
            ),
            (
                self.loss_ok(),
                "loss",
                format!("{:?} with positive_weight {}", self.loss, self.positive_weight),
                "allowed are a Huber width of 0.001 to 1000, a quantile of 0.001 to 0.999, and no weights of classes for numbers; of more than two classes each has its own weight",
            ),
            (
                self.shape_ok(),
                "network",
                format!("{:?}", self.network),
                "allowed are 1 to 4 hidden layers of 1 to 1024",
            ),
            (
                within(self.positive_weight, 1e-6, 1e6),
                "positive_weight",
                self.positive_weight.to_string(),
                "allowed are 1e-6 to 1e6",
            ),
            (within(self.l2, 0.0, 1e9), "l2", self.l2.to_string(), "allowed are 0 to 1e9"),
            ((1..=EPOCHS_MAX).contains(&self.epochs), "epochs", self.epochs.to_string(), "allowed are 1 to 10000"),
            (
                (1..=BATCH_ROWS_MAX).contains(&self.batch_rows),
                "batch_rows",
                self.batch_rows.to_string(),
                "allowed are 1 to 1048576",
            ),
            (
                within(self.learning_rate, 1e-9, 10.0),
                "learning_rate",
                self.learning_rate.to_string(),
                "allowed are 1e-9 to 10",
            ),
            (
                within(self.weight_decay, 0.0, 100.0),
                "weight_decay",
                self.weight_decay.to_string(),
                "allowed are 0 to 100",
            ),
            (within(self.dropout, 0.0, 0.9), "dropout", self.dropout.to_string(), "allowed are 0 to 0.9"),
            (
                early.is_none_or(|e| within(e.share, 0.01, 0.9) && e.patience > 0),
                "early_stopping",
                format!("{early:?}"),
                "allowed are a share of 0.01 to 0.9 and a patience of at least 1",
            ),
        ];
        let broken = rules.into_iter().find(|rule| !rule.0).map(|(_, setting, value, rule)| (setting, value, rule));
        let categories = || category::problem(self).map(|(value, rule)| ("categories", value, rule));
        match broken.or_else(|| classes::problem(self)).or_else(categories) {
            Some((setting, value, rule)) => Err(Error::Setting { setting, value, rule }),
            None => Ok(()),
        }
    }
}
