//! Rows as a person names them: a dataset built before, or a window of events.

use crate::dataset::{Dataset, Inputs, dataset, load};
use crate::window::{newest_at, newest_label_us};
use crate::{Error, Windows, newest};
use flow::config::{Model, Pipeline};
use offline::dataset::{Input, Manifest, find, save, saved};
use registry::store::Store;
use std::ops::Range;

/// Digits of a digest that are shown where several are named.
const SHOWN_DIGITS: usize = 12;
/// Datasets that are named when one is not found.
const SHOWN_DATASETS: usize = 5;

/// What to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A dataset, by its digest or the beginning of it.
    Dataset(String),
    /// Events by their time; without times the newest that have labels. A label counts if it was known at the cutoff,
    /// without one if it is known now.
    Window {
        /// Event times in microseconds: from the first, before the second.
        events_us: Option<Range<i64>>,
        /// When labels must have been known.
        cutoff_us: Option<i64>,
    },
}

/// Rows that were named, and where more of their kind are.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The rows.
    pub rows: Dataset,
    inputs: Inputs,
    windows: Windows,
}

impl Chosen {
    /// The events right behind the rows, to compare models on, out of what the rows were made of.
    pub fn holdout(&self, pipeline: &Pipeline) -> Result<Dataset, Error> {
        dataset(pipeline, &self.inputs, &self.windows.holdout)
    }

    /// The same place with the holdout as its rows.
    pub fn into_holdout(self, pipeline: &Pipeline) -> Result<Self, Error> {
        Ok(Self { rows: self.holdout(pipeline)?, ..self })
    }

    /// Keeps the manifest in the store, so that the digest leads back to the rows.
    pub fn save(&self, store: &Store) -> Result<(), Error> {
        save(store, &self.rows.manifest)?;
        Ok(())
    }
}

/// Finds or builds the rows of a choice for a model.
pub fn choose(
    pipeline: &Pipeline,
    model: &Model,
    store: &Store,
    inputs: Inputs,
    choice: &Choice,
) -> Result<Chosen, Error> {
    let windows = match choice {
        Choice::Dataset(wanted) => return again(pipeline, store, inputs, wanted),
        Choice::Window { events_us: None, cutoff_us: None } => newest(pipeline, model, &inputs)?,
        Choice::Window { events_us: None, cutoff_us: Some(cutoff_us) } => {
            newest_at(pipeline, model, &inputs, *cutoff_us)
        }
        Choice::Window { events_us: Some(events_us), cutoff_us } => {
            let cutoff_us = cutoff_us.map_or_else(|| newest_label_us(&inputs), Ok)?;
            Windows::ending(pipeline, events_us.clone(), cutoff_us)
        }
    };
    Ok(Chosen { rows: dataset(pipeline, &inputs, &windows.train)?, inputs, windows })
}

/// A dataset built before, out of the same rows.
fn again(pipeline: &Pipeline, store: &Store, inputs: Inputs, wanted: &str) -> Result<Chosen, Error> {
    let digest = full_digest(store, wanted)?;
    let unknown = || Error::UnknownDataset {
        wanted: digest.clone(),
        place: store.place(),
        help: "its manifest was removed meanwhile".to_owned(),
    };
    let manifest = find(store, &digest)?.ok_or_else(unknown)?;
    check_origin(&digest, &manifest, &inputs)?;
    let rows = load(inputs.clone(), store, &digest)?.ok_or_else(unknown)?;
    if rows.digest != digest {
        let help =
            format!("what is there now gives {}; restore what it was built from, or build it again", rows.digest);
        return Err(Error::OtherInputs { digest, built_from: built_from(&manifest.features), help });
    }
    let windows = Windows::ending(pipeline, manifest.recipe.events_us.clone(), manifest.recipe.cutoff_us);
    Ok(Chosen { rows, inputs: inputs.limited(&manifest), windows })
}

/// The digest that begins like this.
fn full_digest(store: &Store, wanted: &str) -> Result<String, Error> {
    let known = saved(store)?;
    let mut found = known.iter().filter(|digest| !wanted.is_empty() && digest.starts_with(wanted));
    let help = match (found.next(), found.next()) {
        (Some(only), None) => return Ok(only.clone()),
        (Some(_), Some(_)) => "several begin like this; write more digits".to_owned(),
        (None, _) if known.is_empty() => "build one with `tidemill dataset build`".to_owned(),
        (None, _) => {
            let shown: Vec<&str> = known.iter().take(SHOWN_DATASETS).map(|one| short(one)).collect();
            let more = if known.len() > SHOWN_DATASETS { ", …" } else { "" };
            format!("there are {}{more}", shown.join(", "))
        }
    };
    Err(Error::UnknownDataset { wanted: wanted.to_owned(), place: store.place(), help })
}

fn short(digest: &str) -> &str {
    digest.get(..SHOWN_DIGITS).unwrap_or(digest)
}

/// A dataset comes back only from the kind of place that it was built from.
fn check_origin(digest: &str, manifest: &Manifest, inputs: &Inputs) -> Result<(), Error> {
    let help = match (&manifest.features, inputs.is_file()) {
        (Input::File { .. }, false) => "name that file too",
        (Input::Topic { .. } | Input::Several(_), true) => "leave the file out",
        _ => return Ok(()),
    };
    let built_from = built_from(&manifest.features);
    Err(Error::OtherInputs { digest: digest.to_owned(), built_from, help: help.to_owned() })
}

fn built_from(input: &Input) -> String {
    match input {
        Input::File { name, sha256, .. } => format!("the file {name} with SHA-256 {}", short(sha256)),
        Input::Topic { topic, .. } => format!("the archived topic {topic}"),
        Input::Several(all) => all.iter().map(built_from).collect::<Vec<_>>().join(" and "),
    }
}
