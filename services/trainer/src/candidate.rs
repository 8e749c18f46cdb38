//! From a dataset to a model, its measures and its scores.

use crate::champion::check_feature_set;
use crate::config::{ALERTS_PER_DAY, config};
use crate::{Dataset, Error};
use arrow::array::{AsArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::array::{Float64Builder, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Fields};
use flow::config::Pipeline;
use model::network::most_probable;
use model::{Artefact, Head, Metric, Model, Rule, Threshold};
use registry::models::{Models, Published};
use scoring::Inputs;
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
    let config = config(model, &dataset.rows);
    let mut trained = training::train(&config, &dataset.rows)?;
    // The manifest names rows, files and rule; the rows' own digest is in it.
    trained.dataset.digest.clone_from(&dataset.digest);
    let metrics = match holdout.filter(|holdout| holdout.rows.validate(config.task()).is_ok()) {
        Some(holdout) => {
            let scores = trained.score(&holdout.rows.cells(&trained.vocabularies)?);
            measured(&scores, &holdout.rows, (config.loss, config.classes.len()), trained.threshold.as_ref())?
        }
        None => Metrics::new(),
    };
    let artefact = trained.artefact(Facts {
        name: model.name.clone(),
        parent,
        feature_set: pipeline.features.digest.clone(),
        metrics: metrics.clone(),
    })?;
    let opened = Artefact::open_as(artefact.files(), artefact.digest())?;
    Ok(Candidate { artefact, model: opened, metrics })
}

/// Measures of a model on a dataset.
pub fn evaluate(model: &Model, dataset: &Dataset) -> Result<Metrics, Error> {
    check_feature_set(model, &dataset.manifest.recipe.feature_set)?;
    check_inputs(dataset, &model.manifest().inputs)?;
    let mut scores = vec![0.0; dataset.rows.len() * model.network().outputs()];
    model.network().score(&dataset.rows.cells(model.vocabularies())?, &mut scores);
    let told = (loss(model), model.classes().len());
    measured(&scores, &dataset.rows, told, model.manifest().threshold.as_ref())
}

/// Measures of scores, by what they were trained for. A threshold that was given, and not set by a capacity, decides
/// every event, so how often it is right is a measure too.
fn measured(
    scores: &[f32],
    rows: &training::Dataset,
    (loss, classes): (Loss, usize),
    threshold: Option<&Threshold>,
) -> Result<Metrics, Error> {
    match loss.task(classes) {
        Task::Binary => {}
        Task::Regression => {
            let quantile = if let Loss::Quantile(quantile) = loss { Some(quantile) } else { None };
            return Ok(training::evaluate_numbers(scores, rows, quantile)?);
        }
        Task::Multiclass(classes) => return Ok(training::evaluate_classes(scores, rows, classes)?),
    }
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

/// Scores of rows, and how many of their categories the model does not know.
#[derive(Debug, Clone)]
pub struct Scored {
    /// A score per row: of classes the probability of the most probable one.
    pub scores: Float64Array,
    /// What a model of classes says beside that.
    pub classes: Option<Classes>,
    /// By input; nothing where all are known.
    pub unknown: BTreeMap<String, u64>,
}

/// What a model of classes says of rows.
#[derive(Debug, Clone)]
pub struct Classes {
    /// The most probable class of each row, the first of equals.
    pub class: StringArray,
    /// Per row a probability of each class, in the order of the model's classes.
    pub probabilities: ListArray,
}

impl Classes {
    fn of(names: &[String], scores: &[f32]) -> Self {
        let (mut class, mut probabilities) = (StringBuilder::new(), ListBuilder::new(Float64Builder::new()));
        for row in scores.chunks_exact(names.len()) {
            class.append_value(&names[most_probable(row)]);
            row.iter().for_each(|p| probabilities.values().append_value(f64::from(*p)));
            probabilities.append(true);
        }
        Self { class: class.finish(), probabilities: probabilities.finish() }
    }
}

/// Scores of rows with the bits that streaming gives. Rows have the parts `event` and `features`, as archived logs do,
/// or all columns beside each other.
pub fn score(model: &Model, rows: &RecordBatch) -> Result<Scored, Error> {
    let part = |name: &str| match rows.column_by_name(name).map(|column| (column, column.data_type())) {
        Some((column, DataType::Struct(_))) => Some(column.as_struct().clone()),
        _ => None,
    };
    let (event, features) = match (part("event"), part("features")) {
        (None, None) => (Some(StructArray::from(rows.clone())), None),
        parts => parts,
    };
    let fields = |part: &Option<StructArray>| part.as_ref().map_or_else(Fields::empty, |part| part.fields().clone());
    let inputs = Inputs::of(model, &fields(&event), &fields(&features))?;
    let all: Vec<usize> = (0..rows.num_rows()).collect();
    let matrix = inputs.rows(event.as_ref(), features.as_ref(), &all);
    let outputs = model.network().outputs();
    let mut scores = vec![0.0_f32; rows.num_rows() * outputs];
    model.network().score(&matrix, &mut scores);
    let classes = (outputs > 1).then(|| Classes::of(model.classes(), &scores));
    let score = |row: &[f32]| f64::from(row[most_probable(row)]);
    Ok(Scored {
        scores: Float64Array::from_iter_values(scores.chunks_exact(outputs).map(score)),
        classes,
        unknown: inputs.unknown(&matrix).map(|(input, count)| (input.to_owned(), count)).collect(),
    })
}

/// Publishes a model's files; the same files again get the version they have.
pub fn publish(models: &Models, candidate: &Candidate) -> Result<Published, Error> {
    Ok(models.publish(&candidate.model.manifest().name, candidate.artefact.files())?)
}
