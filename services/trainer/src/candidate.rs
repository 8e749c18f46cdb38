//! From a dataset to a model, its measures and its scores.

use crate::champion::{check_classes, check_feature_set};
use crate::config::{ALERTS_PER_DAY, config};
use crate::{Dataset, Error};
use flow::config::Pipeline;
use model::{Artefact, Head, Metric, Model, Rule, Threshold};
use registry::models::{Models, Published};
use std::collections::BTreeMap;
use training::{Facts, Loss, Task};

/// Measures by name.
pub type Metrics = BTreeMap<String, Metric>;

/// A trained model that passed the load gate.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its files.
    pub artefact: Artefact,
    /// The model in them.
    pub model: Model,
    /// Measures on the holdout; none where it has only one class, or no two rows.
    pub metrics: Metrics,
    /// What the holdout's rows of more than two classes are taken for.
    pub confusion: Option<Confusion>,
}

/// How good a model is on rows.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Its measures.
    pub metrics: Metrics,
    /// What rows of more than two classes are taken for.
    pub confusion: Option<Confusion>,
}

/// Rows by their class and the one that is most probable by the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// By label, then by prediction.
    pub rows: Vec<Vec<u64>>,
}

/// Trains a model of the pipeline. `parent` is the digest of the model it is to replace.
pub fn train(
    pipeline: &Pipeline,
    model: &flow::config::Model,
    dataset: &Dataset,
    holdout: Option<&Dataset>,
    parent: Option<String>,
) -> Result<Candidate, Error> {
    let recipe = &dataset.manifest.recipe;
    if recipe.feature_set != pipeline.features.digest {
        let (found, wanted) = (recipe.feature_set.clone(), pipeline.features.digest.clone());
        return Err(Error::OldDataset { digest: dataset.digest.clone(), found, wanted });
    }
    check_inputs(dataset, &model.inputs)?;
    let config = config(model, pipeline.classes(), &dataset.rows);
    let mut trained = training::train(&config, &dataset.rows)?;
    // The manifest names rows, files and rule; the rows' own digest is in it.
    trained.dataset.digest.clone_from(&dataset.digest);
    let evaluation = match holdout.filter(|holdout| holdout.rows.validate(config.task()).is_ok()) {
        Some(holdout) => {
            let scores = trained.score(&holdout.rows.cells(&trained.vocabularies)?);
            measured(&scores, &holdout.rows, (config.loss, &config.classes), trained.threshold.as_ref())?
        }
        None => Evaluation { metrics: Metrics::new(), confusion: None },
    };
    let Evaluation { metrics, confusion } = evaluation;
    let artefact = trained.artefact(Facts {
        name: model.name.clone(),
        parent,
        feature_set: pipeline.features.digest.clone(),
        metrics: metrics.clone(),
    })?;
    let opened = Artefact::open_as(artefact.files(), artefact.digest())?;
    Ok(Candidate { artefact, model: opened, metrics, confusion })
}

/// Measures of a model on a dataset.
pub fn evaluate(model: &Model, dataset: &Dataset) -> Result<Evaluation, Error> {
    let recipe = &dataset.manifest.recipe;
    check_classes(model, &recipe.labels.classes)?;
    check_feature_set(model, &recipe.feature_set)?;
    check_inputs(dataset, &model.manifest().inputs)?;
    let mut scores = vec![0.0; dataset.rows.len() * model.network().outputs()];
    model.network().score(&dataset.rows.cells(model.vocabularies())?, &mut scores);
    measured(&scores, &dataset.rows, (loss(model), model.classes()), model.manifest().threshold.as_ref())
}

/// Measures of scores, by what they were trained for. A threshold that was given, and not set by a capacity, decides
/// every event, so how often it is right is a measure too.
fn measured(
    scores: &[f32],
    rows: &training::Dataset,
    (loss, classes): (Loss, &[String]),
    threshold: Option<&Threshold>,
) -> Result<Evaluation, Error> {
    let metrics = match loss.task(classes.len()) {
        Task::Binary => measured_decisions(scores, rows, threshold)?,
        Task::Regression => {
            let quantile = if let Loss::Quantile(quantile) = loss { Some(quantile) } else { None };
            training::evaluate_numbers(scores, rows, quantile)?
        }
        Task::Multiclass(count) => {
            let metrics = training::evaluate_classes(scores, rows, count)?;
            let rows = training::metrics::confusion(scores, &rows.label, count);
            return Ok(Evaluation { metrics, confusion: Some(Confusion { classes: classes.to_vec(), rows }) });
        }
    };
    Ok(Evaluation { metrics, confusion: None })
}

fn measured_decisions(
    scores: &[f32],
    rows: &training::Dataset,
    threshold: Option<&Threshold>,
) -> Result<Metrics, Error> {
    let (per_day, given) = match threshold.map(|threshold| (threshold.rule, threshold.value)) {
        Some((Rule::TopPerDay(per_day), _)) => (per_day, None),
        Some((Rule::Fixed, value)) => (ALERTS_PER_DAY, Some(value)),
        None => (ALERTS_PER_DAY, None),
    };
    let mut metrics = training::evaluate(scores, rows, per_day)?;
    if let Some(value) = given {
        metrics.insert("accuracy".to_owned(), training::metrics::accuracy(scores, &rows.label, value));
    }
    Ok(metrics)
}

/// The loss that a model was trained by, as its manifest has it.
pub(crate) fn loss(model: &Model) -> Loss {
    let told = model.manifest().config.get("loss").and_then(|text| serde_json::from_str(text).ok());
    match (model.network().head(), told) {
        (Head::Probability, _) => Loss::Logistic,
        (Head::Classes, _) => Loss::Softmax,
        (Head::Number { .. }, Some(loss)) => loss,
        (Head::Number { .. }, None) => Loss::Squared,
    }
}

fn check_inputs(dataset: &Dataset, wanted: &[String]) -> Result<(), Error> {
    match dataset.rows.inputs == wanted {
        true => Ok(()),
        false => Err(Error::Inputs { found: dataset.rows.inputs.join(", "), wanted: wanted.join(", ") }),
    }
}

/// Publishes a model's files; the same files again get the version they have.
pub fn publish(models: &Models, candidate: &Candidate) -> Result<Published, Error> {
    Ok(models.publish(&candidate.model.manifest().name, candidate.artefact.files())?)
}
