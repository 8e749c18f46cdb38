//! The trainer: datasets out of the offline store, models out of datasets, and the answer to each request for a new
//! model. The command line uses the same functions.
//!
//! A request is answered once. What it is trained on and which champion it must beat is decided in the registry before
//! training; training is a function of that; what came of it is decided before it is told. So a trainer that dies
//! anywhere, or a second one, ends with the same model and the same answer.

mod announce;
mod answer;
mod candidate;
mod champion;
mod choice;
mod config;
mod dataset;
mod first;
mod progress;
mod request;
mod scored;
mod service;
mod window;

#[cfg(test)]
mod tests;

pub use announce::announce;
pub use answer::{Answer, answer};
pub use candidate::{Candidate, Confusion, Evaluation, Metrics, evaluate, publish, train};
pub use champion::{Judgement, Terms, champion, check_classes, check_feature_set, compare, open, promote_version};
pub use choice::{Choice, Chosen, choose};
pub use config::config;
pub use dataset::{Dataset, Inputs, dataset, load};
pub use first::{First, first_model};
pub use progress::{Behind, Progress};
pub use request::Request;
pub use scored::{Classes, Scored, score};
pub use service::{Options, group, run};
pub use window::{Window, Windows, newest, requested};

use flow::config::{Model, Pipeline};
use registry::decisions::Decisions;
use registry::models::Models;
use registry::store::Store;
use runtime::context::Context;

/// What a trainer works in.
#[derive(Clone)]
pub struct Surroundings {
    /// Log, schemas, pipeline, plan.
    pub context: Context,
    /// The store behind archive, datasets and models.
    pub store: Store,
    /// Decisions.
    pub decisions: Decisions,
}

impl Surroundings {
    /// The models.
    pub fn models(&self) -> Models {
        Models::new(self.store.clone())
    }

    /// A model of the pipeline.
    pub fn model(&self, name: &str) -> Result<&Model, Error> {
        declared(&self.context.pipeline, name)
    }
}

/// A model of a pipeline.
pub fn declared<'p>(pipeline: &'p Pipeline, name: &str) -> Result<&'p Model, Error> {
    let known = || pipeline.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
    pipeline.model(name).ok_or_else(|| Error::NoModel {
        pipeline: pipeline.name.clone(),
        model: name.to_owned(),
        known: known(),
    })
}

