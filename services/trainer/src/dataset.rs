//! Rows to train on: features as they were served, labels as they came.

use crate::{Error, Window};
use arrow::array::RecordBatch;
use flow::config::{Model, Pipeline};
use flow::plan::Plan;
use offline::archive::Archive;
use offline::dataset::{
    ENTITY, FeatureColumns, ID, Known, LABEL, LabelColumns, Manifest, Recipe, Source, TIME, Unlabelled, build, find,
};
use registry::store::Store;
use std::path::Path;

/// Where features and labels lie.
#[derive(Debug, Clone)]
pub struct Inputs {
    features: Source,
    feature_columns: FeatureColumns,
    labels: Source,
    label_columns: LabelColumns,
}

/// A dataset in the forms that its users want.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is.
    pub manifest: Manifest,
    /// The manifest's digest, which a model names.
    pub digest: String,
    /// The rows as a table.
    pub table: RecordBatch,
    /// The rows as a network reads them.
    pub rows: training::Dataset,
}

impl Inputs {
    /// The archived features log and outcomes of a pipeline.
    pub fn archived(pipeline: &Pipeline, plan: &Plan, model: &Model, store: &Store) -> Self {
        let source = |topic: &String| Source::Archive {
            archive: Archive::new(store.clone()),
            topic: topic.clone(),
            ranges: None,
        };
        let schema = &pipeline.events.schema;
        let path = |name: &String| match schema.column(name) {
            Some(_) => format!("event.{name}"),
            None => format!("features.{name}"),
        };
        Inputs {
            features: match &plan.features_before[..] {
                [] => source(&plan.names.features_log),
                before => Source::Several(before.iter().chain([&plan.names.features_log]).map(source).collect()),
            },
            feature_columns: FeatureColumns {
                id: "id".to_owned(),
                time: "time".to_owned(),
                entity: pipeline.features.entities.first().map(|entity| format!("event.{}", entity.key)),
                inputs: model.inputs.iter().map(path).collect(),
                categories: model.categories.iter().map(|one| path(&one.input)).collect(),
            },
            labels: source(&plan.names.outcomes),
            label_columns: LabelColumns {
                id: "event_id".to_owned(),
                // Places of classes mean something else once others are declared; their words do not.
                target: if pipeline.classes().is_empty() { "label" } else { "label_class" }.to_owned(),
                classes: pipeline.classes().to_vec(),
                known: Known::Column("known_time".to_owned()),
            },
        }
    }

    /// One Parquet file with event columns, features and the target, as `tidemill features compute` writes it. Labels
    /// count as known so much later than their event; without a delay, as long as the model's training says.
    pub fn file(pipeline: &Pipeline, model: &Model, path: &Path, label_delay_us: Option<i64>) -> Self {
        let (id, time) = (pipeline.events.id.clone(), pipeline.events.event_time.clone());
        let delay_us = label_delay_us.unwrap_or(model.training.delay_us);
        Inputs {
            features: Source::File(path.to_owned()),
            feature_columns: FeatureColumns {
                id: id.clone(),
                time: time.clone(),
                entity: pipeline.features.entities.first().map(|entity| entity.key.clone()),
                inputs: model.inputs.clone(),
                categories: model.categories.iter().map(|one| one.input.clone()).collect(),
            },
            labels: Source::File(path.to_owned()),
            label_columns: LabelColumns {
                id,
                target: model.target.clone(),
                classes: pipeline.classes().to_vec(),
                known: Known::After { time, delay_us },
            },
        }
    }

    /// Whether the rows lie in a file and not in the archive.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.features, Source::File(_))
    }

    /// Where labels lie, and in which columns.
    pub(crate) fn labels(&self) -> (&Source, &LabelColumns) {
        (&self.labels, &self.label_columns)
    }

    /// How long after its event a label counts as known, where no column says it.
    pub(crate) fn label_delay_us(&self) -> Option<i64> {
        match self.label_columns.known {
            Known::After { delay_us, .. } => Some(delay_us),
            Known::Column(_) => None,
        }
    }

    /// The same with only the ranges that a dataset was made of.
    pub(crate) fn limited(mut self, manifest: &Manifest) -> Self {
        self.features = self.features.limited(&manifest.features);
        self.labels = self.labels.limited(&manifest.labels);
        self
    }
}

/// Builds the dataset of a model: its inputs, joined with the labels known at the cutoff.
pub fn dataset(pipeline: &Pipeline, inputs: &Inputs, window: &Window) -> Result<Dataset, Error> {
    let recipe = Recipe {
        features: inputs.feature_columns.clone(),
        labels: inputs.label_columns.clone(),
        events_us: window.events_us.clone(),
        cutoff_us: window.cutoff_us,
        unlabelled: Unlabelled::Drop,
        feature_set: pipeline.features.digest.clone(),
    };
    cut(&recipe, inputs)
}

/// Builds a dataset again from the archive, by its digest.
pub fn load(inputs: Inputs, store: &Store, digest: &str) -> Result<Option<Dataset>, Error> {
    let Some(manifest) = find(store, digest)? else { return Ok(None) };
    let inputs = inputs.limited(&manifest);
    Ok(Some(cut(&manifest.recipe, &inputs)?))
}

fn cut(recipe: &Recipe, inputs: &Inputs) -> Result<Dataset, Error> {
    let built = build(recipe, &inputs.features, &inputs.labels)?;
    let last = |path: &String| path.rsplit('.').next().unwrap_or(path).to_owned();
    let columns = training::Columns {
        inputs: recipe.features.inputs.iter().map(last).collect(),
        categories: recipe.features.categories.iter().map(last).collect(),
        label: LABEL.to_owned(),
        time: TIME.to_owned(),
        id: ID.to_owned(),
        entity: ENTITY.to_owned(),
    };
    let rows = training::Dataset::from_batches(std::slice::from_ref(&built.rows), &columns)?;
    Ok(Dataset { manifest: built.manifest, digest: built.digest, table: built.rows, rows })
}
