//! Datasets: rows of features with the labels that were known at a cutoff, and the manifest that names them for good.
//!
//! A dataset is its manifest: which files, which ranges, which rule. Its digest is the digest of that text, so two
//! datasets with one digest are the same rows, and a model that names one can be trained again.

mod build;
mod columns;
mod manifest;
mod source;
#[cfg(test)]
mod tests;

use std::ops::Range;

use registry::store;
use serde::{Deserialize, Serialize};

use crate::{archive, table};

pub use build::{Dataset, ENTITY, ID, LABEL, TIME, build, newest_label_us};
pub use manifest::{Input, InputFile, Manifest, find, save, saved};
pub use source::Source;

/// Why a dataset could not be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A Parquet file could not be read.
    #[error(transparent)]
    File(#[from] table::Error),
    /// The store did not answer or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A column is not there.
    #[error("{place} has no column `{column}`; it has {available}")]
    NoColumn {
        /// Where it was looked for.
        place: String,
        /// The column, with dots between the levels of a struct.
        column: String,
        /// The columns of the level where it was missing.
        available: String,
    },
    /// A column's type or content does not fit its part.
    #[error("column `{column}` of {place} cannot be used: {detail}")]
    Column {
        /// Where it is.
        place: String,
        /// The column.
        column: String,
        /// What does not fit.
        detail: String,
    },
    /// Two columns of the dataset would have one name.
    #[error("the dataset would have two columns `{column}`; rename one of the inputs")]
    SameName {
        /// The name.
        column: String,
    },
    /// A manifest is not readable.
    #[error("dataset manifest `{key}` in {place} is not readable ({detail}); restore it or build the dataset again")]
    Manifest {
        /// Its key.
        key: String,
        /// The store.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a dataset is made of, apart from the files. Part of its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Columns of the feature rows.
    pub features: FeatureColumns,
    /// Columns of the label rows.
    pub labels: LabelColumns,
    /// Event times wanted, in microseconds: from the first, before the second.
    pub events_us: Range<i64>,
    /// A label counts only if it was known at this time.
    pub cutoff_us: i64,
    /// What becomes of events without a label known by then.
    pub unlabelled: Unlabelled,
    /// Digest of the feature set that computed the features.
    pub feature_set: String,
}

/// Columns of the feature rows. A dot leads into a struct: `features.customer_tx_count_7d`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureColumns {
    /// Event id, of any type that has a canonical text.
    pub id: String,
    /// Event time: a timestamp, or an integer of microseconds.
    pub time: String,
    /// Whom alerts are about, where there is somebody.
    pub entity: Option<String>,
    /// Inputs of models, in order: numbers or booleans, and categories. They are named by their last part.
    pub inputs: Vec<String>,
    /// Those of them that are categories; they become texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// Columns of the label rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelColumns {
    /// Id of the labelled event.
    pub id: String,
    /// The label: a number or a boolean, or with classes what has a canonical text.
    pub target: String,
    /// What it may be, where it has classes; a row has the place of its label among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// When the label became known.
    pub known: Known,
}

/// When a label became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Known {
    /// A column says it.
    Column(String),
    /// So many microseconds after the time in a column.
    After {
        /// Column with the event's time.
        time: String,
        /// The delay.
        delay_us: i64,
    },
}

/// What becomes of events whose label was not known at the cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Unlabelled {
    /// They are left out.
    Drop,
    /// Label 0 if the event is at least this much older than the cutoff: sources that report only what is bad, within
    /// a horizon. Younger ones are left out.
    ZeroAfter {
        /// The horizon.
        horizon_us: i64,
    },
}