/// Why there is no model, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline declares no such model.
    #[error("pipeline {pipeline} declares no model {model}; {}", declared_models(known))]
    NoModel {
        /// The pipeline.
        pipeline: String,
        /// The model asked for.
        model: String,
        /// Those that it declares.
        known: String,
    },
    /// The rows cannot be had.
    #[error(transparent)]
    Dataset(#[from] offline::dataset::Error),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] offline::archive::Error),
    /// The rows cannot be used.
    #[error(transparent)]
    Rows(#[from] training::dataset::Error),
    /// Training failed.
    #[error(transparent)]
    Fit(#[from] training::fit::Error),
    /// What was trained cannot be a model.
    #[error(transparent)]
    Artefact(#[from] model::artefact::Error),
    /// A published model must not be used.
    #[error("model {model} does not pass the load gate: {source}")]
    Gate {
        /// Name and version.
        model: String,
        /// Why not.
        source: model::artefact::Error,
    },
    /// A model cannot be fed with these columns.
    #[error(transparent)]
    Input(#[from] scoring::InputError),
    /// A threshold for a model that decides nothing, or one that no score can be compared with.
    #[error("model {model} cannot be promoted with threshold {threshold}: {problem}")]
    Threshold {
        /// Name and version.
        model: String,
        /// The threshold.
        threshold: f64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A dataset has other inputs than a model.
    #[error("the dataset has inputs {found}, the model wants {wanted}; build the dataset for that model")]
    Inputs {
        /// Of the dataset.
        found: String,
        /// Of the model.
        wanted: String,
    },
    /// A model tells other classes apart than labels have.
    #[error("model {model} {problem}")]
    Classes {
        /// Its name.
        model: String,
        /// What does not fit.
        problem: String,
    },
    /// A model was trained on another feature set than the one at hand.
    #[error("model {model} was trained on feature set {found}, and here it is {wanted}; train it again")]
    FeatureSet {
        /// Its name.
        model: String,
        /// Of the model.
        found: String,
        /// Of the pipeline or the dataset.
        wanted: String,
    },
    /// A dataset has another feature set than the pipeline computes.
    #[error("dataset {digest} has feature set {found}, the pipeline computes {wanted}; build it again")]
    OldDataset {
        /// The dataset.
        digest: String,
        /// Of the dataset.
        found: String,
        /// Of the pipeline.
        wanted: String,
    },
    /// No label is known.
    #[error(
        "no event in {place} has a label yet; publish labels and let the archiver run, or name a file that has them; `tidemill top` shows labels that wait because no event has their id"
    )]
    NoLabels {
        /// The outcomes topic, or a file.
        place: String,
    },
    /// There is no dataset of that digest.
    #[error("there is no dataset {wanted} in {place}; {help}")]
    UnknownDataset {
        /// What was asked for.
        wanted: String,
        /// The store.
        place: String,
        /// What there is, or what to do.
        help: String,
    },
    /// A dataset was made of other rows than those at hand.
    #[error("dataset {digest} was built from {built_from}; {help}")]
    OtherInputs {
        /// The dataset.
        digest: String,
        /// What it was built from.
        built_from: String,
        /// What to do.
        help: String,
    },
    /// A dataset that was decided on is gone or gives other rows.
    #[error(
        "dataset {digest} that request {request} was to be trained on cannot be had again ({found}); restore the archive"
    )]
    Vanished {
        /// The request.
        request: String,
        /// The dataset.
        digest: String,
        /// What was found in its place.
        found: String,
    },
    /// A record of the requests topic is none.
    #[error("offset {offset} of {topic} holds no request: {detail}")]
    Request {
        /// The topic.
        topic: String,
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        detail: String,
    },
    /// A record of ours does not fit its schema.
    #[error("cannot write to {topic}: {detail}")]
    Unwritable {
        /// The topic.
        topic: String,
        /// What does not fit.
        detail: String,
    },
    /// The registry of models.
    #[error(transparent)]
    Models(#[from] registry::models::Error),
    /// The registry of decisions.
    #[error(transparent)]
    Decision(#[from] registry::decisions::Error),
    /// The control history.
    #[error(transparent)]
    Control(#[from] registry::control::Error),
    /// The promotion.
    #[error(transparent)]
    Promote(#[from] scorer::PromoteError),
    /// Topics or schemas.
    #[error(transparent)]
    Context(#[from] runtime::context::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] runtime::log::Error),
    /// A decision that this version does not read.
    #[error("decision {key} is not readable ({detail}); run the version that wrote it")]
    Unreadable {
        /// Its key.
        key: String,
        /// What the parser said.
        detail: String,
    },
    /// Asked to stop before the work was done.
    #[error("stopped before request {request} was answered; it will be taken up again")]
    Interrupted {
        /// The request.
        request: String,
    },
}

impl Error {
    /// Whether the rows to train on are the reason, and other rows might do.
    pub fn is_of_rows(&self) -> bool {
        matches!(self, Error::Fit(training::fit::Error::Dataset(_)))
    }
}

/// What to do when a model is not declared.
fn declared_models(known: &str) -> String {
    match known {
        "" => "add one under `models` in its file".to_owned(),
        known => format!("its models are {known}"),
    }
}

impl Error {
    /// Whether the data is to blame: the request is answered with it, and trying again would end alike.
    fn is_final(&self) -> bool {
        match self {
            Error::Dataset(error) => !matches!(
                error,
                offline::dataset::Error::Store(_) | offline::dataset::Error::Archive(offline::archive::Error::Store(_))
            ),
            Error::Rows(_) | Error::Fit(_) | Error::Artefact(_) | Error::Gate { .. } => true,
            Error::Inputs { .. } | Error::Classes { .. } | Error::NoModel { .. } => true,
            _ => false,
        }
    }

    /// Whether starting over may help.
    fn is_retriable(&self) -> bool {
        match self {
            Error::Log(error) | Error::Context(runtime::context::Error::Log(error)) => {
                error.is_retriable() || error.is_fenced()
            }
            Error::Models(registry::models::Error::Store(error))
            | Error::Decision(registry::decisions::Error::Store(error))
            | Error::Archive(offline::archive::Error::Store(error))
            | Error::Dataset(
                offline::dataset::Error::Store(error)
                | offline::dataset::Error::Archive(offline::archive::Error::Store(error)),
            ) => error.is_of_the_place(),
            _ => false,
        }
    }
}
